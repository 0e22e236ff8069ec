import KubeAPI
import Logging
import Synchronization

/// Keeps the Endpoints of services with a selector, for clients that read the older kind.
final class EndpointsController: Controller {
    /// As Kubernetes: more are cut off, with an annotation that says so.
    static let addressLimit = 1000
    static let overCapacity = "endpoints.kubernetes.io/over-capacity"
    static let managedByLabel = "endpoints.kubernetes.io/managed-by"
    static let managedBy = "endpoint-controller"

    private let client: any APIClient
    private let informers: SharedInformers
    private let log: Logger
    private let queue = WorkQueue<String>()
    private let triggers = TriggerTimes()
    /// Services that went: their endpoints go too, whoever made them.
    private let gone = Mutex<Set<String>>([])

    init(client: any APIClient, informers: SharedInformers, log: Logger) {
        self.client = client
        self.informers = informers
        self.log = log
    }

    func run() async {
        informers.services.onEvent { [self] event in
            let key = event.object.objectKey
            if case .deleted = event {
                triggers.forget(key)
                gone.withLock { _ = $0.insert(key) }
            }
            queue.add(key)
        }
        informers.pods.onEvent { [self] in ServiceTriggers.add($0, informers.servicesByNamespace, queue) }
        informers.endpoints.onEvent { [queue] in queue.add($0.object.objectKey) }
        await informers.services.waitForSync()
        await informers.pods.waitForSync()
        await informers.endpoints.waitForSync()
        await queue.run(workers: 2) { [self] key in try await sync(key) }
    }

    private func sync(_ key: String) async throws {
        let present = informers.endpoints.get(key)
        guard let object = informers.services.get(key) else { return try await serviceIsGone(key, present) }
        gone.withLock { _ = $0.remove(key) }
        let service = Service(object)
        guard !object.isDeleting, service.selector != nil, !service.isExternalName else { return }
        let pods = ServiceEndpoints.pods(of: service, among: informers.podsByNamespace(service.namespace))
        let (subsets, isCut) = Self.subsets(service, pods)
        try await write(service, present, subsets, isCut, triggers.next(service, pods))
    }

    /// What somebody made before there is a service may be for one that is still to come.
    private func serviceIsGone(_ key: String, _ present: JSON?) async throws {
        let went = gone.withLock { $0.remove(key) != nil }
        guard let present, went || present.labels[Self.managedByLabel] == Self.managedBy else { return }
        do {
            try await client.delete(
                .endpoints, namespace: present.namespace, name: present.name,
                options: ["preconditions": ["uid": .string(present.uid)]])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        } catch {
            if went { gone.withLock { _ = $0.insert(key) } }
            throw error
        }
    }

    private func write(
        _ service: Service, _ present: JSON?, _ subsets: JSON, _ isCut: Bool, _ trigger: String?
    ) async throws {
        var labels = service.labels
        labels[Self.managedByLabel] = Self.managedBy
        labels[EndpointSliceController.headlessLabel] = service.isHeadless ? "" : nil
        let cut = isCut ? "truncated" : nil
        if let present, present["subsets"].items == subsets.items, present.labels == labels,
            present.annotations[Self.overCapacity] == cut
        {
            return
        }
        var endpoints: JSON =
            present ?? [
                "apiVersion": "v1", "kind": "Endpoints",
                "metadata": ["name": .string(service.name), "namespace": .string(service.namespace)],
            ]
        endpoints["metadata"]["labels"] = JSON(labels)
        endpoints["metadata"]["annotations"][TriggerTimes.annotation] = JSON(trigger)
        endpoints["metadata"]["annotations"][Self.overCapacity] = JSON(cut)
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

    // MARK: subsets

    private struct Part {
        let ports: [ServiceEndpoints.Port]
        var ready: [JSON] = []
        var notReady: [JSON] = []
    }

    /// One subset per set of ports, addresses sorted. True where some had to be left out.
    static func subsets(_ service: Service, _ pods: [Pod]) -> (JSON, isCut: Bool) {
        var parts: [Part] = []
        for group in ServiceEndpoints.groups(service, pods, family: service.ipFamilies.first ?? "IPv4") {
            // A pod that has none of the ports serves nothing.
            if group.ports.isEmpty, !service.ports.isEmpty { continue }
            var part = Part(ports: group.ports)
            for endpoint in group.endpoints {
                var address: JSON = ["ip": endpoint["addresses"][0]]
                for field in ["hostname", "nodeName", "targetRef"] { address[field] = endpoint[field] }
                if endpoint["conditions"]["ready"].bool == true {
                    part.ready.append(address)
                } else if endpoint["conditions"]["terminating"].bool != true {
                    part.notReady.append(address)
                }
            }
            part.ready.sort { $0["ip"].stringValue < $1["ip"].stringValue }
            part.notReady.sort { $0["ip"].stringValue < $1["ip"].stringValue }
            if !part.ready.isEmpty || !part.notReady.isEmpty { parts.append(part) }
        }
        let isCut = cut(&parts)
        return (.array(parts.map(json)), isCut)
    }

    /// Keeps the first addresses up to the limit, those that are ready before all others.
    private static func cut(_ parts: inout [Part]) -> Bool {
        let total = parts.reduce(0) { $0 + $1.ready.count + $1.notReady.count }
        guard total > addressLimit else { return false }
        var left = addressLimit
        for index in parts.indices {
            parts[index].ready = Array(parts[index].ready.prefix(left))
            left -= parts[index].ready.count
        }
        for index in parts.indices {
            parts[index].notReady = Array(parts[index].notReady.prefix(left))
            left -= parts[index].notReady.count
        }
        parts.removeAll { $0.ready.isEmpty && $0.notReady.isEmpty }
        return true
    }

    private static func json(_ part: Part) -> JSON {
        let ports = part.ports.map { port -> JSON in
            [
                "name": port.name.isEmpty ? .null : .string(port.name), "port": .int(Int64(port.port)),
                "protocol": .string(port.proto), "appProtocol": JSON(port.appProtocol),
            ]
        }
        return [
            "addresses": part.ready.isEmpty ? .null : .array(part.ready),
            "notReadyAddresses": part.notReady.isEmpty ? .null : .array(part.notReady),
            "ports": ports.isEmpty ? .null : .array(ports),
        ]
    }
}
