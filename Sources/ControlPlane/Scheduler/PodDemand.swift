import KubeAPI

/// A pod as the scheduler sees it: numbers and compiled rules, made once per revision, so that looking at a node touches
/// no JSON.
final class PodDemand: Sendable {
    let key: String
    let uid: String
    let priority: Int
    let milliCPU: Int64
    let memory: Int64
    let ephemeralStorage: Int64
    /// As they count for scores: a pod that asks for nothing counts as a small one, so that such pods spread too.
    let scoredMilliCPU: Int64
    let scoredMemory: Int64
    /// Extended resources.
    let others: [(name: String, amount: Int64)]
    let hostPorts: [HostPort]
    let tolerations: [Toleration]
    /// Nil for a pod that takes any node.
    let constraints: NodeConstraints?
    let toleratesUnschedulable: Bool
    /// Whether of resources only cpu, memory and storage matter.
    let isPlain: Bool

    struct HostPort: Hashable, Sendable {
        let ip: String
        let port: Int
        let proto: String

        /// Two ports clash on the same number and protocol when their addresses are equal or one is for all.
        func clashes(with other: HostPort) -> Bool {
            port == other.port && proto == other.proto && (ip == other.ip || isForAll || other.isForAll)
        }
        private var isForAll: Bool { ip == "0.0.0.0" || ip == "::" || ip.isEmpty }
    }

    init(_ pod: Pod) {
        key = pod.key
        uid = pod.uid
        priority = pod.priority
        var others: [(name: String, amount: Int64)] = []
        var milliCPU: Int64 = 0
        var memory: Int64 = 0
        var storage: Int64 = 0
        for (name, amount) in pod.requests {
            switch name {
            case "cpu": milliCPU = amount.milliValue
            case "memory": memory = amount.value
            case "ephemeral-storage": storage = amount.value
            default: if amount.value > 0 { others.append((name, amount.value)) }
            }
        }
        self.milliCPU = milliCPU
        self.memory = memory
        ephemeralStorage = storage
        scoredMilliCPU = milliCPU > 0 ? milliCPU : 100
        scoredMemory = memory > 0 ? memory : 200 << 20
        self.others = others.sorted { $0.name < $1.name }
        hostPorts = pod.hostPorts.map { HostPort(ip: $0.ip, port: $0.port, proto: $0.protocol) }
        let spec = pod.spec
        tolerations = spec["tolerations"].items.map(Toleration.init)
        constraints = NodeConstraints(spec)
        toleratesUnschedulable = Taint(key: "node.kubernetes.io/unschedulable", effect: "NoSchedule")
            .isTolerated(by: tolerations)
        isPlain = others.isEmpty && hostPorts.isEmpty
    }
}
