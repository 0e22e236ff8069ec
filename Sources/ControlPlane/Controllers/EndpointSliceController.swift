import KubeAPI
import Logging

/// Keeps the EndpointSlices of services with a selector.
final class EndpointSliceController: Controller {
    static let managedBy = "endpointslice-controller.k8s.io"
    static let managedByLabel = "endpointslice.kubernetes.io/managed-by"
    static let serviceLabel = "kubernetes.io/service-name"
    static let headlessLabel = "service.kubernetes.io/headless"
    private static let zoneLabel = "topology.kubernetes.io/zone"

    private let client: any APIClient
    private let informers: SharedInformers
    private let log: Logger
    private let queue = WorkQueue<String>()
    private let triggers = TriggerTimes()
    private let written: WrittenObjects

    init(client: any APIClient, informers: SharedInformers, log: Logger) {
        self.client = client
        self.informers = informers
        self.log = log
        written = WrittenObjects(informers.slices)
    }

    func run() async {
        informers.services.onEvent { [self] event in
            if case .deleted(let service) = event { triggers.forget(service.objectKey) }
            queue.add(event.object.objectKey)
        }
        informers.pods.onEvent { [self] in ServiceTriggers.add($0, informers.servicesByNamespace, queue) }
        informers.slices.onEvent { [self] event in
            guard let key = Self.serviceKey(event.object) else { return }
            written.observed(key, event)
            queue.add(key)
        }
        informers.nodes.onEvent { [self] in nodeChanged($0) }
        await informers.services.waitForSync()
        await informers.pods.waitForSync()
        await informers.slices.waitForSync()
        await informers.nodes.waitForSync()
        await queue.run(workers: 2) { [self] key in try await sync(key) }
    }

    /// The service whose slice this is; nil for those of others.
    private static func serviceKey(_ slice: JSON) -> String? {
        let labels = slice["metadata"]["labels"]
        guard labels[managedByLabel].string == managedBy, let service = labels[serviceLabel].string else { return nil }
        return "\(slice.namespace)/\(service)"
    }

    /// Endpoints say which zone their node is in.
    private func nodeChanged(_ event: Informer.Event) {
        let zone = { (node: JSON) in node["metadata"]["labels"][Self.zoneLabel] }
        switch event {
        case .updated(let old, let new): if zone(old) == zone(new) { return }
        case .added(let node): if zone(node).isNull { return }
        case .deleted: return
        }
        let name = event.object.name
        let namespaces = Set(
            informers.slices.all().filter { slice in
                slice["endpoints"].items.contains { $0["nodeName"].string == name }
            }.compactMap(Self.serviceKey))
        for key in namespaces { queue.add(key) }
    }

    private func zone(of node: String) -> String? {
        informers.nodes.get(node)?["metadata"]["labels"][Self.zoneLabel].string
    }

    private func sync(_ key: String) async throws {
        guard written.areSeen(key) else {
            // The event that shows it brings the key again.
            return queue.add(key, after: WrittenObjects.patience + .seconds(1))
        }
        let present = informers.slicesByService(key).filter { Self.serviceKey($0) == key && !$0.isDeleting }
        guard let object = informers.services.get(key), Service(object).selector != nil, !Service(object).isExternalName
        else {
            for slice in present { try await delete(slice, key) }
            return
        }
        // It serves until it is gone; its slices are the garbage collector's then.
        if object.isDeleting { return }
        let service = Service(object)
        let pods = ServiceEndpoints.pods(of: service, among: informers.podsByNamespace(service.namespace))
        let families = service.ipFamilies.isEmpty ? ["IPv4"] : service.ipFamilies
        let trigger = triggers.next(service, pods)
        for family in families {
            let groups = ServiceEndpoints.groups(service, pods, family: family) { [self] in zone(of: $0) }
            try await reconcile(
                service, groups, family, present.filter { $0["addressType"].string == family }, trigger)
        }
        for slice in present where !families.contains(slice["addressType"].stringValue) { try await delete(slice, key) }
    }

    private func reconcile(
        _ service: Service, _ groups: [ServiceEndpoints.Group], _ family: String, _ present: [JSON], _ trigger: String?
    ) async throws {
        // A service without endpoints keeps one empty slice, as clients expect.
        let groups = groups.isEmpty ? [ServiceEndpoints.Group(ports: [])] : groups
        var unused = present
        var missing: [(endpoints: [JSON], ports: JSON)] = []
        for group in groups {
            let ports = Self.json(group.ports)
            let own = unused.filter { $0["ports"].items == ports.items }
            unused.removeAll { slice in own.contains { $0.uid == slice.uid } }
            let plan = SlicePlan(wanted: group.endpoints, present: own)
            let isPlaceholder = group.endpoints.isEmpty
            for (index, slice) in plan.slices.enumerated() {
                guard let old = slice.old else {
                    missing.append((slice.endpoints, ports))
                    continue
                }
                if slice.endpoints.isEmpty, !(isPlaceholder && index == 0) {
                    unused.append(old)
                } else {
                    try await write(service, old, slice.endpoints, ports, family, trigger)
                }
            }
            if isPlaceholder, own.isEmpty { missing.append(([], ports)) }
        }
        // A slice that is not needed any more is used again for what needs a new one.
        for (endpoints, ports) in missing {
            try await write(service, unused.popLast(), endpoints, ports, family, trigger)
        }
        for slice in unused { try await delete(slice, service.key) }
    }

    private func write(
        _ service: Service, _ old: JSON?, _ endpoints: [JSON], _ ports: JSON, _ family: String, _ trigger: String?
    ) async throws {
        var labels = service.labels
        labels[Self.serviceLabel] = service.name
        labels[Self.managedByLabel] = Self.managedBy
        labels[Self.headlessLabel] = service.isHeadless ? "" : nil
        if let old, old["endpoints"].items == endpoints, old["ports"].items == ports.items, old.labels == labels {
            return
        }
        var slice: JSON =
            old ?? [
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": [
                    "generateName": .string(service.name + "-"), "namespace": .string(service.namespace),
                    "ownerReferences": [service.json.ownerReference()],
                ],
                "addressType": .string(family),
            ]
        slice["endpoints"] = .array(endpoints)
        slice["ports"] = ports
        slice["metadata"]["labels"] = JSON(labels)
        slice["metadata"]["annotations"][TriggerTimes.annotation] = JSON(trigger)
        do {
            let stored =
                old == nil
                ? try await client.create(.endpointSlices, namespace: service.namespace, slice)
                : try await client.update(.endpointSlices, slice)
            written.wrote(service.key, stored)
        } catch let error as StatusError where error.isNotFound || error.message.contains("being terminated") {
            return
        }
    }

    private func delete(_ slice: JSON, _ key: String) async throws {
        do {
            try await client.delete(
                .endpointSlices, namespace: slice.namespace, name: slice.name,
                options: ["preconditions": ["uid": .string(slice.uid)]])
            written.deleted(key, slice)
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
    }

    static func json(_ ports: [ServiceEndpoints.Port]) -> JSON {
        .array(
            ports.map { port in
                [
                    "name": .string(port.name), "port": .int(Int64(port.port)), "protocol": .string(port.proto),
                    "appProtocol": JSON(port.appProtocol),
                ]
            })
    }
}
