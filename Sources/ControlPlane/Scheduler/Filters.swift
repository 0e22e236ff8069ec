import KubeAPI

/// Whether a node takes a pod, and in Kubernetes' words why not.
enum Filters {
    /// The quick question, the cheapest parts first. Agrees with `reasons`.
    @inline(__always)
    static func fits(_ pod: PodDemand, _ room: NodeRoom, _ details: @autoclosure () -> NodeDetails) -> Bool {
        guard room.pods < room.maxPods, hasRoom(pod, room) else { return false }
        if room.flags.isEmpty, pod.isPlain { return true }
        if room.flags.contains(.leaving) { return false }
        if room.flags.contains(.unschedulable), !pod.toleratesUnschedulable { return false }
        if pod.isPlain, !room.flags.contains(.hardTaints) { return true }
        let details = details()
        return untolerated(pod, details) == nil && matchesAffinity(pod, details) && !clashes(pod, details)
            && missing(pod, details).isEmpty
    }

    @inline(__always)
    private static func hasRoom(_ pod: PodDemand, _ room: NodeRoom) -> Bool {
        // A node that is overcommitted still takes a pod that asks for nothing of it.
        (pod.milliCPU == 0 || pod.milliCPU <= room.milliCPU &- room.usedMilliCPU)
            && (pod.memory == 0 || pod.memory <= room.memory &- room.usedMemory)
            && (pod.ephemeralStorage == 0 || pod.ephemeralStorage <= room.storage &- room.usedStorage)
    }

    /// All reasons against the node; empty where the pod fits. Like Kubernetes, a node that is ruled out by one kind of
    /// reason is not asked for others; only what is insufficient is told in full.
    static func reasons(_ pod: PodDemand, _ room: NodeRoom, _ details: NodeDetails) -> [String] {
        if room.flags.contains(.leaving) || (room.flags.contains(.unschedulable) && !pod.toleratesUnschedulable) {
            return ["node(s) were unschedulable"]
        }
        if untolerated(pod, details) != nil { return ["node(s) had untolerated taint(s)"] }
        if !matchesAffinity(pod, details) { return ["node(s) didn't match Pod's node affinity/selector"] }
        if clashes(pod, details) { return ["node(s) didn't have free ports for the requested pod ports"] }
        var reasons: [String] = []
        if room.pods >= room.maxPods { reasons.append("Too many pods") }
        if pod.milliCPU > 0, pod.milliCPU > room.milliCPU &- room.usedMilliCPU { reasons.append("Insufficient cpu") }
        if pod.memory > 0, pod.memory > room.memory &- room.usedMemory { reasons.append("Insufficient memory") }
        if pod.ephemeralStorage > 0, pod.ephemeralStorage > room.storage &- room.usedStorage {
            reasons.append("Insufficient ephemeral-storage")
        }
        return reasons + missing(pod, details).map { "Insufficient \($0)" }
    }

    private static func untolerated(_ pod: PodDemand, _ node: NodeDetails) -> Taint? {
        node.taints.first { $0.isHard && !$0.isTolerated(by: pod.tolerations) }
    }

    /// nodeSelector and the required part of the node affinity; both must hold.
    private static func matchesAffinity(_ pod: PodDemand, _ node: NodeDetails) -> Bool {
        guard pod.nodeSelector.allSatisfy({ node.labels[$0.key] == $0.value }) else { return false }
        return pod.requiredTerms?.contains { $0.matches(node) } ?? true
    }

    private static func clashes(_ pod: PodDemand, _ node: NodeDetails) -> Bool {
        guard !pod.hostPorts.isEmpty else { return false }
        return node.pods.values.contains { other in
            other.hostPorts.contains { taken in pod.hostPorts.contains { $0.clashes(with: taken) } }
        }
    }

    /// Extended resources of which the node has too little.
    private static func missing(_ pod: PodDemand, _ node: NodeDetails) -> [String] {
        pod.others.filter { name, amount in
            amount > (node.others[name] ?? 0) &- (node.usedOthers[name] ?? 0)
        }.map(\.name)
    }
}
