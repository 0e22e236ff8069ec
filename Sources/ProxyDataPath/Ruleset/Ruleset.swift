import KubeAPI

/// The sets of the table, one for each kind.
struct NftSets: Sendable, Hashable {
    let family: IPAddress.Family
    private var sets: [NftSet]

    init(_ family: IPAddress.Family = .ipv4) {
        self.family = family
        sets = NftSet.Kind.allCases.map { NftSet($0, family) }
    }

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
            case forward = 2
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
    /// What connections of the node itself come from: they need no other address.
    let nodeAddress: IPAddress
    let layout: MarkLayout
    /// This node's pods, where they are not all of the cluster's.
    var podRange: CIDR?
    /// Every connection to a service gets the node's address.
    var masqueradesAll = false
    var sets: NftSets
    /// Without it nothing but egress is masqueraded: the userspace mode carries services by itself.
    var carriesServices = true

    init(table: String, clusterRange: CIDR, serviceRange: CIDR, nodeAddress: IPAddress, layout: MarkLayout) {
        self.table = table
        self.clusterRange = clusterRange
        self.serviceRange = serviceRange
        self.nodeAddress = nodeAddress
        self.layout = layout
        sets = NftSets(serviceRange.family)
    }

    /// Of the table's addresses: all ranges are of it.
    var family: IPAddress.Family { serviceRange.family }

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
        let loopback = NftRule(.fromLoopback(negated: true), .isLoopback(family), .drop)
        guard carriesServices else {
            return [NftChain("postrouting", hook: postrouting, [egress]), NftChain("raw", hook: raw, [loopback])]
        }
        let services = NftStatement.jump("services_in")
        // Answers that conntrack can't place would leave with the endpoint's address, and clients would answer by a
        // reset. Only packets of pods: what else the node forwards is not ours.
        let stray = [NftSide.sourceAddress, .destinationAddress].map {
            NftRule(.isInvalid, .isIn(clusterRange, $0), .drop)
        }
        return PickChain.permanent.map(chain) + [
            // What comes back from a pick chain, or finds none, has looked up one thing before a commit and the next
            // after it: slot 0 is there before and after. It must never leave untranslated, which conntrack would
            // remember for all that the client sends again.
            NftChain(
                "svc",
                [
                    NftRule(.branch(on: .maskedMark(layout.pickMask), in: sets[.picks])),
                    NftRule(
                        .hasPorts, .translate(to: .maskedMark(layout.idMask), .random(1), in: sets[.backends])),
                    NftRule(.drop),
                ])
        ] + clientChains + [
            NftChain("services_in", servicesIn),
            NftChain(
                "prerouting", hook: .init(kind: .nat, point: .prerouting, priority: -100), [NftRule(services)]),
            NftChain("output", hook: .init(kind: .nat, point: .output, priority: -100), [NftRule(services)]),
            NftChain(
                "postrouting", hook: postrouting,
                [
                    // A pod that was given itself would throw away an answer from its own address.
                    NftRule(.isMember(client, destination, of: sets[.hairpin]), .masquerade)
                ] + masquerades + [egress]),
            NftChain("forward", hook: .init(kind: .filter, point: .forward, priority: 0), stray),
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

    /// Connections that must be answered through this node.
    private var masquerades: [NftRule] {
        let isMarked = NftStatement.markHas(layout.masqueradeFlag, equal: layout.masqueradeFlag)
        if masqueradesAll { return [NftRule(isMarked, .isTranslated, .masquerade)] }
        let fromElsewhere = NftRule(
            isMarked, .isTranslated, .isIn(clusterRange, .sourceAddress, negated: true),
            .isNot(nodeAddress, .sourceAddress), .masquerade)
        guard let podRange, podRange != clusterRange else { return [fromElsewhere] }
        // Another node's pod that came to a node port of ours; to virtual addresses its own node sends it.
        return [
            fromElsewhere,
            NftRule(
                isMarked, .isTranslated, .isIn(clusterRange, .sourceAddress),
                .isIn(podRange, .sourceAddress, negated: true), .wasNotSent(to: serviceRange), .masquerade),
        ]
    }

    private var client: NftField { .address(.sourceAddress, family) }
    private var destination: NftField { .address(.destinationAddress, family) }
    private var addressed: [NftField] { [destination, .protocolNumber, .destinationPort] }
    private static let ported: [NftField] = [.protocolNumber, .destinationPort]

    private var servicesIn: [NftRule] {
        [
            NftRule(.setMark(to: addressed, in: sets[.services]), .go("svc")),
            NftRule(.setMark(to: addressed, in: sets[.outside]), .go("gate")),
            NftRule(.isMember(destination, of: sets[.nodeAddresses]), .jump("nodeports_in")),
            // Before 6.17 the kernel may find nothing while it puts an element in the place of another: once more for
            // those who would be refused.
            NftRule(
                .isIn(serviceRange, .destinationAddress), .setMark(to: addressed, in: sets[.services]), .go("svc")),
            // Addresses that no service has. Before what is for local ones: to the kernel they may be that.
            NftRule(.isIn(serviceRange, .destinationAddress), .go(PickChain.refuse.name)),
            NftRule(
                .isLoopback(family, negated: true), .isLocal(source: false),
                .setMark(to: Self.ported, in: sets[.hostports]), .go("svc")),
        ]
    }

    /// For fronts where it matters who the client is. All others never come here.
    private var clientChains: [NftChain] {
        func inside(_ fields: [NftField], _ map: NftSet) -> [NftRule] {
            [
                NftRule(.isIn(clusterRange, .sourceAddress), .setMark(to: fields, in: map), .go("svc")),
                NftRule(.isLocal(source: true), .setMark(to: fields, in: map), .go("svc")),
                // The mark is set for all others already.
                NftRule(.go("svc")),
            ]
        }
        // A set of ranges would cost 59 ms for each deletion: so the address is looked up at each length.
        let ranges = (1...family.bitCount).reversed().map { length in
            NftRule(
                .isMember(
                    .sourcePrefix(length, family), .maskedMarkWith(layout.idMask, layout.length(length)),
                    of: sets[.allowed]), .back)
        }
        return [
            NftChain("guard", ranges + [NftRule(.drop)]),
            NftChain(
                "gate",
                [NftRule(.isMember(addressed, of: sets[.guarded]), .jump("guard"))]
                    + inside(addressed, sets[.inside])),
            NftChain("nodeports_gate", inside(Self.ported, sets[.nodeportsInside])),
            NftChain(
                "nodeports_in",
                [
                    NftRule(.setMark(to: Self.ported, in: sets[.nodeports]), .go("svc")),
                    NftRule(.setMark(to: Self.ported, in: sets[.nodeportsOutside]), .go("nodeports_gate")),
                ]),
        ]
    }

    func chain(_ pick: PickChain) -> NftChain { NftChain(pick.name, pick.rules(sets, layout)) }
}
