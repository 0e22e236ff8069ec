/// What is known of a container.
public struct ContainerStatus: Sendable {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var name: String { json["name"].stringValue }
    public var isReady: Bool { json["ready"].bool ?? false }
    public var isStarted: Bool { json["started"].bool ?? false }
    public var restartCount: Int { json["restartCount"].int ?? 0 }
    /// `swiftlet://<64 hex>`; empty before the first start.
    public var containerID: String { json["containerID"].stringValue }
    public var image: String { json["image"].stringValue }
    public var imageID: String { json["imageID"].stringValue }
    /// Has one of `waiting`, `running`, `terminated`.
    public var state: JSON { json["state"] }
    public var isRunning: Bool { state["running"].isObject }
    /// Nil unless it has ended.
    public var terminated: JSON? { state["terminated"].isObject ? state["terminated"] : nil }
    public var waitingReason: String? { state["waiting"]["reason"].string.nonEmpty }
    /// How the container before the last restart ended; nil for the first.
    public var lastTerminated: JSON? {
        json["lastState"]["terminated"].isObject ? json["lastState"]["terminated"] : nil
    }
}
