import KubeAPI

/// How well a node suits a pod that fits on it: Kubernetes' criteria and weights, each from 0 to `full`.
///
/// Finer than Kubernetes' 100 steps, so that one small pod on a large node already counts.
enum Scores {
    static let full: Int64 = 10_000

    /// What depends on the node's numbers alone.
    @inline(__always)
    static func resources(_ pod: PodDemand, _ room: NodeRoom) -> Int64 {
        leastAllocated(pod, room) + balanced(pod, room)
    }

    /// The emptier, the better.
    @inline(__always)
    private static func leastAllocated(_ pod: PodDemand, _ room: NodeRoom) -> Int64 {
        (free(room.scoredMilliCPU &+ pod.scoredMilliCPU, room.milliCPU)
            + free(room.scoredMemory &+ pod.scoredMemory, room.memory)) / 2
    }

    @inline(__always)
    private static func free(_ used: Int64, _ capacity: Int64) -> Int64 {
        guard capacity > 0, used < capacity else { return 0 }
        return Int64(Double(capacity &- used) / Double(capacity) * Double(full))
    }

    /// The more evenly cpu and memory are used, the better.
    @inline(__always)
    private static func balanced(_ pod: PodDemand, _ room: NodeRoom) -> Int64 {
        guard pod.milliCPU > 0 || pod.memory > 0 else { return 0 }
        let cpu = fraction(room.usedMilliCPU &+ pod.milliCPU, room.milliCPU)
        let memory = fraction(room.usedMemory &+ pod.memory, room.memory)
        return Int64((1 - abs(cpu - memory) / 2) * Double(full))
    }

    @inline(__always)
    private static func fraction(_ used: Int64, _ capacity: Int64) -> Double {
        capacity > 0 ? min(1, Double(used) / Double(capacity)) : 1
    }

    /// Taints that say "rather not" and that the pod does not bear.
    static func unwelcome(_ pod: PodDemand, _ node: NodeDetails) -> Int64 {
        Int64(node.taints.count { $0.isSoft && !$0.isTolerated(by: pod.tolerations) })
    }
}
