/// A deployment.
public struct Deployment: ResourceView {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var spec: JSON { json["spec"] }
    public var status: JSON {
        get { json["status"] }
        set { json["status"] = newValue }
    }
    public var replicas: Int { spec["replicas"].int ?? 1 }
    public var template: JSON { spec["template"] }
    public var minReadySeconds: Int { spec["minReadySeconds"].int ?? 0 }
    public var isPaused: Bool { spec["paused"].bool ?? false }
    public var isRollingUpdate: Bool { spec["strategy"]["type"].string == "RollingUpdate" }
    /// How many older replica sets are kept; nil for all.
    public var revisionHistoryLimit: Int? {
        spec["revisionHistoryLimit"].int.flatMap { $0 == Int(Int32.max) ? nil : $0 }
    }
    /// Nil where a rollout may take for ever.
    public var progressDeadline: Duration? {
        spec["progressDeadlineSeconds"].int.flatMap { $0 == Int(Int32.max) ? nil : .seconds($0) }
    }
    /// How often the name of a new replica set was taken.
    public var collisionCount: Int? { status["collisionCount"].int }

    /// How many pods there may be beyond `replicas`, and how many of them may be missing, during a rolling update. Both
    /// being zero, nothing would ever move: then one may be missing.
    private var fenceposts: (surge: Int, unavailable: Int) {
        guard isRollingUpdate else { return (0, 0) }
        let rolling = spec["strategy"]["rollingUpdate"]
        let surge = IntOrString(rolling["maxSurge"])?.scaled(total: replicas, roundsUp: true) ?? 0
        let unavailable = IntOrString(rolling["maxUnavailable"])?.scaled(total: replicas, roundsUp: false) ?? 0
        return surge == 0 && unavailable == 0 ? (0, 1) : (surge, unavailable)
    }
    public var maxSurge: Int { fenceposts.surge }
    public var maxUnavailable: Int { min(fenceposts.unavailable, replicas) }
}
