import KubeAPI

/// A service's spec as allocation and validation look at it: what is left out counts as empty.
struct ServiceFields {
    let json: JSON
    var spec: JSON { json["spec"] }

    init(_ service: JSON) { json = service }

    var type: String { spec["type"].string.flatMap { $0.isEmpty ? nil : $0 } ?? "ClusterIP" }
    var isExternalName: Bool { type == "ExternalName" }
    var isLoadBalancer: Bool { type == "LoadBalancer" }
    var clusterIP: String { spec["clusterIP"].stringValue }
    var clusterIPs: [String] { spec["clusterIPs"].items.map(\.stringValue) }
    var isHeadless: Bool { clusterIPs == ["None"] }
    var ipFamilies: [String] { spec["ipFamilies"].items.map(\.stringValue) }
    /// Empty where none is set.
    var ipFamilyPolicy: String { spec["ipFamilyPolicy"].stringValue }
    var hasSelector: Bool { spec["selector"].object.map { !$0.isEmpty } ?? false }
    var ports: [JSON] { spec["ports"].items }
    var externalTrafficPolicy: String { spec["externalTrafficPolicy"].stringValue }
    var healthCheckNodePort: Int { spec["healthCheckNodePort"].int ?? 0 }

    var usesNodePorts: Bool { type == "NodePort" || isLoadBalancer }
    /// Whether every port gets a node port, asked for or not.
    var allocatesNodePorts: Bool {
        type == "NodePort" || (isLoadBalancer && spec["allocateLoadBalancerNodePorts"].bool ?? true)
    }
    var needsHealthCheck: Bool { isLoadBalancer && externalTrafficPolicy == "Local" }
    var isExternallyAccessible: Bool {
        usesNodePorts || (type == "ClusterIP" && !spec["externalIPs"].items.isEmpty)
    }

    /// Node ports of the service's ports.
    var nodePorts: [Int] { ports.compactMap { $0["nodePort"].int }.filter { $0 != 0 } }

    /// Addresses that were given to the service.
    var virtualAddresses: [String] { isExternalName ? [] : clusterIPs.filter { $0 != "None" && !$0.isEmpty } }
    /// Ports of the node port range that were given to the service, each once.
    var takenPorts: [Int] {
        var ports = usesNodePorts ? Set(nodePorts) : []
        if needsHealthCheck, healthCheckNodePort != 0 { ports.insert(healthCheckNodePort) }
        return ports.sorted()
    }
}
