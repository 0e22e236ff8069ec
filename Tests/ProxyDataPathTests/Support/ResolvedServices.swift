import KubeAPI

@testable import ProxyDataPath

/// What a table does, whatever ids and slots it uses for it: for each front the chain, the backends and the masquerade.
struct ResolvedServices: Equatable {
    struct Target: Equatable {
        let chain: String
        let isMasqueraded: Bool
        let backends: [Backend]
    }
    var targets: [String: Target] = [:]
    /// Fronts that lead nowhere, or to fewer backends than they claim.
    var broken: [String] = []
    var elementCounts: [Int] = []
    var hairpins: Set<NftWords> = []
    /// Who may connect to what.
    var guards: Set<String> = []
    var chains: [String: FakeNftKernel.Chain] = [:]
    /// One id for each service port.
    var ids: [String: UInt32] = [:]

    init(_ table: FakeNftKernel.Table, _ layout: MarkLayout) {
        chains = table.chains
        let live = NftSet.Kind.allCases.map { table.live($0) }
        elementCounts = live.map { $0?.elements.count ?? 0 }
        hairpins = Set(live[NftSet.Kind.hairpin.rawValue]?.elements.keys.map { $0 } ?? [])
        let picks = live[NftSet.Kind.picks.rawValue]?.picks ?? [:]
        for kind in NftSet.Kind.frontMaps {
            guard let set = live[kind.rawValue] else { continue }
            for (key, data) in set.elements {
                let text = "\(kind.name) " + set.set.text(NftElement(key, data)) { _ in "" }
                let front = String(text.prefix { $0 != ":" })
                let mark = data[0]
                ids[front] = layout.id(of: mark)
                guard let chain = picks[mark & layout.pickMask], table.chains[chain] != nil,
                    let pick = PickChain(name: chain), let backends = Self.backends(pick, mark, live, layout)
                else {
                    broken.append(front)
                    continue
                }
                targets[front] = Target(
                    chain: chain, isMasqueraded: mark & layout.masqueradeFlag != 0, backends: backends)
            }
        }
        // Ids are not the same from run to run: ranges are named by the fronts that they are for.
        for element in live[NftSet.Kind.guarded.rawValue]?.elements.keys.map({ $0 }) ?? [] {
            guards.insert("\(element)")
        }
        for element in live[NftSet.Kind.allowed.rawValue]?.elements.keys.map({ $0 }) ?? [] {
            let fronts = ids.filter { $0.value == layout.id(of: element[1]) && $0.key.hasPrefix("outside") }
            guards.insert("\(element[0])/\(element[1] & ~layout.idMask): \(fronts.keys.sorted())")
        }
    }

    /// Nil where a slot below the number of backends is empty.
    private static func backends(
        _ pick: PickChain, _ mark: UInt32, _ live: [FakeNftKernel.SetState?], _ layout: MarkLayout
    ) -> [Backend]? {
        let id = mark & layout.idMask
        var found: [Backend] = []
        switch pick {
        case .refuse, .nowhere: return []
        case .random(let count):
            for slot in 0..<count {
                guard let data = live[NftSet.Kind.backends.rawValue]?.elements[NftWords(id, UInt32(slot))] else {
                    return nil
                }
                found.append(backend(data))
            }
        case .sticky(let count, _, _):
            for slot in 0..<count {
                guard let number = live[NftSet.Kind.stickySlots.rawValue]?.elements[NftWords(id, UInt32(slot))],
                    let data = live[NftSet.Kind.stickyBackends.rawValue]?.elements[number]
                else { return nil }
                found.append(backend(data))
            }
        }
        return found.sorted()
    }

    private static func backend(_ words: NftWords) -> Backend {
        Backend(
            address: IPAddress(ipv4: UInt32(bigEndian: words[0])),
            port: UInt16(truncatingIfNeeded: words[1].littleEndian).byteSwapped)
    }
}
