/// A part of a service's addresses.
public struct EndpointSlice: ResourceView {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    /// The service's name; nil for a slice that belongs to none.
    public var serviceName: String? { json.labels["kubernetes.io/service-name"] }
    /// `IPv4`, `IPv6` or `FQDN`.
    public var addressType: String { json["addressType"].stringValue }
    public var endpoints: [Endpoint] { json["endpoints"].items.map(Endpoint.init) }
    public var ports: [JSON] { json["ports"].items }
}
