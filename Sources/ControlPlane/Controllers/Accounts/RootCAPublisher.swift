import KubeAPI
import Logging

/// Keeps the ConfigMap `kube-root-ca.crt` in every namespace: the CA by which pods know the API server. Whoever changes
/// or deletes it finds it again at once.
final class RootCAPublisher: Controller {
    private static let name = ServiceAccountAdmission.rootCA
    private static let key = "ca.crt"

    private let client: any APIClient
    private let namespaces: Informer
    private let configMaps: Informer
    /// In PEM.
    private let authority: @Sendable () throws -> [UInt8]
    private let queue = WorkQueue<String>()

    init(
        client: any APIClient, informers: SharedInformers, authority: @escaping @Sendable () throws -> [UInt8],
        log: Logger
    ) {
        self.client = client
        self.authority = authority
        namespaces = informers.namespaces
        configMaps = Informer(
            informers.client, .configMaps, fieldSelector: "metadata.name=\(Self.name)", log: log)
    }

    func run() async {
        namespaces.onEvent { [queue] in queue.add($0.object.name) }
        configMaps.onEvent { [queue] event in
            if case .added = event { return }
            queue.add(event.object.namespace)
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.configMaps.run() }
            group.addTask {
                await self.namespaces.waitForSync()
                await self.configMaps.waitForSync()
                // What was changed while nobody watched is put right as well.
                for map in self.configMaps.all() { self.queue.add(map.namespace) }
                await self.queue.run { try await self.publish($0) }
            }
            await group.waitForAll()
        }
    }

    private func publish(_ name: String) async throws {
        guard let namespace = namespaces.get(name), !namespace.isDeleting else { return }
        let wanted: JSON = [Self.key: .string(String(decoding: try authority(), as: UTF8.self))]
        guard var map = configMaps.get("\(name)/\(Self.name)") else {
            do {
                try await client.create(
                    .configMaps, namespace: name,
                    [
                        "apiVersion": "v1", "kind": "ConfigMap",
                        "metadata": [
                            "name": .string(Self.name), "namespace": .string(name),
                            "annotations": [
                                "kubernetes.io/description":
                                    "The CA of this cluster's API server, for programs in pods. It vouches for nothing else."
                            ],
                        ], "data": wanted,
                    ])
            } catch let error as StatusError where error.isAlreadyExists || error.isNotFound || error.code == 403 {
                return  // somebody was faster, or the namespace goes
            }
            return
        }
        guard map["data"] != wanted || !map["binaryData"].isNull else { return }
        map["apiVersion"] = "v1"
        map["kind"] = "ConfigMap"
        map["data"] = wanted
        map["binaryData"] = .null
        do {
            try await client.update(.configMaps, map)
        } catch let error as StatusError where error.isNotFound {
            return  // its deletion is reported
        }
    }
}
