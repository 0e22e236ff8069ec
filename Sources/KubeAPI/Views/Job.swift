/// A job.
public struct Job: ResourceView {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    /// The finalizer that holds a job's pods until they are counted.
    public static let trackingFinalizer = "batch.kubernetes.io/job-tracking"

    public var spec: JSON { json["spec"] }
    public var status: JSON {
        get { json["status"] }
        set { json["status"] = newValue }
    }
    public var template: JSON { spec["template"] }
    public var parallelism: Int { spec["parallelism"].int ?? 1 }
    /// Nil for a work queue, which is done with the first success.
    public var completions: Int? { spec["completions"].int }
    /// Each completion has an index of its own.
    public var isIndexed: Bool { spec["completionMode"].string == "Indexed" && completions != nil }
    public var backoffLimit: Int { spec["backoffLimit"].int ?? 6 }
    public var activeDeadline: Duration? { spec["activeDeadlineSeconds"].int.map { .seconds($0) } }
    public var ttlAfterFinished: Duration? { spec["ttlSecondsAfterFinished"].int.map { .seconds($0) } }
    public var isSuspended: Bool { spec["suspend"].bool ?? false }
    /// Whether a pod that is being deleted is replaced only when it has ended.
    public var replacesOnlyFailedPods: Bool { spec["podReplacementPolicy"].string == "Failed" }
    public var startTime: Timestamp? { Timestamp(status["startTime"]) }

    /// The condition of that type that says True.
    public func condition(_ type: String) -> JSON? {
        status["conditions"].items.first { $0["type"].string == type && $0["status"].string == "True" }
    }
    /// `Complete` or `Failed`, once one of them holds.
    public var finished: JSON? { condition("Complete") ?? condition("Failed") }
}
