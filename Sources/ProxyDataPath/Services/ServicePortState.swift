import KubeAPI

/// Names one port of one service (or of one pod, for host ports).
struct ServicePortName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// `namespace/name`; of a pod with host ports `hostport:namespace/name`.
    let service: String
    /// Empty for the only port of a service.
    let port: String
    let proto: TransportProtocol

    static func < (left: ServicePortName, right: ServicePortName) -> Bool {
        if left.service != right.service { return left.service < right.service }
        return left.port == right.port ? left.proto < right.proto : left.port < right.port
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
