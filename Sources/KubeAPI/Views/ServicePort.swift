/// A port of a service.
public struct ServicePort: Sendable {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var name: String { json["name"].stringValue }
    public var port: Int { json["port"].int ?? 0 }
    public var nodePort: Int { json["nodePort"].int ?? 0 }
    /// `TCP`, `UDP` or `SCTP`.
    public var proto: String { json["protocol"].string ?? "TCP" }
    /// A number or the name of a container's port.
    public var targetPort: JSON { json["targetPort"] }
}
