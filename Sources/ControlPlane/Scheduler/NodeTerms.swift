import KubeAPI

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
