import KubeAPI

/// Ids and slots that an earlier run left in the kernel, so that a restart changes nothing that should stay.
struct InheritedState {
    struct Found {
        let id: UInt32
        let slots: [Backend?]
        let numbers: [Int]
    }
    /// What is there of a service port.
    struct FoundPort {
        var all: Found?
        var local: Found?
    }
    let ids: Set<UInt32>
    let pickKeys: [PickChain: UInt32]

    private let layout: MarkLayout
    private let family: IPAddress.Family
    /// By kind; empty for all that are no maps of fronts.
    private let fronts: [[NftWords: NftWords]]
    private var slots: [UInt32: [Int: Backend]] = [:]
    private var stickySlots: [UInt32: [Int: (backend: Backend?, number: Int)]] = [:]
    private var taken: Set<UInt32> = []

    init(_ state: AppliedState, _ layout: MarkLayout, _ family: IPAddress.Family) {
        self.layout = layout
        self.family = family
        var fronts = [[NftWords: NftWords]](repeating: [:], count: NftSet.Kind.allCases.count)
        for kind in NftSet.Kind.frontMaps { fronts[kind.rawValue] = state.elements[kind.rawValue] }
        self.fronts = fronts
        var keys: [PickChain: UInt32] = [:]
        for (key, chain) in state.picks {
            if key & layout.pickMask == key, let pick = PickChain(name: chain) { keys[pick] = key }
        }
        pickKeys = keys
        var ids: Set<UInt32> = []
        for kind in fronts { for data in kind.values { ids.insert(layout.id(of: data[0])) } }
        for (key, data) in state.elements[NftSet.Kind.backends.rawValue] {
            slots[layout.id(of: key[0]), default: [:]][Int(key[1])] = Self.backend(data, family)
        }
        let numbered = state.elements[NftSet.Kind.stickyBackends.rawValue]
        for (key, data) in state.elements[NftSet.Kind.stickySlots.rawValue] {
            stickySlots[layout.id(of: key[0]), default: [:]][Int(key[1])] = (
                numbered[NftWords(data[0])].map { Self.backend($0, family) }, layout.number(of: data[0])
            )
        }
        self.ids = ids.union(slots.keys).union(stickySlots.keys).subtracting([0])
    }

    private static func backend(_ words: NftWords, _ family: IPAddress.Family) -> Backend {
        Backend(
            address: words.address(family),
            port: UInt16(truncatingIfNeeded: UInt32(littleEndian: words[family.wordCount])).byteSwapped)
    }

    /// What is there of a service port, known by its fronts; nothing where it has been given away.
    mutating func take(_ state: ServicePortState) -> FoundPort {
        var found = FoundPort()
        let isSticky = state.affinitySeconds != nil
        for front in state.fronts {
            front.forEachWay { way in
                guard way.isLocal ? found.local == nil : found.all == nil,
                    let data = fronts[way.map.rawValue][front.words]
                else { return }
                let id = layout.id(of: data[0])
                guard id > 0, taken.insert(id).inserted else { return }
                if way.isLocal { found.local = self.found(id, isSticky) } else { found.all = self.found(id, isSticky) }
            }
        }
        return found
    }

    private func found(_ id: UInt32, _ isSticky: Bool) -> Found {
        if isSticky, let known = stickySlots[id] {
            let count = Self.slotCount(known.keys)
            return Found(
                id: id, slots: (0..<count).map { known[$0]?.backend },
                numbers: (0..<count).map { known[$0]?.number ?? 0 }
            )
        }
        let known = slots[id] ?? [:]
        return Found(id: id, slots: (0..<Self.slotCount(known.keys)).map { known[$0] }, numbers: [])
    }

    /// Backends of UDP services, by id.
    var udpBackends: [UInt32: [Backend]] {
        var result: [UInt32: [Backend]] = [:]
        let udp = NftWords.word(TransportProtocol.udp)
        for kind in NftSet.Kind.frontMaps {
            let place = NftField.place(of: .protocolNumber, in: kind.key(family))
            for (key, data) in fronts[kind.rawValue] where key[place] == udp {
                let id = layout.id(of: data[0])
                result[id] = Array((slots[id] ?? [:]).values) + (stickySlots[id] ?? [:]).values.compactMap(\.backend)
            }
        }
        return result
    }

    /// Slots above the limit are nobody's work of ours.
    private static func slotCount(_ slots: some Collection<Int>) -> Int {
        min((slots.max() ?? -1) + 1, 65536)
    }
}
