import KubeAPI
import Logging

/// Mirrors Endpoints that somebody made for a service without a selector to EndpointSlices, which is what proxies read.
final class EndpointSliceMirroring: Controller {
    static let managedBy = "endpointslicemirroring-controller.k8s.io"
    static let skipLabel = "endpointslice.kubernetes.io/skip-mirror"

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
        informers.endpoints.onEvent { [queue] in queue.add($0.object.objectKey) }
        informers.services.onEvent { [queue] in queue.add($0.object.objectKey) }
        informers.slices.onEvent { [queue] event in
            // A mirror that somebody changed or removed is set right.
            let labels = event.object["metadata"]["labels"]
            guard labels[EndpointSliceController.managedByLabel].string == Self.managedBy,
                let service = labels[EndpointSliceController.serviceLabel].string
            else { return }
            queue.add("\(event.object.namespace)/\(service)")
        }
        await informers.endpoints.waitForSync()
        await informers.services.waitForSync()
        await informers.slices.waitForSync()
        await queue.run { [self] key in try await sync(key) }
    }

    private func sync(_ key: String) async throws {
        var present = informers.slicesByService(key).filter { slice in
            slice["metadata"]["labels"][EndpointSliceController.managedByLabel].string == Self.managedBy
        }
        if let endpoints = informers.endpoints.get(key), isMirrored(endpoints) {
            var number = 0
            for subset in endpoints["subsets"].items {
                for family in ["IPv4", "IPv6"] {
                    let all = Self.endpoints(subset, family)
                    guard !all.isEmpty else { continue }
                    for start in stride(from: 0, to: all.count, by: EndpointSliceStrategy.maxEndpoints) {
                        let part = Array(all[start..<min(start + EndpointSliceStrategy.maxEndpoints, all.count)])
                        // Names follow from the place, so that a mirror is found again.
                        let name = "\(endpoints.name)-mirror-\(number)"
                        number += 1
                        let old = present.first { $0.name == name }
                        present.removeAll { $0.name == name }
                        try await write(endpoints, name, family, part, subset["ports"], old)
                    }
                }
            }
        }
        for slice in present {
            do {
                try await client.delete(.endpointSlices, namespace: slice.namespace, name: slice.name)
            } catch let error as StatusError where error.isNotFound {
                continue
            }
        }
    }

    private func isMirrored(_ endpoints: JSON) -> Bool {
        guard endpoints.labels[Self.skipLabel] != "true", !endpoints.isDeleting,
            endpoints.annotations["control-plane.alpha.kubernetes.io/leader"] == nil,
            let service = informers.services.get(endpoints.objectKey)
        else { return false }
        return Service(service).selector == nil
    }

    private static func endpoints(_ subset: JSON, _ family: String) -> [JSON] {
        func make(_ list: String, ready: Bool) -> [JSON] {
            subset[list].items.compactMap { address in
                guard let ip = address["ip"].string, ip.contains(":") == (family == "IPv6") else { return nil }
                return [
                    "addresses": [.string(ip)], "conditions": ["ready": .bool(ready)], "hostname": address["hostname"],
                    "nodeName": address["nodeName"], "targetRef": address["targetRef"],
                ]
            }
        }
        return make("addresses", ready: true) + make("notReadyAddresses", ready: false)
    }

    private func write(
        _ owner: JSON, _ name: String, _ family: String, _ endpoints: [JSON], _ ports: JSON, _ old: JSON?
    ) async throws {
        var labels = owner.labels
        labels[EndpointSliceController.serviceLabel] = owner.name
        labels[EndpointSliceController.managedByLabel] = Self.managedBy
        labels[EndpointsController.managedByLabel] = nil
        // Annotations go along, but for those that describe the Endpoints themselves.
        var annotations = owner.annotations
        annotations["kubectl.kubernetes.io/last-applied-configuration"] = nil
        annotations[EndpointsController.overCapacity] = nil
        let slicePorts: [JSON] = ports.items.map { port in
            [
                "name": .string(port["name"].stringValue), "port": port["port"],
                "protocol": .string(port["protocol"].string ?? "TCP"), "appProtocol": port["appProtocol"],
            ]
        }
        if let old, old["endpoints"].items == endpoints, old["ports"].items == slicePorts, old.labels == labels,
            old.annotations == annotations
        {
            return
        }
        var slice: JSON =
            old ?? [
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": .string(family),
                "metadata": [
                    "name": .string(name), "namespace": .string(owner.namespace),
                    "ownerReferences": [owner.ownerReference()],
                ],
            ]
        if slice["addressType"].string != family {
            // The type of a slice can't be changed: it is made anew.
            try await client.delete(.endpointSlices, namespace: owner.namespace, name: name)
            return queue.addRateLimited(owner.objectKey)
        }
        slice["metadata"]["labels"] = JSON(labels)
        slice["metadata"]["annotations"] = annotations.isEmpty ? .null : JSON(annotations)
        slice["endpoints"] = .array(endpoints)
        slice["ports"] = .array(slicePorts)
        if old == nil {
            try await client.create(.endpointSlices, namespace: owner.namespace, slice)
        } else {
            try await client.update(.endpointSlices, slice)
        }
    }
}
