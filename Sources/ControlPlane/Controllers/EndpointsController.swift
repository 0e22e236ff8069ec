import KubeAPI
import Logging

/// Keeps the Endpoints of services with a selector, for clients that read the older kind.
final class EndpointsController: Controller {
    /// As Kubernetes: more are cut off, with an annotation that says so.
    static let addressLimit = 1000
    static let overCapacity = "endpoints.kubernetes.io/over-capacity"

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
        informers.services.onEvent { [queue] in queue.add($0.object.objectKey) }
        informers.pods.onEvent { [self] in ServiceTriggers.add($0, informers.services, queue) }
        informers.endpoints.onEvent { [queue] in queue.add($0.object.objectKey) }
        await informers.services.waitForSync()
        await informers.pods.waitForSync()
        await informers.endpoints.waitForSync()
        await queue.run(workers: 2) { [self] key in try await sync(key) }
    }

    private func sync(_ key: String) async throws {
        let present = informers.endpoints.get(key)
        guard let object = informers.services.get(key), !object.isDeleting else {
            // Those of a service that is gone go too; others, made by hand, are not ours.
            if let present, present.labels["endpoints.kubernetes.io/managed-by"] == "endpoint-controller" {
                try await delete(present)
            }
            return
        }
        let service = Service(object)
        guard service.selector != nil, !service.isExternalName else { return }
        let subsets = Self.subsets(service, ServiceEndpoints.pods(of: service, among: informers.pods.all()))
        var labels = service.labels
        labels["endpoints.kubernetes.io/managed-by"] = "endpoint-controller"
        if service.isHeadless { labels["service.kubernetes.io/headless"] = "" }
        if let present, present["subsets"].items == subsets.items, present.labels == labels { return }
        var endpoints: JSON =
            present ?? [
                "apiVersion": "v1", "kind": "Endpoints",
                "metadata": ["name": .string(service.name), "namespace": .string(service.namespace)],
            ]
        endpoints["metadata"]["labels"] = JSON(labels)
        endpoints["subsets"] = subsets
        do {
            if present == nil {
                try await client.create(.endpoints, namespace: service.namespace, endpoints)
            } else {
                try await client.update(.endpoints, endpoints)
            }
        } catch let error as StatusError where error.isNotFound || error.message.contains("being terminated") {
            return
        }
    }

    private func delete(_ endpoints: JSON) async throws {
        do {
            try await client.delete(.endpoints, namespace: endpoints.namespace, name: endpoints.name)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }

    /// One subset per set of ports, addresses sorted.
    static func subsets(_ service: Service, _ pods: [Pod]) -> JSON {
        let family = service.spec["ipFamilies"][0].string ?? "IPv4"
        var subsets: [JSON] = []
        var left = addressLimit
        for group in ServiceEndpoints.groups(service, pods, family: family) {
            var ready: [JSON] = []
            var notReady: [JSON] = []
            for endpoint in group.endpoints.sorted(by: { $0["addresses"][0].stringValue < $1["addresses"][0].stringValue })
            where left > 0 {
                left -= 1
                var address: JSON = [
                    "ip": endpoint["addresses"][0], "nodeName": endpoint["nodeName"], "targetRef": endpoint["targetRef"],
                ]
                address["hostname"] = endpoint["hostname"]
                if endpoint["conditions"]["ready"].bool == true {
                    ready.append(address)
                } else if endpoint["conditions"]["terminating"].bool != true {
                    notReady.append(address)
                }
            }
            guard !ready.isEmpty || !notReady.isEmpty else { continue }
            subsets.append([
                "addresses": ready.isEmpty ? .null : .array(ready),
                "notReadyAddresses": notReady.isEmpty ? .null : .array(notReady),
                "ports": .array(
                    group.ports.map { port in
                        [
                            "name": port.name.isEmpty ? .null : .string(port.name), "port": .int(Int64(port.port)),
                            "protocol": .string(port.proto), "appProtocol": JSON(port.appProtocol),
                        ]
                    }),
            ])
        }
        return .array(subsets)
    }
}
