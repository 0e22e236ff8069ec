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
    /// Of these the ones that are to be reached past the load balancer: one of `ipMode: Proxy` sends to node ports, and
    /// must see the connections to its address itself.
    public var loadBalancedIPs: [String] {
        json["status"]["loadBalancer"]["ingress"].items.filter { $0["ipMode"].string != "Proxy" }
            .compactMap { $0["ip"].string }
    }
    /// Ranges of clients that may come through a load balancer; empty: all.
    public var loadBalancerSourceRanges: [String] { spec["loadBalancerSourceRanges"].items.compactMap(\.string) }
    /// Where load balancers ask for this node's endpoints; 0 where they don't.
    public var healthCheckNodePort: Int { spec["healthCheckNodePort"].int ?? 0 }
    public var publishNotReadyAddresses: Bool { spec["publishNotReadyAddresses"].bool ?? false }
    /// Addresses of any kind at which the service is reached; `None` is none.
    public var virtualIPs: [String] { clusterIPs.filter { $0 != "None" } + externalIPs + loadBalancerIPs }
    /// Connections from inside go to endpoints of the same node alone.
    public var isInternalTrafficLocal: Bool { spec["internalTrafficPolicy"].string == "Local" }
    /// Connections from outside go to endpoints of the same node alone.
    public var isExternalTrafficLocal: Bool { spec["externalTrafficPolicy"].string == "Local" }
    /// `PreferSameZone`, `PreferSameNode`, `PreferClose`; nil where nothing is preferred.
    public var trafficDistribution: String? { spec["trafficDistribution"].string }
    /// `IPv4`, `IPv6`: what was asked for or given.
    public var ipFamilies: [String] { spec["ipFamilies"].items.compactMap(\.string) }
    /// Seconds for which a client keeps its endpoint; nil without affinity.
    public var affinitySeconds: Int? {
        guard spec["sessionAffinity"].string == "ClientIP" else { return nil }
        return spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].int ?? 10800
    }
}
