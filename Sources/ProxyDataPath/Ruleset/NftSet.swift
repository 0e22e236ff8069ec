import KubeAPI

/// A set or a map of our table.
struct NftSet: Sendable, Hashable {
    /// What it is for. The raw values order them within a transaction.
    enum Kind: Int, CaseIterable, Sendable {
        /// From a virtual address, protocol and port to a service.
        case services
        /// From protocol and port on the node's addresses to a service.
        case nodeports
        /// From protocol and port on any local address to a pod.
        case hostports
        /// As `services`, of those where it matters who the client is: for clients outside the cluster, and for all whom
        /// no other says otherwise.
        case outside
        /// The same for pods and the node.
        case inside
        /// As `nodeports`, for clients outside the cluster.
        case nodeportsOutside
        /// The same for pods and the node.
        case nodeportsInside
        /// Those of `outside` that not everybody may connect to.
        case guarded
        /// Who may: the client's address cut to each length of prefix in turn, with the service's id
        /// and the length.
        case allowed
        /// From the low bits of a mark to the chain that goes on.
        case picks
        /// From a service and a slot to an endpoint.
        case backends
        /// From a service with affinity and a slot to the number of an endpoint.
        case stickySlots
        /// From such a number to the endpoint.
        case stickyBackends
        /// From a client and a service to such a number; filled by packets.
        case affinity
        /// Pairs of the same address: connections of a pod with itself.
        case hairpin
        /// The node's addresses at which node ports are open.
        case nodeAddresses

        var name: String {
            switch self {
            case .services: "services"
            case .nodeports: "nodeports"
            case .hostports: "hostports"
            case .outside: "outside"
            case .inside: "inside"
            case .nodeportsOutside: "nodeports_outside"
            case .nodeportsInside: "nodeports_inside"
            case .guarded: "guarded"
            case .allowed: "allowed"
            case .picks: "picks"
            case .backends: "backends"
            case .stickySlots: "sticky_slots"
            case .stickyBackends: "sticky_backends"
            case .affinity: "affinity"
            case .hairpin: "hairpin"
            case .nodeAddresses: "node_addresses"
            }
        }

        /// Elements that it can hold at first. A declared size makes the kernel choose its fixed hash, which loads
        /// twice as fast; it is a hard limit, before which a larger set takes the place (`NftSet.grown`).
        var defaultSize: Int {
            switch self {
            case .services, .nodeports, .stickySlots, .stickyBackends, .hairpin: 20_000
            case .hostports, .outside, .inside, .nodeportsOutside, .nodeportsInside, .guarded: 4_096
            case .allowed: 16_384
            case .picks: 8_192
            case .backends: 200_000
            case .affinity: 262_144
            case .nodeAddresses: 64
            }
        }

        func key(_ family: IPAddress.Family) -> [NftField] {
            let source = NftField.address(.sourceAddress, family)
            let destination = NftField.address(.destinationAddress, family)
            return switch self {
            case .services, .outside, .inside, .guarded: [destination, .protocolNumber, .destinationPort]
            case .nodeports, .hostports, .nodeportsOutside, .nodeportsInside: [.protocolNumber, .destinationPort]
            case .allowed: [source, .mark]
            case .picks, .stickyBackends: [.mark]
            case .backends, .stickySlots: [.mark, .random(65536)]
            case .affinity: [source, .mark]
            case .hairpin: [source, destination]
            case .nodeAddresses: [destination]
            }
        }

        enum Data: Sendable, Hashable {
            case none
            case fields([NftField])
            /// A chain to go to.
            case verdict
        }
        func data(_ family: IPAddress.Family) -> Data {
            switch self {
            case .services, .nodeports, .hostports, .outside, .inside, .nodeportsOutside, .nodeportsInside,
                .stickySlots, .affinity:
                .fields([.mark])
            case .picks: .verdict
            case .backends, .stickyBackends: .fields([.address(.destinationAddress, family), .destinationPort])
            case .hairpin, .nodeAddresses, .guarded, .allowed: .none
            }
        }

        /// Those that lead from a front to a service.
        static let frontMaps: [Kind] = [
            .services, .nodeports, .hostports, .outside, .inside, .nodeportsOutside, .nodeportsInside,
        ]
        /// Those whose elements belong to a front.
        static let ofFronts: [Kind] = frontMaps + [.guarded, .allowed]

