/// A replica set, or a replication controller: they differ in the form of their selectors alone.
public struct ReplicaSet: ResourceView {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var spec: JSON { json["spec"] }
    public var status: JSON { json["status"] }
    public var replicas: Int { spec["replicas"].int ?? 1 }
    public var template: JSON { spec["template"] }
    public var minReadySeconds: Int { spec["minReadySeconds"].int ?? 0 }
    /// How many pods there were when the status was written.
    public var observedReplicas: Int { status["replicas"].int ?? 0 }
    public var readyReplicas: Int { status["readyReplicas"].int ?? 0 }
    public var availableReplicas: Int { status["availableReplicas"].int ?? 0 }
    public var observedGeneration: Int { status["observedGeneration"].int ?? 0 }
    public var creationTimestamp: String { json["metadata"]["creationTimestamp"].stringValue }
}
