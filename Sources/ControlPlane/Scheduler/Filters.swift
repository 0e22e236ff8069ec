import KubeAPI

/// Why a node does not take a pod, in Kubernetes' words. Reasons of one node are counted once each.
enum Filters {
    /// All reasons against the node; empty where the pod fits.
    static func reasons(_ pod: Pod, _ demand: PodDemand, _ node: NodeState) -> [String] {
        // Like Kubernetes, a node that is ruled out by one of these is not asked further.
        if node.node.isUnschedulable,
            !Taint(key: "node.kubernetes.io/unschedulable", effect: "NoSchedule").isTolerated(by: pod.tolerations)
        {
            return ["node(s) were unschedulable"]
        }
        let name = pod.nodeName
        if !name.isEmpty, name != node.node.name { return ["node(s) didn't match the requested node name"] }
        if let taint = node.taints.first(where: {
            ($0.effect == "NoSchedule" || $0.effect == "NoExecute") && !$0.isTolerated(by: pod.tolerations)
        }) {
            return ["node(s) had untolerated taint {\(taint.key): \(taint.value)}"]
        }
        if !matchesAffinity(pod, node) { return ["node(s) didn't match Pod's node affinity/selector"] }
        if clashes(demand, node) { return ["node(s) didn't have free ports for the requested pod ports"] }
        return insufficient(demand, node)
    }

    static func insufficient(_ demand: PodDemand, _ node: NodeState) -> [String] {
        var reasons: [String] = []
        if Int64(node.pods.count) + 1 > node.maxPods { reasons.append("Too many pods") }
        if demand.milliCPU > 0, demand.milliCPU > node.milliCPU &- node.usedMilliCPU {
            reasons.append("Insufficient cpu")
        }
        if demand.memory > 0, demand.memory > node.memory &- node.usedMemory { reasons.append("Insufficient memory") }
        if demand.ephemeralStorage > 0, demand.ephemeralStorage > node.ephemeralStorage &- node.usedStorage {
            reasons.append("Insufficient ephemeral-storage")
        }
        for (name, amount) in demand.others.sorted(by: { $0.key < $1.key })
        where amount > 0 && amount > (node.others[name] ?? 0) &- (node.usedOthers[name] ?? 0) {
            reasons.append("Insufficient \(name)")
        }
        return reasons
    }

    static func clashes(_ demand: PodDemand, _ node: NodeState) -> Bool {
        guard !demand.hostPorts.isEmpty else { return false }
        return node.pods.values.contains { other in
            other.hostPorts.contains { taken in demand.hostPorts.contains { $0.clashes(with: taken) } }
        }
    }

    /// nodeSelector and the required part of the node affinity; both must hold.
    static func matchesAffinity(_ pod: Pod, _ node: NodeState) -> Bool {
        for (key, value) in pod.nodeSelector where node.labels[key] != value { return false }
        let required = pod.spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        guard required.isObject else { return true }
        return required["nodeSelectorTerms"].items.contains { matches(term: $0, node) }
    }

    /// All expressions and fields of a term must hold; an empty term matches nothing.
    static func matches(term: JSON, _ node: NodeState) -> Bool {
        let expressions = term["matchExpressions"].items
        let fields = term["matchFields"].items
        guard !expressions.isEmpty || !fields.isEmpty else { return false }
        for expression in expressions {
            guard let requirement = LabelSelector.Requirement(expression),
                requirement.matches(node.labels[requirement.key])
            else { return false }
        }
        for field in fields {
            guard let requirement = LabelSelector.Requirement(field), requirement.key == "metadata.name",
                requirement.matches(node.node.name)
            else { return false }
        }
        return true
    }
}

/// How well a node suits a pod that fits on it: 0 to 100 per criterion, summed.
enum Scores {
    static func score(_ pod: Pod, _ demand: PodDemand, _ node: NodeState) -> Int {
        leastAllocated(demand, node) + balanced(demand, node) + 3 * taints(pod, node) + 2 * affinity(pod, node)
    }

    private static func fraction(_ used: Int64, _ asked: Int64, _ capacity: Int64) -> Double {
        capacity > 0 ? min(1, Double(used &+ asked) / Double(capacity)) : 1
    }

    private static func leastAllocated(_ demand: PodDemand, _ node: NodeState) -> Int {
        // A pod that asks for nothing counts as a small one, so that such pods spread too.
        let cpu = fraction(node.usedMilliCPU, max(demand.milliCPU, 100), node.milliCPU)
        let memory = fraction(node.usedMemory, max(demand.memory, 200 << 20), node.memory)
        let pods = fraction(Int64(node.pods.count), 1, node.maxPods)
        return Int((3 - cpu - memory - pods) / 3 * 100)
    }

    private static func balanced(_ demand: PodDemand, _ node: NodeState) -> Int {
        let cpu = fraction(node.usedMilliCPU, demand.milliCPU, node.milliCPU)
        let memory = fraction(node.usedMemory, demand.memory, node.memory)
        return Int((1 - abs(cpu - memory)) * 100)
    }

    private static func taints(_ pod: Pod, _ node: NodeState) -> Int {
        let borne = node.taints.filter { $0.effect == "PreferNoSchedule" && !$0.isTolerated(by: pod.tolerations) }
        return max(0, 100 - 34 * borne.count)
    }

    private static func affinity(_ pod: Pod, _ node: NodeState) -> Int {
        let preferred = pod.spec["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"].items
        guard !preferred.isEmpty else { return 0 }
        var sum = 0
        var possible = 0
        for term in preferred {
            let weight = max(0, min(100, term["weight"].int ?? 0))
            possible += weight
            if Filters.matches(term: term["preference"], node) { sum += weight }
        }
        return possible > 0 ? sum * 100 / possible : 0
    }
}
