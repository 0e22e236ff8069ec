/// A volume of a pod: a name and one source.
public struct Volume: Sendable {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var name: String { json["name"].stringValue }
    /// The name of the source's field: `emptyDir`, `configMap`; empty for a volume without one.
    public var sourceType: String { json.object?.names.first { $0 != "name" } ?? "" }
    public var source: JSON { json[sourceType] }
}
