import KubeAPI
import Logging

/// The objects that every cluster has from the beginning: its first namespaces, its default roles.
struct Bootstrap: Sendable {
    let client: any APIClient
    let log: Logger

    private static let namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"]

    /// Makes what is missing.
    func run() async throws {
        for name in Self.namespaces {
            let object: JSON = ["kind": "Namespace", "apiVersion": "v1", "metadata": ["name": .string(name)]]
            do {
                try await client.create(.namespaces, object)
                log.debug("made namespace", metadata: ["name": "\(name)"])
            } catch let error as StatusError where error.isAlreadyExists {
                continue
            }
        }
        try await RoleReconciliation(client: client, log: log).run()
    }
}
