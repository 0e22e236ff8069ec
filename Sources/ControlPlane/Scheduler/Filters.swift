import KubeAPI

/// Whether a node takes a pod, and in Kubernetes' words why not.
enum Filters {
    /// The quick question, the cheapest parts first; what the pod asks of labels is not part of it. Else it agrees with
    /// `reasons`.
    @inline(__always)
    static func fits(_ pod: PodDemand, _ room: NodeRoom, _ details: @autoclosure () -> NodeDetails) -> Bool {
        guard room.pods < room.maxPods, hasRoom(pod, room) else { return false }
        if room.flags.isEmpty, pod.isPlain { return true }
        if room.flags.contains(.leaving) { return false }
        if room.flags.contains(.unschedulable), !pod.toleratesUnschedulable { return false }
        if pod.isPlain, !room.flags.contains(.hardTaints) { return true }
        let details = details()
        return untolerated(pod, details) == nil && !clashes(pod, details) && missing(pod, details).isEmpty
    }

    @inline(__always)
    private static func hasRoom(_ pod: PodDemand, _ room: NodeRoom) -> Bool {
        // A node that is overcommitted still takes a pod that asks for nothing of it.
        (pod.milliCPU == 0 || pod.milliCPU <= room.milliCPU &- room.usedMilliCPU)
            && (pod.memory == 0 || pod.memory <= room.memory &- room.usedMemory)
            && (pod.ephemeralStorage == 0 || pod.ephemeralStorage <= room.storage &- room.usedStorage)
    }

    /// Why a node does not take a pod. Extended resources that are insufficient come beside it, by name.
    struct Reasons: OptionSet, Sendable {
        let rawValue: UInt16

        static let unschedulable = Reasons(rawValue: 1 << 0)
        static let taint = Reasons(rawValue: 1 << 1)
        static let affinity = Reasons(rawValue: 1 << 2)
        static let ports = Reasons(rawValue: 1 << 3)
        static let tooManyPods = Reasons(rawValue: 1 << 4)
        static let cpu = Reasons(rawValue: 1 << 5)
        static let memory = Reasons(rawValue: 1 << 6)
        static let storage = Reasons(rawValue: 1 << 7)

        /// By the number of the bit.
        static let texts = [
            "node(s) were unschedulable", "node(s) had untolerated taint(s)",
            "node(s) didn't match Pod's node affinity/selector",
            "node(s) didn't have free ports for the requested pod ports", "Too many pods", "Insufficient cpu",
            "Insufficient memory", "Insufficient ephemeral-storage",
        ]
    }

    /// All reasons against the node; none where the pod fits. Like Kubernetes, a node that is ruled out by one kind of
    /// reason is not asked for others; only what is insufficient is told in full.
    static func reasons(_ pod: PodDemand, _ room: NodeRoom, _ details: NodeDetails) -> (Reasons, others: [String]) {
        if room.flags.contains(.leaving) || (room.flags.contains(.unschedulable) && !pod.toleratesUnschedulable) {
            return (.unschedulable, [])
        }
        if room.flags.contains(.hardTaints), untolerated(pod, details) != nil { return (.taint, []) }
        if let constraints = pod.constraints, !constraints.match(details) { return (.affinity, []) }
        if clashes(pod, details) { return (.ports, []) }
        var reasons: Reasons = []
        let others = missing(pod, details)
        if room.pods >= room.maxPods { reasons.insert(.tooManyPods) }
        if pod.milliCPU > 0, pod.milliCPU > room.milliCPU &- room.usedMilliCPU { reasons.insert(.cpu) }
        if pod.memory > 0, pod.memory > room.memory &- room.usedMemory { reasons.insert(.memory) }
        if pod.ephemeralStorage > 0, pod.ephemeralStorage > room.storage &- room.usedStorage {
            reasons.insert(.storage)
        }
        return (reasons, others)
    }

    private static func untolerated(_ pod: PodDemand, _ node: NodeDetails) -> Taint? {
        node.taints.first { $0.isHard && !$0.isTolerated(by: pod.tolerations) }
    }

    private static func clashes(_ pod: PodDemand, _ node: NodeDetails) -> Bool {
        guard !pod.hostPorts.isEmpty else { return false }
        return node.pods.values.contains { other in
            other.hostPorts.contains { taken in pod.hostPorts.contains { $0.clashes(with: taken) } }
        }
    }

    /// Extended resources of which the node has too little.
    private static func missing(_ pod: PodDemand, _ node: NodeDetails) -> [String] {
        guard !pod.others.isEmpty else { return [] }
        return pod.others.filter { name, amount in
            amount > (node.others[name] ?? 0) &- (node.usedOthers[name] ?? 0)
        }.map(\.name)
    }
}
