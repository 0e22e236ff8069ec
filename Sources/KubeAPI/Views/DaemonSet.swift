/// A daemon set.
public struct DaemonSet: ResourceView {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var spec: JSON { json["spec"] }
    public var status: JSON { json["status"] }
    public var template: JSON { spec["template"] }
    public var minReadySeconds: Int { spec["minReadySeconds"].int ?? 0 }
    public var revisionHistoryLimit: Int { spec["revisionHistoryLimit"].int ?? 10 }
    public var isRollingUpdate: Bool { spec["updateStrategy"]["type"].string == "RollingUpdate" }
    /// How often the name of a new revision was taken.
    public var collisionCount: Int? { status["collisionCount"].int }

    /// Nodes that may run the old and the new pod during an update, of `nodes`.
    public func maxSurge(of nodes: Int) -> Int { bound("maxSurge", nodes) }

    /// Nodes that may be without the pod during an update, of `nodes`; one where neither this nor a surge is allowed.
    public func maxUnavailable(of nodes: Int) -> Int {
        let bound = bound("maxUnavailable", nodes)
        return bound == 0 && nodes > 0 && maxSurge(of: nodes) == 0 ? 1 : bound
    }

    private func bound(_ field: String, _ nodes: Int) -> Int {
        guard isRollingUpdate else { return 0 }
        return IntOrString(spec["updateStrategy"]["rollingUpdate"][field])?.scaled(total: nodes, roundsUp: true) ?? 0
    }
}
