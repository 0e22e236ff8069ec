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
    /// Clients may be outside the cluster: their connections get the node's address, so that answers come back here.
    let isExternal: Bool

    init(_ place: Place, _ proto: TransportProtocol, isExternal: Bool) {
        key = Key(place: place, proto: proto)
        self.isExternal = isExternal
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
        case .address(let address, let port): "\(address):\(port)/\(proto.text)"
        case .nodePort(let port): "node port \(port)/\(proto.text)"
        case .hostPort(let port): "host port \(port)/\(proto.text)"
        }
    }
}
