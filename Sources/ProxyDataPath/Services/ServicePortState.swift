import KubeAPI

/// Names one port of one service (or of one pod, for host ports).
struct ServicePortName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// `namespace/name`; of a pod with host ports `hostport:namespace/name`.
    let service: String
    /// Empty for the only port of a service.
    let port: String
    let proto: TransportProtocol
    /// Of its addresses and endpoints: a port of a service of both families is two ports here, which know nothing of
    /// each other.
    let family: IPAddress.Family

    init(service: String, port: String, proto: TransportProtocol, family: IPAddress.Family = .ipv4) {
        self.service = service
        self.port = port
        self.proto = proto
        self.family = family
    }

    static func < (left: ServicePortName, right: ServicePortName) -> Bool {
        if left.service != right.service { return left.service < right.service }
        if left.port != right.port { return left.port < right.port }
        return left.proto == right.proto
            ? left.family == .ipv4 && right.family == .ipv6 : left.proto < right.proto
    }

    var description: String { port.isEmpty ? service : "\(service):\(port)" }
}

/// What is wanted for one port of one service: where it is reached, and by whom it is served. The nftables planner and
/// the userspace forwarder both start from it.
struct ServicePortState: Sendable, Equatable {
    let name: ServicePortName
    var fronts: [Front]
    /// Sorted, each once. Empty: connections are refused.
    var backends: [Backend]
    /// Those of this node, for fronts that are local. Sorted, each once.
    var localBackends: [Backend] = []
    /// The service has endpoints somewhere: where none is on this node, a local front says nothing instead of refusing,
    /// so that clients try another node.
    var hasEndpoints = false
    /// Addresses of those backends that are pods of this node: one may connect to itself.
    var localAddresses: [IPAddress] = []
    /// For how long a client keeps its backend.
    var affinitySeconds: Int?
}

/// All ports of a service after something about it has changed; none where it is gone.
struct ServiceChange: Sendable {
    let service: String
    let ports: [ServicePortState]
}
