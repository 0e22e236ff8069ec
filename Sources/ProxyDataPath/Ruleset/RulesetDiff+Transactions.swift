extension RulesetDiff {
    /// Elements that one transaction may have. The kernel takes 0.6 µs and more for each, and gives the processor to
    /// nobody meanwhile, so that packets wait: 5 ms for 8,000, 1.2 ms for these. Each transaction costs 0.1 ms.
    static let chunkLimit = 2_000

    /// The transactions that make the change, in their order. Every service port is changed in one of them.
    func transactions(_ ruleset: Ruleset, chunkLimit: Int = RulesetDiff.chunkLimit) -> [NftTransaction] {
        var transactions: [NftTransaction] = []
        var current = NftTransaction(ruleset)
        // A commit earlier than what leads to them: packets that are under way then would find them empty.
        for (_, pick) in addedPicks { current.add(ruleset.chain(pick)) }
        if !current.isEmpty { transactions.append(current) }
        current = NftTransaction(ruleset)
        for (key, pick) in addedPicks { current.addPick(ruleset.sets[.picks], key: key, chain: pick.name) }
        current.add(.addElements(ruleset.sets[.hairpin], addedHairpins))

        let isOne = elementCount <= chunkLimit
        if !isOne { current.add(freed: frontsThatMove, ruleset.sets) }
        let moved = isOne ? [:] : frontsThatMove.keys
        var removed = ElementLists()
        var added = ElementLists()
        for part in parts {
            removed.append(moved.isEmpty ? part.removed : part.removed.without(moved))
            added.append(part.added)
            if !isOne, removed.count + added.count >= chunkLimit {
                current.replace(removed, by: added, ruleset.sets)
                transactions.append(current)
                (current, removed, added) = (NftTransaction(ruleset), ElementLists(), ElementLists())
            }
        }
        current.replace(removed, by: added, ruleset.sets)
        current.add(.deleteElements(ruleset.sets[.hairpin], removedHairpins))
        removePicks(from: &current, ruleset)
        if !current.isEmpty { transactions.append(current) }
        return transactions
    }

    private func removePicks(from transaction: inout NftTransaction, _ ruleset: Ruleset) {
        for (key, pick) in removedPicks {
            transaction.deletePick(ruleset.sets[.picks], key: key, chain: pick.name)
            transaction.remove(chain: pick.name)
        }
    }

    /// Fronts that one service gives up and another takes: where their changes fall into different transactions, they
    /// must be free before.
    private var frontsThatMove: ElementKeys {
        var taken = ElementKeys()
        for part in parts {
            for kind in NftSet.Kind.ofFronts { for element in part.added[kind] { taken.insert(kind, element) } }
        }
        var moving = ElementKeys()
        for part in parts {
            for kind in NftSet.Kind.ofFronts {
                for element in part.removed[kind] where taken.contains(kind, element) {
                    // A service that only gets another value does both in its own transaction.
                    if part.added[kind].contains(where: { $0.key == element.key }) { continue }
                    moving.insert(kind, element)
                }
            }
        }
        return moving
    }
}

/// Keys of elements, by the set.
struct ElementKeys {
    private(set) var keys: [NftSet.Kind: [NftWords: NftElement]] = [:]

    mutating func insert(_ kind: NftSet.Kind, _ element: NftElement) { keys[kind, default: [:]][element.key] = element }
    func contains(_ kind: NftSet.Kind, _ element: NftElement) -> Bool { keys[kind]?[element.key] != nil }
}

extension ElementLists {
    func without(_ keys: [NftSet.Kind: [NftWords: NftElement]]) -> ElementLists {
        var rest = self
        for (kind, keys) in keys { rest.remove(kind) { keys[$0.key] == $0 } }
        return rest
    }
}

extension NftTransaction {
    /// First all deletions: an element that gets another value is deleted and added.
    mutating func replace(_ removed: ElementLists, by added: ElementLists, _ sets: NftSets) {
        for kind in NftSet.Kind.allCases { add(.deleteElements(sets[kind], removed[kind])) }
        // Endpoints before what leads to them. (It is one step for packets; this is for who reads it.)
        for kind in NftSet.Kind.allCases.reversed() { add(.addElements(sets[kind], added[kind])) }
    }

    fileprivate mutating func add(freed fronts: ElementKeys, _ sets: NftSets) {
        for kind in NftSet.Kind.ofFronts {
            guard let elements = fronts.keys[kind]?.values else { continue }
            add(.deleteElements(sets[kind], elements.sorted { $0.key[0] < $1.key[0] }))
        }
    }
}
