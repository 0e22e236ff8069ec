/// A replication controller.
public struct ReplicationController: ResourceView {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var spec: JSON { json["spec"] }
    public var status: JSON { json["status"] }
    public var replicas: Int { spec["replicas"].int ?? 1 }
    public var selector: [String: String] { spec["selector"].stringMap }
    public var template: JSON { spec["template"] }
    /// How many pods there were when the status was written.
    public var observedReplicas: Int { status["replicas"].int ?? 0 }
    public var readyReplicas: Int { status["readyReplicas"].int ?? 0 }
    public var minReadySeconds: Int { spec["minReadySeconds"].int ?? 0 }
}
