import KubeAPI

/// What the proxy needs of one EndpointSlice, small enough to keep for every slice of the cluster.
struct EndpointPorts: Sendable, Equatable {
    struct Port: Sendable, Equatable {
        let name: String
        let proto: TransportProtocol
        let number: UInt16
    }
    struct Member: Sendable, Equatable {
        let address: IPAddress
        let isReady: Bool
        let isServing: Bool
        let isTerminating: Bool
        let isLocal: Bool
        /// The zones and nodes whose clients should come here; empty where nobody has said.
        let zones: [String]
        let nodes: [String]
        /// Of a pod of this node: its uid.
        let podUID: String?
    }
    /// Of all members' addresses.
    let family: IPAddress.Family
    let ports: [Port]
    let members: [Member]
    /// Some say for whom they are.
    var hasHints: Bool { members.contains { !$0.zones.isEmpty || !$0.nodes.isEmpty } }

    /// Slices of names (FQDN) have no members: nothing can be sent to them.
    init(_ slice: EndpointSlice, nodeName: String) {
        family = IPAddress.Family(name: slice.addressType) ?? .ipv4
        let family = family
        ports = slice.ports.compactMap { port in
            // A port without number stands for all ports, which no proxy can serve.
            guard let number = port["port"].int.flatMap(UInt16.init(exactly:)), number > 0,
                let proto = TransportProtocol(field: port["protocol"].string ?? "TCP")
            else { return nil }
            return Port(name: port["name"].stringValue, proto: proto, number: number)
        }
        members =
            slice.addressType == "FQDN"
            ? []
            : slice.endpoints.compactMap { endpoint in
                guard let address = IPAddress(endpoint.address), address.family == family else { return nil }
                let isLocal = !nodeName.isEmpty && endpoint.nodeName == nodeName
                return Member(
                    address: address, isReady: endpoint.isReady, isServing: endpoint.isServing,
                    isTerminating: endpoint.isTerminating,
                    isLocal: isLocal, zones: endpoint.hintedZones, nodes: endpoint.hintedNodes,
                    podUID: isLocal ? endpoint.podUID : nil)
            }
    }
}
