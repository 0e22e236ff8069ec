import KubeAPI
import Logging

/// Makes the service account `default` of every namespace.
final class ServiceAccounts: Controller {
    private let client: any APIClient
    private let informers: SharedInformers
    private let log: Logger
    private let queue = WorkQueue<String>()

    init(client: any APIClient, informers: SharedInformers, log: Logger) {
        self.client = client
        self.informers = informers
        self.log = log
    }

    func run() async {
        informers.namespaces.onEvent { [queue] in queue.add($0.object.name) }
        informers.serviceAccounts.onEvent { [queue] event in
            if case .deleted(let account) = event, account.name == "default" { queue.add(account.namespace) }
        }
        await informers.namespaces.waitForSync()
        await informers.serviceAccounts.waitForSync()
        await queue.run { [self] namespace in try await ensure(namespace) }
    }

    private func ensure(_ name: String) async throws {
        guard let namespace = informers.namespaces.get(name), !namespace.isDeleting,
            informers.serviceAccounts.get("\(name)/default") == nil
        else { return }
        do {
            try await client.create(
                .serviceAccounts, namespace: name,
                [
                    "apiVersion": "v1", "kind": "ServiceAccount",
                    "metadata": ["name": "default", "namespace": .string(name)],
                ])
        } catch let error as StatusError where error.isAlreadyExists || error.isNotFound || error.code == 403 {
            return
        }
    }
}
