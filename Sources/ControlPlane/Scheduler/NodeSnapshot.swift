import KubeAPI

/// A pod as the scheduler sees it: numbers, made once per revision, so that filters touch no JSON.
struct PodDemand: Sendable {
    let key: String
    let uid: String
    let milliCPU: Int64
    let memory: Int64
    let ephemeralStorage: Int64
    /// Extended resources, by name.
    let others: [String: Int64]
    let hostPorts: [HostPort]

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
        var others: [String: Int64] = [:]
        var milliCPU: Int64 = 0
        var memory: Int64 = 0
        var storage: Int64 = 0
        for (name, amount) in pod.requests {
            switch name {
            case "cpu": milliCPU = amount.milliValue
            case "memory": memory = amount.value
            case "ephemeral-storage": storage = amount.value
            default: others[name] = amount.value
            }
        }
        self.milliCPU = milliCPU
        self.memory = memory
        ephemeralStorage = storage
        self.others = others
        hostPorts = pod.hostPorts.map { HostPort(ip: $0.ip, port: $0.port, proto: $0.protocol) }
    }
}

/// A node with what its pods have taken.
struct NodeState: Sendable {
    var node: Node
    var labels: [String: String]
    var taints: [Taint]
    var milliCPU: Int64
    var memory: Int64
    var ephemeralStorage: Int64
    var maxPods: Int64
    var others: [String: Int64]

    var usedMilliCPU: Int64 = 0
    var usedMemory: Int64 = 0
    var usedStorage: Int64 = 0
    var usedOthers: [String: Int64] = [:]
    var pods: [String: PodDemand] = [:]

    init(_ node: Node) {
        self.node = node
        labels = node.labels
        taints = node.taints.map(Taint.init)
        let allocatable = node.allocatable
        milliCPU = allocatable["cpu"]?.milliValue ?? 0
        memory = allocatable["memory"]?.value ?? 0
        ephemeralStorage = allocatable["ephemeral-storage"]?.value ?? Int64.max
        maxPods = allocatable["pods"]?.value ?? 110
        others = [:]
        for (name, amount) in allocatable where !["cpu", "memory", "ephemeral-storage", "pods"].contains(name) {
            others[name] = amount.value
        }
    }

    mutating func add(_ pod: PodDemand) {
        if let old = pods[pod.uid] { remove(old) }
        pods[pod.uid] = pod
        account(pod, 1)
    }

    mutating func remove(_ pod: PodDemand) {
        guard let old = pods.removeValue(forKey: pod.uid) else { return }
        account(old, -1)
    }

    private mutating func account(_ pod: PodDemand, _ sign: Int64) {
        usedMilliCPU &+= sign &* pod.milliCPU
        usedMemory &+= sign &* pod.memory
        usedStorage &+= sign &* pod.ephemeralStorage
        for (name, amount) in pod.others { usedOthers[name, default: 0] &+= sign &* amount }
    }
}

/// A taint of a node, and whether a toleration bears it.
struct Taint: Sendable, Equatable {
    let key: String
    let value: String
    let effect: String

    init(_ json: JSON) {
        key = json["key"].stringValue
        value = json["value"].stringValue
        effect = json["effect"].stringValue
    }

    init(key: String, value: String = "", effect: String) {
        self.key = key
        self.value = value
        self.effect = effect
    }

    /// https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    func isTolerated(by toleration: JSON) -> Bool {
        let wantedEffect = toleration["effect"].stringValue
        guard wantedEffect.isEmpty || wantedEffect == effect else { return false }
        let wantedKey = toleration["key"].stringValue
        switch toleration["operator"].string ?? "Equal" {
        case "Exists": return wantedKey.isEmpty || wantedKey == key
        case "Equal", "": return wantedKey == key && toleration["value"].stringValue == value
        default: return false
        }
    }

    func isTolerated(by tolerations: [JSON]) -> Bool { tolerations.contains { isTolerated(by: $0) } }
}
