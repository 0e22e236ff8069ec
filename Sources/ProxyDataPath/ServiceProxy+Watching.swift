import KubeAPI
import Kernel
import Logging

extension ServiceProxy {
    /// By which a cluster's autoscaler says that it is about to remove a node.
    private static let toBeDeleted = "ToBeDeletedByClusterAutoscaler"

    /// What is watched, not running yet; nothing without a client.
    func informers() -> [Informer] {
        guard let client else { return [] }
        let services = Informer(client, .services, log: log)
        let slices = Informer(client, .endpointSlices, log: log)
        let pods = Informer(client, .pods, fieldSelector: "spec.nodeName=\(config.nodeName)", log: log)
        services.onEvent { [weak self] event in
            self?.metrics.countServiceChange()
            self?.change { state in
                if case .deleted(let object) = event {
                    state.services.remove(service: object.objectKey)
                } else {
                    state.services.set(service: event.object)
                }
            }
        }
        let started = Timestamp.now()
        slices.onEvent { [weak self] event in
            self?.metrics.countEndpointChange()
            self?.change { state in
                if case .deleted(let object) = event {
                    state.services.remove(slice: object.objectKey)
                } else {
                    state.services.set(slice: event.object)
                    if state.services.hasChanges, let trigger = Self.trigger(event), trigger >= started {
                        state.triggers.append(trigger)
                    }
                }
            }
        }
        pods.onEvent { [weak self] event in
            self?.change { state in
                if case .deleted(let object) = event {
                    state.hostPorts.remove(pod: object.objectKey)
                } else {
                    state.hostPorts.set(pod: event.object)
                }
            }
        }
        let nodes = Informer(client, .nodes, fieldSelector: "metadata.name=\(config.nodeName)", log: log)
        nodes.onEvent { [weak self] event in self?.nodeChanged(event) }
        let all = [services, slices, pods, nodes]
        Task { [weak self] in
            // A service whose slices are not in yet would lose its endpoints for a moment.
            for informer in all { await informer.waitForSync() }
            self?.becomeReady()
        }
        return all
    }

    /// When what a new state of a slice says has happened.
    private static func trigger(_ event: Informer.Event) -> Timestamp? {
        func annotation(_ slice: JSON) -> JSON {
            slice["metadata"]["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"]
        }
        if case .updated(let old, let new) = event, annotation(old) == annotation(new) { return nil }
        return Timestamp(annotation(event.object))
    }

    private func nodeChanged(_ event: Informer.Event) {
        let node = event.object
        var isLeaving =
            node.isDeleting || node["spec"]["taints"].items.contains { $0["key"].string == Self.toBeDeleted }
        if case .deleted = event { isLeaving = true }
        let ranges = Node(node).podCIDRs.compactMap { CIDR($0) }.filter { range in
            config.sites.contains { $0.clusterCIDR.contains(range) }
        }
        for table in rules { if let range = ranges.first(of: table.family) { table.setPodRange(range) } }
        change { state in
            state.nodeIsLeaving = isLeaving
            state.services.set(zone: node.labels["topology.kubernetes.io/zone"])
            if ranges != state.podRanges {
                state.podRanges = ranges
                state.hasNewSite = true
            }
        }
    }
}