        /// Packets add elements, which end by themselves.
        var isDynamic: Bool { self == .affinity }
    }

    let kind: Kind
    /// Of the table's addresses.
    let family: IPAddress.Family
    let size: Int

    init(_ kind: Kind, _ family: IPAddress.Family = .ipv4, size: Int? = nil) {
        self.kind = kind
        self.family = family
        self.size = size ?? kind.defaultSize
    }

    var key: [NftField] { kind.key(family) }
    var data: Kind.Data { kind.data(family) }

    /// The size is part of the name once it is another than at first: a larger set must stand beside the old one until
    /// the rules refer to it, and sets can't be renamed.
    var name: String { size == kind.defaultSize ? kind.name : "\(kind.name)-\(size)" }

    /// From a name in the kernel; nil for one that is not ours.
    init?(name: String, _ family: IPAddress.Family = .ipv4) {
        for kind in Kind.allCases {
            if name == kind.name {
                self.init(kind, family)
                return
            }
            if name.hasPrefix(kind.name + "-"), let size = Int(name.dropFirst(kind.name.count + 1)), size > 0 {
                self.init(kind, family, size: size)
                return
            }
        }
        return nil
    }

    /// It holds that many, and what comes and goes for a moment.
    func hasRoom(for count: Int) -> Bool { count <= size - size / 16 }

    /// One that holds that many, with room to grow.
    func grown(toHold count: Int) -> NftSet {
        guard !hasRoom(for: count) else { return self }
        var size = size
        while size < count + count / 4 { size *= 2 }
        return NftSet(kind, family, size: size)
    }

    var keyByteCount: Int { Self.byteCount(key) }
    var dataByteCount: Int { if case .fields(let fields) = data { Self.byteCount(fields) } else { 0 } }

    private static func byteCount(_ fields: [NftField]) -> Int {
        fields.count == 1 ? Int(fields[0].byteCount) : fields.reduce(0) { $0 + $1.wordCount * 4 }
    }

    /// The number under which nft finds the type again: 6 bits for each field.
    static func typeNumber(_ fields: [NftField]) -> UInt32 { fields.reduce(0) { $0 << 6 | $1.typeNumber } }

    /// As nft declares it.
    var declaration: String {
        let keys = key.map(\.text).joined(separator: " . ")
        let data: String =
            switch self.data {
            case .none: ""
            case .fields(let fields): " : " + fields.map(\.text).joined(separator: " . ")
            case .verdict: " : verdict"
            }
        return "typeof \(keys)\(data); size \(size);" + (kind.isDynamic ? " flags dynamic,timeout;" : "")
    }

    /// nft's notes, so that `nft list` shows the declaration.
    var userData: [UInt8] {
        func typeof(_ fields: [NftField]) -> [UInt8] {
            guard fields.count > 1 else { return fields.first?.description ?? [] }
            let inner = fields.enumerated().flatMap { UserData.nested(UInt8($0.offset), $0.element.description) }
            return UserData.number(0, 13) + UserData.nested(1, inner)
        }
        func order(_ fields: [NftField]) -> UInt32 { fields.count == 1 ? fields[0].byteOrder : 0 }
        var bytes = UserData.number(0, order(key))
        let key = UserData.nested(3, typeof(key))
        switch data {
        case .none: return bytes + key
        case .fields(let fields):
            bytes += UserData.number(1, order(fields)) + key + UserData.nested(4, typeof(fields))
        case .verdict:
            bytes += UserData.number(1, 0) + key + UserData.nested(4, UserData.number(0, 1) + [1, 0])
        }
        return bytes + UserData.number(6, 0)
    }

    /// An element as nft writes it: `10.96.0.10 . tcp . 80 : 0x00001002`.
    func text(_ element: NftElement, chain: (UInt32) -> String) -> String {
        func join(_ fields: [NftField], _ words: NftWords) -> String {
            var place = 0
            return fields.map { field in
                defer { place += field.wordCount }
                return field.form.text(words, at: place)
            }.joined(separator: " . ")
        }
        let key = join(key, element.key)
        switch data {
        case .none: return key
        case .fields(let fields): return "\(key) : \(join(fields, element.data))"
        case .verdict: return "\(key) : jump \(chain(element.key[0]))"
        }
    }
}
