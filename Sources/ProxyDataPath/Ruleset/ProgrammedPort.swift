import KubeAPI

/// Backends of a service port with the id under which the rules know them. A port has one for all its backends, and one
/// more for those of this node where a traffic policy asks for them.
struct BackendPool: Sendable, Equatable {
    let id: UInt32
    /// By slot.
    var slots: [Backend] = []
    /// Of a service with affinity: the number of each slot's backend, by which its clients know it. It stays with the
    /// backend when slots move.
    var numbers: [Int] = []

    /// A number for a backend that comes new: one after the last, so that those of gone ones come again late.
    static func freeNumber(in numbers: [Int], limit: Int) -> Int? {
        guard let greatest = numbers.max() else { return 1 }
        if greatest < limit { return greatest + 1 }
        let taken = Set(numbers)
        return (1...limit).first { !taken.contains($0) }
    }
}

/// One service port as it stands in the rules.
struct ProgrammedPort: Sendable, Equatable {
    var fronts: [Front] = []
    var all: BackendPool
    var local: BackendPool?
    var affinitySeconds: Int?
    var localAddresses: [IPAddress] = []
    /// There are endpoints on some node.
    var hasEndpoints = false

    init(id: UInt32) { all = BackendPool(id: id) }

    var pools: [BackendPool] { local.map { [all, $0] } ?? [all] }

    /// The chain that chooses for connections that take a way.
    func pick(for way: Front.Way) -> PickChain {
        let slots = way.isLocal ? local?.slots ?? [] : all.slots
        guard !slots.isEmpty else { return way.isLocal && hasEndpoints ? .nowhere : .refuse }
        guard let affinitySeconds else { return .random(count: slots.count) }
        return .sticky(count: slots.count, seconds: affinitySeconds, masquerades: way.masquerades)
    }

    /// All chains that it needs, each once, in a fixed order. There are few.
    var picks: [PickChain] {
        var picks: [PickChain] = []
        for front in fronts {
            front.forEachWay { way in
                let pick = pick(for: way)
                if !picks.contains(pick) { picks.append(pick) }
            }
        }
        return picks
    }
}

extension Front {
    /// How some of the clients of a front get to a pool: an element of a map.
    struct Way: Sendable, Equatable {
        let map: NftSet.Kind
        let isLocal: Bool
        let masquerades: Bool
    }

    /// One way for all clients; two where those inside the cluster do not go by the policy that those outside go by.
    func forEachWay(_ body: (Way) -> Void) {
        switch place {
        case .hostPort: body(Way(map: .hostports, isLocal: false, masquerades: masquerades))
        case .nodePort where isLocal:
            body(Way(map: .nodeportsOutside, isLocal: true, masquerades: masquerades))
            body(Way(map: .nodeportsInside, isLocal: false, masquerades: true))
        case .nodePort: body(Way(map: .nodeports, isLocal: false, masquerades: masquerades))
        case .address where isExternal && isLocal:
            body(Way(map: .outside, isLocal: true, masquerades: masquerades))
            body(Way(map: .inside, isLocal: false, masquerades: true))
        case .address where sources != nil: body(Way(map: .outside, isLocal: false, masquerades: masquerades))
        case .address: body(Way(map: .services, isLocal: isLocal, masquerades: masquerades))
        }
    }

}

extension ProgrammedPort {
    /// Elements that say which clients may connect. A client is looked up by the id that the mark has for those outside,
    /// which addresses of one port share: a range is there once for all of them.
    func forEachGuard(_ layout: MarkLayout, _ body: (NftSet.Kind, NftElement) -> Void) {
        guard fronts.contains(where: { $0.sources != nil }) else { return }
        var allowed: Set<NftWords> = []
        for front in fronts {
            guard let sources = front.sources, case .address(let address, _) = front.place else { continue }
            body(.guarded, NftElement(front.words))
            var pool: BackendPool?
            front.forEachWay { if $0.map == .outside { pool = $0.isLocal ? local : all } }
            // Without an id (all are taken) nobody is let in.
            guard let pool else { continue }
            for range in sources where range.family == address.family {
                let mark = layout.id(pool.id) | layout.length(range.prefixLength)
                let element = NftElement(NftWords(range.network, mark))
                if allowed.insert(element.key).inserted { body(.allowed, element) }
            }
        }
    }
}
