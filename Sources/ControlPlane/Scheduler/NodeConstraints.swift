import KubeAPI

/// What a pod asks of a node's labels: nodeSelector and node affinity.
final class NodeConstraints: Sendable {
    /// Equal for pods that ask for the same: those of one controller, say.
    let key: String
    private let selector: [(key: String, value: String)]
    /// Of which one must match; nil without required affinity.
    private let required: [NodeTerm]?
    private let preferred: [(weight: Int32, term: NodeTerm)]

    /// Nil for a pod that asks for nothing.
    init?(_ spec: JSON) {
        let selector = spec["nodeSelector"]
        let affinity = spec["affinity"]["nodeAffinity"]
        guard selector.object?.isEmpty == false || affinity.object?.isEmpty == false else { return nil }
        key = String(decoding: (["selector": selector, "affinity": affinity] as JSON).serialized(), as: UTF8.self)
        self.selector = selector.stringMap.map { (key: $0.key, value: $0.value) }
        let required = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
        self.required = required.isObject ? required["nodeSelectorTerms"].items.map(NodeTerm.init) : nil
        preferred = affinity["preferredDuringSchedulingIgnoredDuringExecution"].items.map {
            (weight: Int32(max(0, min(100, $0["weight"].int ?? 0))), term: NodeTerm($0["preference"]))
        }
    }

    /// nodeSelector and the required part of the affinity; both must hold.
    func match(_ node: NodeDetails) -> Bool {
        selector.allSatisfy { node.labels[$0.key] == $0.value } && (required?.contains { $0.matches(node) } ?? true)
    }

    /// The weights of the preferences that the node meets.
    func preference(_ node: NodeDetails) -> Int32 {
        preferred.reduce(0) { $0 + ($1.term.matches(node) ? $1.weight : 0) }
    }
}

/// One term of a node affinity: all expressions and fields must hold; an empty term matches nothing.
struct NodeTerm: Sendable {
    private let expressions: [LabelSelector.Requirement]
    private let fields: [LabelSelector.Requirement]
    private let matchesNothing: Bool

    init(_ json: JSON) {
        let expressions = json["matchExpressions"].items.map { LabelSelector.Requirement($0) }
        let fields = json["matchFields"].items.map { LabelSelector.Requirement($0) }
        self.expressions = expressions.compactMap { $0 }
        self.fields = fields.compactMap { $0 }
        matchesNothing =
            (expressions.isEmpty && fields.isEmpty) || expressions.contains { $0 == nil }
            || fields.contains { $0?.key != "metadata.name" }
    }

    func matches(_ node: NodeDetails) -> Bool {
        !matchesNothing && expressions.allSatisfy { $0.matches(node.labels[$0.key]) }
            && fields.allSatisfy { $0.matches(node.name) }
    }
}

/// Which nodes meet which constraints, remembered until a node's labels change: the pods of one controller ask the same
/// of the same nodes, one after the other.
struct ConstraintCache {
    /// Kinds of constraints that are remembered; more are forgotten all at once.
    static let limit = 64

    /// By the node's position.
    final class Answers {
        fileprivate(set) var generation: UInt64
        let matches: [Bool]
        let preferences: [Int32]
        let best: Int32

        init(_ constraints: NodeConstraints, _ nodes: NodeTable) {
            generation = nodes.generation
            matches = nodes.details.map(constraints.match)
            preferences = nodes.details.map(constraints.preference)
            best = preferences.max() ?? 0
        }
    }

    private var answers: [String: Answers] = [:]

    mutating func callAsFunction(_ constraints: NodeConstraints, _ nodes: NodeTable) -> Answers {
        if let known = answers[constraints.key], known.generation == nodes.generation { return known }
        if answers.count >= Self.limit { answers.removeAll(keepingCapacity: true) }
        let fresh = Answers(constraints, nodes)
        answers[constraints.key] = fresh
        return fresh
    }
}
