import KubeAPI

/// The sets of the table, one for each kind.
struct NftSets: Sendable, Hashable {
    private var sets: [NftSet]

    init() { sets = NftSet.Kind.allCases.map { NftSet($0) } }

    subscript(_ kind: NftSet.Kind) -> NftSet {
        get { sets[kind.rawValue] }
        set { sets[kind.rawValue] = newValue }
    }
    var all: [NftSet] { sets }
}

/// A chain with its rules.
struct NftChain: Sendable, Hashable {
    /// Where packets come into a base chain.
    struct Hook: Sendable, Hashable {
        enum Kind: String, Sendable { case nat, filter }
        enum Point: UInt32, Sendable {
            case prerouting = 0
            case output = 3
            case postrouting = 4
        }
        let kind: Kind
        let point: Point
        let priority: Int32

        /// As nft declares it.
        var declaration: String { "type \(kind.rawValue) hook \(point) priority \(priority); policy accept;" }
    }
    let name: String
    let hook: Hook?
    let rules: [NftRule]

    init(_ name: String, hook: Hook? = nil, _ rules: [NftRule]) {
        self.name = name
        self.hook = hook
        self.rules = rules
    }
}

/// The shape of our table: its sets, and the chains that do not depend on services.
///
/// Whatever the number of services, these are all rules but for a pick chain for each number of backends that occurs.
struct Ruleset: Sendable, Hashable {
    let table: String
    let clusterRange: CIDR
    let serviceRange: CIDR
    let layout: MarkLayout
    var sets = NftSets()
    /// Without it nothing but egress is masqueraded: the userspace mode carries services by itself.
    var carriesServices = true

    /// The sets that the rules need.
    var usedSets: [NftSet] { carriesServices ? sets.all : [] }

    /// Chains in an order in which each refers only to earlier ones.
    var chains: [NftChain] {
        let egress = NftRule(
            .isIn(clusterRange, .sourceAddress), .isIn(clusterRange, .destinationAddress, negated: true),
            .isIn(serviceRange, .destinationAddress, negated: true), .masquerade)
        let postrouting = NftChain.Hook(kind: .nat, point: .postrouting, priority: 100)
        let raw = NftChain.Hook(kind: .filter, point: .prerouting, priority: -300)
        // Nobody outside reaches what listens on the loopback addresses.
        let loopback = NftRule(.fromLoopback(negated: true), .isLoopback(), .drop)
        guard carriesServices else {
            return [NftChain("postrouting", hook: postrouting, [egress]), NftChain("raw", hook: raw, [loopback])]
        }
        return [
            NftChain(PickChain.refuse.name, PickChain.refuse.rules(sets, layout)),
            // The drop is for a pick chain that went between the two look-ups.
            NftChain("svc", [NftRule(.branch(on: .maskedMark(layout.pickMask), in: sets[.picks])), NftRule(.drop)]),
            NftChain("services_in", servicesIn),
            NftChain(
                "prerouting", hook: .init(kind: .nat, point: .prerouting, priority: -100),
                [NftRule(.jump("services_in"))]),
            NftChain(
                "output", hook: .init(kind: .nat, point: .output, priority: -100), [NftRule(.jump("services_in"))]),
            NftChain(
                "postrouting", hook: postrouting,
                [
                    // A pod that was given itself would throw away an answer from its own address.
                    NftRule(.isMember(.sourceAddress, .destinationAddress, of: sets[.hairpin]), .masquerade),
                    // What comes from outside must be answered through this node.
                    NftRule(
                        .markHas(layout.masqueradeFlag, equal: layout.masqueradeFlag), .isTranslated,
                        .isIn(clusterRange, .sourceAddress, negated: true), .isLocal(source: true, negated: true),
                        .masquerade),
                    egress,
                ]),
            NftChain(
                "raw", hook: raw,
                [
                    loopback,
                    // Packets to a service that conntrack could not place follow the route to lo: they would go in
                    // circles.
                    NftRule(.fromLoopback(), .isIn(serviceRange, .destinationAddress), .drop),
                ]),
        ]
    }

    private var servicesIn: [NftRule] {
        let port: (NftField, NftField) = (.protocolNumber, .destinationPort)
        return [
            NftRule(.setMark(to: .destinationAddress, port.0, port.1, in: sets[.services]), .go("svc")),
            NftRule(
                .isMember(.destinationAddress, of: sets[.nodeAddresses]),
                .setMark(to: port.0, port.1, in: sets[.nodeports]), .go("svc")),
            NftRule(
                .isLoopback(negated: true), .isLocal(source: false),
                .setMark(to: port.0, port.1, in: sets[.hostports]), .go("svc")),
            // Addresses that no service has.
            NftRule(.isIn(serviceRange, .destinationAddress), .go(PickChain.refuse.name)),
        ]
    }

    func chain(_ pick: PickChain) -> NftChain { NftChain(pick.name, pick.rules(sets, layout)) }
}
