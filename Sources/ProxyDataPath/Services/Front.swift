import KubeAPI

/// Where a service is reached.
struct Front: Hashable, Sendable {
    enum Place: Hashable, Sendable {
        /// A virtual address, or one of the node's that somebody gave to the service.
        case address(IPAddress, UInt16)
        /// A port of the node's addresses that are open to services (`NodePort`).
        case nodePort(UInt16)
        /// A port of all addresses of the node (a pod's `hostPort`).
        case hostPort(UInt16)
    }

    /// What decides whether two services are in each other's way.
    struct Key: Hashable, Sendable {
        let place: Place
        let proto: TransportProtocol
    }

    let key: Key
    /// It is for clients outside the cluster: a node port, an external address, that of a load balancer.
    let isExternal: Bool
    /// Its traffic policy is `Local`: endpoints of this node alone serve it. Of an external one this holds for clients
    /// outside; pods and the node itself, which might have gone the long way round, reach all endpoints.
    let isLocal: Bool
    /// Connections of clients that are not pods get the node's address, so that answers come back here.
    let masquerades: Bool
    /// The clients that may connect; nil: all.
    let sources: [CIDR]?

    init(
        _ place: Place, _ proto: TransportProtocol, isExternal: Bool, isLocal: Bool = false, masquerades: Bool = true,
        sources: [CIDR]? = nil
    ) {
        key = Key(place: place, proto: proto)
        self.isExternal = isExternal
        self.isLocal = isLocal
        self.masquerades = masquerades
        self.sources = sources
    }

    var place: Place { key.place }
    var proto: TransportProtocol { key.proto }
    var port: UInt16 {
        switch key.place {
        case .address(_, let port), .nodePort(let port), .hostPort(let port): port
        }
    }
}

extension Front.Key: CustomStringConvertible {
    var description: String {
        switch place {
        case .address(let address, let port): "\(Backend(address: address, port: port))/\(proto.text)"
        case .nodePort(let port): "node port \(port)/\(proto.text)"
        case .hostPort(let port): "host port \(port)/\(proto.text)"
        }
    }
}
