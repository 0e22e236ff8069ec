/// A service.
public struct Service: ResourceView {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var spec: JSON { json["spec"] }
    public var type: String { spec["type"].string ?? "ClusterIP" }
    /// Empty where none is given yet, `None` for a headless service.
    public var clusterIP: String { spec["clusterIP"].stringValue }
    public var clusterIPs: [String] {
        let all = spec["clusterIPs"].items.compactMap(\.string)
        return all.isEmpty && !clusterIP.isEmpty ? [clusterIP] : all
    }
    public var isHeadless: Bool { clusterIP == "None" }
    public var isExternalName: Bool { type == "ExternalName" }
    /// Nil where the service selects no pods: its endpoints are made by others.
    public var selector: [String: String]? {
        guard let selector = spec["selector"].object, !selector.isEmpty else { return nil }
        return spec["selector"].stringMap
    }
    public var ports: [ServicePort] { spec["ports"].items.map(ServicePort.init) }
    public var externalIPs: [String] { spec["externalIPs"].items.compactMap(\.string) }
    public var loadBalancerIPs: [String] {
        json["status"]["loadBalancer"]["ingress"].items.compactMap { $0["ip"].string }
    }
    public var publishNotReadyAddresses: Bool { spec["publishNotReadyAddresses"].bool ?? false }
    /// Seconds for which a client keeps its endpoint; nil without affinity.
    public var affinitySeconds: Int? {
        guard spec["sessionAffinity"].string == "ClientIP" else { return nil }
        return spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].int ?? 10800
    }
}

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
}
