import KubeAPI
import Logging

/// Keeps the EndpointSlices of services with a selector.
///
/// Slices are stable: an endpoint stays in its slice, what is new goes where there is room, and a slice is written only
/// when it differs.
final class EndpointSliceController: Controller {
    static let managedBy = "endpointslice-controller.k8s.io"
    /// As Kubernetes' default.
    static let endpointsPerSlice = 100

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
        informers.slices.onEvent { [queue] event in
            let slice = EndpointSlice(event.object)
            guard slice.labels["endpointslice.kubernetes.io/managed-by"] == Self.managedBy, let service = slice.serviceName
            else { return }
            queue.add("\(slice.namespace)/\(service)")
        }
        await informers.services.waitForSync()
        await informers.pods.waitForSync()
        await informers.slices.waitForSync()
        await queue.run(workers: 2) { [self] key in try await sync(key) }
    }

    private func existing(_ key: String) -> [JSON] {
        informers.slices.all().filter { object in
            let slice = EndpointSlice(object)
            return slice.labels["endpointslice.kubernetes.io/managed-by"] == Self.managedBy
                && slice.serviceName.map { "\(slice.namespace)/\($0)" } == key
        }
    }

    private func sync(_ key: String) async throws {
        let present = existing(key)
        guard let object = informers.services.get(key), !object.isDeleting, Service(object).selector != nil,
            !Service(object).isExternalName
        else {
            for slice in present { try await delete(slice) }
            return
        }
        let service = Service(object)
        let pods = ServiceEndpoints.pods(of: service, among: informers.pods.all())
        let families = service.spec["ipFamilies"].items.compactMap(\.string)
        for family in families.isEmpty ? ["IPv4"] : families {
            try await reconcile(
                service, ServiceEndpoints.groups(service, pods, family: family), family,
                present.filter { $0["addressType"].string == family }, ServiceEndpoints.lastTrigger(service, pods))
        }
        for slice in present where !(families.isEmpty ? ["IPv4"] : families).contains(slice["addressType"].stringValue) {
            try await delete(slice)
        }
    }

    private func reconcile(
        _ service: Service, _ groups: [ServiceEndpoints.Group], _ family: String, _ present: [JSON], _ trigger: String?
    ) async throws {
        // A service without endpoints keeps one empty slice, as clients expect.
        var groups = groups
        if groups.isEmpty { groups = [ServiceEndpoints.Group(ports: [])] }
        var unused = present.sorted { $0.name < $1.name }
        for group in groups {
            let ports = Self.json(group.ports)
            var wanted = Dictionary(
                group.endpoints.map { ($0["targetRef"]["uid"].stringValue, $0) }, uniquingKeysWith: { first, _ in first })
            var slices: [(old: JSON?, endpoints: [JSON])] = []
            for slice in unused where slice["ports"] == ports || (slice["ports"].items.isEmpty && group.ports.isEmpty) {
                unused.removeAll { $0.uid == slice.uid }
                let kept = slice["endpoints"].items.compactMap { endpoint in
                    wanted.removeValue(forKey: endpoint["targetRef"]["uid"].stringValue)
                }
                slices.append((slice, kept))
            }
            // What is new goes where there is room, then into slices without a group, then into new ones.
            var rest = wanted.sorted { $0.key < $1.key }.map(\.value)
            for index in slices.indices where !rest.isEmpty {
                let room = Self.endpointsPerSlice - slices[index].endpoints.count
                if room > 0 {
                    slices[index].endpoints += rest.prefix(room)
                    rest.removeFirst(min(room, rest.count))
                }
            }
            while !rest.isEmpty || slices.isEmpty {
                let reused = unused.isEmpty ? nil : unused.removeFirst()
                slices.append((reused, Array(rest.prefix(Self.endpointsPerSlice))))
                rest.removeFirst(min(Self.endpointsPerSlice, rest.count))
            }
            for (position, slice) in slices.enumerated() {
                // An emptied slice goes, unless it is the last that the service has.
                if slice.endpoints.isEmpty, position > 0 || groups.count > 1, let old = slice.old {
                    try await delete(old)
                } else {
                    try await write(service, slice.old, slice.endpoints, ports, family, trigger)
                }
            }
        }
        for slice in unused { try await delete(slice) }
    }

    private func write(
        _ service: Service, _ old: JSON?, _ endpoints: [JSON], _ ports: JSON, _ family: String, _ trigger: String?
    ) async throws {
        var labels = service.labels
        labels["kubernetes.io/service-name"] = service.name
        labels["endpointslice.kubernetes.io/managed-by"] = Self.managedBy
        labels["service.kubernetes.io/headless"] = service.isHeadless ? "" : nil
        var slice: JSON =
            old ?? [
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": [
                    "generateName": .string(service.name + "-"), "namespace": .string(service.namespace),
                    "ownerReferences": [service.json.ownerReference()],
                ],
            ]
        slice["addressType"] = .string(family)
        slice["endpoints"] = .array(endpoints)
        slice["ports"] = ports
        slice["metadata"]["labels"] = JSON(labels)
        if let old, old["endpoints"].items == endpoints, old["ports"].items == ports.items, old.labels == labels { return }
        if let trigger {
            slice["metadata"]["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"] = .string(trigger)
        }
        do {
            if old == nil {
                try await client.create(.endpointSlices, namespace: service.namespace, slice)
            } else {
                try await client.update(.endpointSlices, slice)
            }
        } catch let error as StatusError where error.isNotFound || error.message.contains("being terminated") {
            return
        }
    }

    private func delete(_ slice: JSON) async throws {
        do {
            try await client.delete(.endpointSlices, namespace: slice.namespace, name: slice.name)
        } catch let error as StatusError where error.isNotFound {
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

/// Which services a pod's change concerns.
enum ServiceTriggers {
    static func add(_ event: Informer.Event, _ services: Informer, _ queue: WorkQueue<String>) {
        var labelSets = [event.object.labels]
        if case .updated(let old, let new) = event {
            // Most updates of a pod (a container's start time, say) change no endpoint.
            if old["status"]["podIP"] == new["status"]["podIP"], old["status"]["phase"] == new["status"]["phase"],
                Pod(old).isReady == Pod(new).isReady, old.isDeleting == new.isDeleting, old.labels == new.labels,
                old["spec"]["nodeName"] == new["spec"]["nodeName"]
            {
                return
            }
            if old.labels != new.labels { labelSets.append(old.labels) }
        }
        let namespace = event.object.namespace
        for object in services.all() where object.namespace == namespace {
            guard let selector = Service(object).selector else { continue }
            if labelSets.contains(where: { labels in selector.allSatisfy { labels[$0.key] == $0.value } }) {
                queue.add(object.objectKey)
            }
        }
    }
}
