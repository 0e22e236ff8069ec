import KubeAPI

/// Ids and slots that an earlier run left in the kernel, so that a restart changes nothing that should stay.
struct InheritedState {
    struct Found {
        let id: UInt32
        let slots: [Backend?]
        let numbers: [Int]
    }
    let ids: Set<UInt32>
    let pickKeys: [PickChain: UInt32]

    private let layout: MarkLayout
    private let fronts: [[NftWords: NftWords]]
    private var slots: [UInt32: [Int: Backend]] = [:]
    private var stickySlots: [UInt32: [Int: (backend: Backend?, number: Int)]] = [:]
    private var taken: Set<UInt32> = []

    init(_ state: AppliedState, _ layout: MarkLayout) {
        self.layout = layout
        fronts = [NftSet.Kind.services, .nodeports, .hostports].map { state.elements[$0.rawValue] }
        var keys: [PickChain: UInt32] = [:]
        for (key, chain) in state.picks {
            if key & layout.pickMask == key, let pick = PickChain(name: chain) { keys[pick] = key }
        }
        pickKeys = keys
        var ids: Set<UInt32> = []
        for kind in fronts { for data in kind.values { ids.insert(layout.id(of: data[0])) } }
        for (key, data) in state.elements[NftSet.Kind.backends.rawValue] {
            slots[layout.id(of: key[0]), default: [:]][Int(key[1])] = Self.backend(data)
        }
        let numbered = state.elements[NftSet.Kind.stickyBackends.rawValue]
        for (key, data) in state.elements[NftSet.Kind.stickySlots.rawValue] {
            stickySlots[layout.id(of: key[0]), default: [:]][Int(key[1])] = (
                numbered[NftWords(data[0])].map(Self.backend), layout.number(of: data[0])
            )
        }
        self.ids = ids.union(slots.keys).union(stickySlots.keys).subtracting([0])
    }

    private static func backend(_ words: NftWords) -> Backend {
        Backend(
            address: IPAddress(ipv4: UInt32(bigEndian: words[0])),
            port: UInt16(truncatingIfNeeded: UInt32(littleEndian: words[1])).byteSwapped)
    }

    /// What is there of a service port, known by its fronts; nil where nothing is, or where it has been given away.
    mutating func take(_ state: ServicePortState) -> Found? {
        for front in state.fronts {
            let place =
                switch front.setKind {
                case .services: 0
                case .nodeports: 1
                default: 2
                }
            guard let data = fronts[place][front.words] else { continue }
            let id = layout.id(of: data[0])
            guard id > 0, taken.insert(id).inserted else { continue }
            if state.affinitySeconds != nil, let known = stickySlots[id] {
                let count = Self.slotCount(known.keys)
                return Found(
                    id: id, slots: (0..<count).map { known[$0]?.backend },
                    numbers: (0..<count).map { known[$0]?.number ?? 0 })
            }
            let known = slots[id] ?? [:]
            return Found(id: id, slots: (0..<Self.slotCount(known.keys)).map { known[$0] }, numbers: [])
        }
        return nil
    }

    /// Backends of UDP services, by id.
    var udpBackends: [UInt32: [Backend]] {
        var result: [UInt32: [Backend]] = [:]
        let udp = NftWords.word(TransportProtocol.udp)
        for (place, elements) in fronts.enumerated() {
            // The protocol stands behind the address, or first where there is none.
            for (key, data) in elements where key[place == 0 ? 1 : 0] == udp {
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
