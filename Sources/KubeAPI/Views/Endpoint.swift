/// One address of a slice, with its state.
public struct Endpoint: Sendable {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var addresses: [String] { json["addresses"].items.compactMap(\.string) }
    public var address: String { json["addresses"][0].stringValue }
    /// Unknown counts as ready.
    public var isReady: Bool { json["conditions"]["ready"].bool ?? true }
    /// Unknown counts as ready is.
    public var isServing: Bool { json["conditions"]["serving"].bool ?? isReady }
    public var isTerminating: Bool { json["conditions"]["terminating"].bool ?? false }
    public var nodeName: String { json["nodeName"].stringValue }
    /// The pod behind it; nil where it is none.
    public var podUID: String? {
        json["targetRef"]["kind"].string == "Pod" ? json["targetRef"]["uid"].string : nil
    }
    /// The zones and nodes whose clients should come here; empty where nothing is said.
    public var hintedZones: [String] { json["hints"]["forZones"].items.compactMap { $0["name"].string } }
    public var hintedNodes: [String] { json["hints"]["forNodes"].items.compactMap { $0["name"].string } }
}
