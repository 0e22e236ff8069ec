import KubeAPI

/// What a node can take, as plain numbers: thousands of them are looked at for one pod.
struct NodeRoom: Sendable {
    struct Flags: OptionSet, Sendable {
        let rawValue: UInt8
        /// `spec.unschedulable`: cordoned.
        static let unschedulable = Flags(rawValue: 1)
        static let hardTaints = Flags(rawValue: 2)
        static let softTaints = Flags(rawValue: 4)
        /// Being deleted.
        static let leaving = Flags(rawValue: 8)
    }

    var milliCPU: Int64 = 0
    var memory: Int64 = 0
    var storage: Int64 = 0
    var maxPods: Int64 = 0
    var usedMilliCPU: Int64 = 0
    var usedMemory: Int64 = 0
    var usedStorage: Int64 = 0
    var pods: Int64 = 0
    var scoredMilliCPU: Int64 = 0
    var scoredMemory: Int64 = 0
    var flags: Flags = []

    mutating func account(_ pod: PodDemand, _ sign: Int64) {
        usedMilliCPU &+= sign &* pod.milliCPU
        usedMemory &+= sign &* pod.memory
        usedStorage &+= sign &* pod.ephemeralStorage
        scoredMilliCPU &+= sign &* pod.scoredMilliCPU
        scoredMemory &+= sign &* pod.scoredMemory
        pods &+= sign
    }
}

/// The rest of a node, which few pods ask about. A class, so that looking at it costs one reference and not one for each
/// of its parts; it never leaves its table.
final class NodeDetails {
    let name: String
    var labels: [String: String]
    var taints: [Taint]
    /// Extended resources.
    var others: [String: Int64] = [:]
    var usedOthers: [String: Int64] = [:]
    var pods: [String: PodDemand] = [:]

    init(name: String, labels: [String: String], taints: [Taint]) {
        self.name = name
        self.labels = labels
        self.taints = taints
    }
}

/// The nodes with what their pods have taken. Positions change when a node goes.
struct NodeTable {
    private(set) var rooms: [NodeRoom] = []
    private(set) var details: [NodeDetails] = []
    /// Counts what changes answers about labels: nodes that come and go, and new labels.
    private(set) var generation: UInt64 = 0
    private var positions: [String: Int] = [:]
    /// Pods of nodes that are not known, by the node's name.
    private var homeless: [String: [String: PodDemand]] = [:]

    var count: Int { rooms.count }
    func position(_ name: String) -> Int? { positions[name] }

    /// Adds a node or takes over its new state. True where that may help a pod that did not fit.
    mutating func update(_ node: Node) -> Bool {
        let read = Self.read(node)
        var room = read.room
        let details = read.details
        guard let position = positions[node.name] else {
            for pod in homeless.removeValue(forKey: node.name)?.values.map({ $0 }) ?? [] {
                Self.add(pod, &room, details)
            }
            generation += 1
            positions[node.name] = rooms.count
            rooms.append(room)
            self.details.append(details)
            return true
        }
        let old = rooms[position]
        let before = self.details[position]
        let isSame =
            old.milliCPU == room.milliCPU && old.memory == room.memory && old.storage == room.storage
            && old.maxPods == room.maxPods && old.flags == room.flags && before.labels == details.labels
            && before.taints == details.taints && before.others == details.others
        if isSame { return false }
        if before.labels != details.labels { generation += 1 }
        for pod in before.pods.values { Self.add(pod, &room, details) }
        rooms[position] = room
        self.details[position] = details
        return true
    }

    private static func read(_ node: Node) -> (room: NodeRoom, details: NodeDetails) {
        var room = NodeRoom()
        let details = NodeDetails(name: node.name, labels: node.labels, taints: node.taints.map(Taint.init))
        let allocatable = node.allocatable
        room.milliCPU = allocatable["cpu"]?.milliValue ?? 0
        room.memory = allocatable["memory"]?.value ?? 0
        // A node that does not say has no bound.
        room.storage = allocatable["ephemeral-storage"]?.value ?? .max
        room.maxPods = allocatable["pods"]?.value ?? 110
        for (name, amount) in allocatable where !["cpu", "memory", "ephemeral-storage", "pods"].contains(name) {
            details.others[name] = amount.value
        }
        if node.isUnschedulable { room.flags.insert(.unschedulable) }
        if node.isDeleting { room.flags.insert(.leaving) }
        if details.taints.contains(where: \.isHard) { room.flags.insert(.hardTaints) }
        if details.taints.contains(where: \.isSoft) { room.flags.insert(.softTaints) }
        return (room, details)
    }

    mutating func remove(_ name: String) {
        guard let position = positions.removeValue(forKey: name) else { return }
        generation += 1
        let pods = details[position].pods
        if !pods.isEmpty { homeless[name] = pods }
        let last = rooms.count - 1
        if position != last {
            rooms.swapAt(position, last)
            details.swapAt(position, last)
            positions[details[position].name] = position
        }
        rooms.removeLast()
        details.removeLast()
    }

    mutating func add(_ pod: PodDemand, to name: String) {
        guard let position = positions[name] else {
            homeless[name, default: [:]][pod.uid] = pod
            return
        }
        Self.add(pod, &rooms[position], details[position])
    }

    mutating func remove(_ pod: PodDemand, from name: String) {
        guard let position = positions[name] else {
            homeless[name]?[pod.uid] = nil
            if homeless[name]?.isEmpty == true { homeless[name] = nil }
            return
        }
        guard let old = details[position].pods.removeValue(forKey: pod.uid) else { return }
        rooms[position].account(old, -1)
        for (name, amount) in old.others { details[position].usedOthers[name, default: 0] &-= amount }
    }

    private static func add(_ pod: PodDemand, _ room: inout NodeRoom, _ details: NodeDetails) {
        if let old = details.pods.updateValue(pod, forKey: pod.uid) {
            room.account(old, -1)
            for (name, amount) in old.others { details.usedOthers[name, default: 0] &-= amount }
        }
        room.account(pod, 1)
        for (name, amount) in pod.others { details.usedOthers[name, default: 0] &+= amount }
    }
}
