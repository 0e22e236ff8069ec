/// Elements by the set that they are in.
struct ElementLists: Sendable {
    private(set) var lists = [[NftElement]](repeating: [], count: NftSet.Kind.allCases.count)
    private(set) var count = 0

    subscript(_ kind: NftSet.Kind) -> [NftElement] { lists[kind.rawValue] }

    mutating func append(_ kind: NftSet.Kind, _ element: NftElement) {
        lists[kind.rawValue].append(element)
        count += 1
    }
    mutating func append(_ other: ElementLists) {
        for kind in NftSet.Kind.allCases { lists[kind.rawValue] += other[kind] }
        count += other.count
    }
}

/// What must change in the table: plan minus applied.
struct RulesetDiff: Sendable {
    /// The changes of one service port, which belong into one transaction.
    struct Part: Sendable {
        let name: ServicePortName
        var removed = ElementLists()
        var added = ElementLists()
    }
    var parts: [Part] = []
    var addedPicks: [(key: UInt32, pick: PickChain)] = []
    var removedPicks: [(key: UInt32, pick: PickChain)] = []
    var addedHairpins: [NftElement] = []
    var removedHairpins: [NftElement] = []
    /// Backends that no longer serve, for conntrack: UDP connections to them must end.
    var gone: [(port: ServicePortName, id: UInt32, backend: Backend)] = []
    /// Fronts that were not there before.
    var newFronts: [Front.Key] = []

    var isEmpty: Bool {
        parts.isEmpty && addedPicks.isEmpty && removedPicks.isEmpty && addedHairpins.isEmpty && removedHairpins.isEmpty
    }
    var elementCount: Int { parts.reduce(0) { $0 + $1.removed.count + $1.added.count } }

    mutating func add(
        _ name: ServicePortName, _ before: ProgrammedPort?, _ after: ProgrammedPort?, _ plan: RulesetPlan
    ) {
        var part = Part(name: name)
        let layout = plan.layout
        let isSticky = (before?.affinitySeconds != nil, after?.affinitySeconds != nil)
        Self.compareSlots(before?.all, after?.all, isSticky, layout, &part)
        Self.compareSlots(before?.local, after?.local, isSticky, layout, &part)
        // A number that has only moved to another slot keeps its endpoint.
        if isSticky.0, isSticky.1 { part.dropUnchanged(.stickyBackends) }
        Self.compareFronts(before, after, plan, &part)
        if part.removed.count + part.added.count > 0 { parts.append(part) }

        for pool in before?.pools ?? [] {
            let left = Set(after?.pools.first { $0.id == pool.id }?.slots ?? [])
            for backend in pool.slots where !left.contains(backend) { gone.append((name, pool.id, backend)) }
        }
        let known = before?.fronts ?? []
        for front in after?.fronts ?? [] where !known.contains(where: { $0.key == front.key }) {
            newFronts.append(front.key)
        }
    }

    private static func compareSlots(
        _ before: BackendPool?, _ after: BackendPool?, _ isSticky: (Bool, Bool), _ layout: MarkLayout,
        _ part: inout Part
    ) {
        let isSame = before?.id == after?.id && isSticky.0 == isSticky.1
        let common = isSame ? min(before?.slots.count ?? 0, after?.slots.count ?? 0) : 0
        if let before, let after {
            for slot in 0..<common {
                let isEqual =
                    before.slots[slot] == after.slots[slot]
                    && (!isSticky.0 || before.numbers[slot] == after.numbers[slot])
                if isEqual { continue }
                before.appendSlot(slot, isSticky.0, layout, &part.removed)
                after.appendSlot(slot, isSticky.1, layout, &part.added)
            }
        }
        if let before {
            for slot in common..<before.slots.count { before.appendSlot(slot, isSticky.0, layout, &part.removed) }
        }
        if let after {
            for slot in common..<after.slots.count { after.appendSlot(slot, isSticky.1, layout, &part.added) }
        }
    }

    private static func compareFronts(
        _ before: ProgrammedPort?, _ after: ProgrammedPort?, _ plan: RulesetPlan, _ part: inout Part
    ) {
        func elements(_ port: ProgrammedPort?) -> [(NftSet.Kind, NftElement)] {
            var elements: [(NftSet.Kind, NftElement)] = []
            port?.forEachFrontElement(plan) { elements.append(($0, $1)) }
            return elements
        }
        // Few, as a rule one: no need for tables.
        let old = elements(before)
        let new = elements(after)
        for element in old where !new.contains(where: { $0 == element }) { part.removed.append(element.0, element.1) }
        for element in new where !old.contains(where: { $0 == element }) { part.added.append(element.0, element.1) }
    }

    /// In the order of names and addresses: the same changes make the same transaction.
    mutating func sort() {
        addedPicks.sort { $0.key < $1.key }
        removedPicks.sort { $0.key < $1.key }
        addedHairpins.sort(by: NftElement.isBefore)
        removedHairpins.sort(by: NftElement.isBefore)
    }
}

extension RulesetDiff.Part {
    /// Takes out what is removed and added alike.
    mutating func dropUnchanged(_ kind: NftSet.Kind) {
        let both = Set(removed[kind]).intersection(added[kind])
        guard !both.isEmpty else { return }
        removed.remove(kind) { both.contains($0) }
        added.remove(kind) { both.contains($0) }
    }
}

extension ElementLists {
    mutating func remove(_ kind: NftSet.Kind, where matches: (NftElement) -> Bool) {
        let before = lists[kind.rawValue].count
        lists[kind.rawValue].removeAll(where: matches)
        count -= before - lists[kind.rawValue].count
    }
}

extension BackendPool {
    /// The elements of one slot.
    func appendSlot(_ slot: Int, _ isSticky: Bool, _ layout: MarkLayout, _ lists: inout ElementLists) {
        let backend = slots[slot]
        let key = NftWords(layout.id(id), UInt32(slot))
        let target = NftWords(backend.address, NftWords.word(port: backend.port))
        guard isSticky else { return lists.append(.backends, NftElement(key, target)) }
        let numbered = NftWords(layout.id(id) | layout.number(numbers[slot]))
        lists.append(.stickySlots, NftElement(key, numbered))
        lists.append(.stickyBackends, NftElement(numbered, target))
    }
}

extension ProgrammedPort {
    /// The elements by which clients get to its pools.
    func forEachFrontElement(_ plan: RulesetPlan, _ body: (NftSet.Kind, NftElement) -> Void) {
        for front in fronts {
            let words = front.words
            front.forEachWay { body($0.map, NftElement(words, NftWords(plan.mark(of: $0, self)))) }
        }
        forEachGuard(plan.layout, body)
    }

    /// All elements of the port.
    func elements(_ plan: RulesetPlan) -> ElementLists {
        var lists = ElementLists()
        for pool in pools {
            for slot in pool.slots.indices { pool.appendSlot(slot, affinitySeconds != nil, plan.layout, &lists) }
        }
        forEachFrontElement(plan) { lists.append($0, $1) }
        return lists
    }
}
