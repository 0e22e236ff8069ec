/// Makes the whole table be as planned, whatever is there: after a start, after a failure, and when a set has grown too
/// small. What is right already is not touched.
struct Reconciliation {
    let plan: RulesetPlan
    let applied: AppliedState?
    /// With the sets that will be in use.
    private(set) var ruleset: Ruleset
    private let nodeAddresses: [NftElement]
    private let wanted: ElementLists
    /// Sets that are not there yet, or not large enough: they are filled before the rules refer to them.
    private let isNew: [Bool]
    /// Elements that nobody wants, by kind.
    private var stale = ElementLists()
    private var live: [RulesetDiff.Part] = []

    init(_ plan: RulesetPlan, _ ruleset: Ruleset, nodeAddresses: [NftElement], applied: AppliedState?) {
        self.plan = plan
        self.nodeAddresses = nodeAddresses
        let applied = applied.flatMap { Self.isUsable($0, ruleset) ? $0 : nil }
        self.applied = applied
        var ruleset = ruleset
        var rest = applied?.elements ?? []
        var wanted = ElementLists()
        var live: [RulesetDiff.Part] = []
        for (name, port) in plan.ports.sorted(by: { $0.key < $1.key }) {
            let elements = port.elements(plan)
            wanted.append(elements)
            if applied != nil, let part = Self.compare(name, elements, &rest) { live.append(part) }
        }
        for element in plan.hairpins { wanted.append(.hairpin, element) }
        for element in nodeAddresses { wanted.append(.nodeAddresses, element) }
        if applied != nil {
            let name = ServicePortName(service: "", port: "", proto: .tcp)
            var shared = ElementLists()
            for kind in [NftSet.Kind.hairpin, .nodeAddresses] {
                for element in wanted[kind] { shared.append(kind, element) }
            }
            if let part = Self.compare(name, shared, &rest) { live.append(part) }
        }
        var isNew: [Bool] = []
        var stale = ElementLists()
        for kind in NftSet.Kind.allCases {
            let count = kind == .picks ? plan.count(.picks) : wanted[kind].count
            let left = kind == .picks || rest.isEmpty ? 0 : rest[kind.rawValue].count
            let current = applied?.set(kind) ?? ruleset.sets[kind]
            // What nobody wants goes last, so that there must be room for both.
            ruleset.sets[kind] = current.grown(toHold: count + left)
            isNew.append(ruleset.carriesServices && applied?.sets.contains(ruleset.sets[kind]) != true)
            guard !isNew[kind.rawValue], left > 0 else { continue }
            let elements = rest[kind.rawValue].map { NftElement($0.key, $0.value) }
            for element in elements.sorted(by: NftElement.isBefore) { stale.append(kind, element) }
        }
        self.ruleset = ruleset
        self.wanted = wanted
        self.isNew = isNew
        self.stale = stale
        self.live = live.map { part in
            var part = part
            for kind in NftSet.Kind.allCases where isNew[kind.rawValue] {
                part.removed.remove(kind) { _ in true }
                part.added.remove(kind) { _ in true }
            }
            return part
        }
    }

    /// A table whose sets or base chains are of another make is built anew, in one step.
    private static func isUsable(_ applied: AppliedState, _ ruleset: Ruleset) -> Bool {
        // A set that has one of our names but another form.
        guard !applied.foreignSets.contains(where: { NftSet(name: $0, ruleset.family) != nil }) else { return false }
        return ruleset.chains.allSatisfy { chain in
            guard let present = applied.chains[chain.name] else { return true }
            return present.isBase == (chain.hook != nil) && present.hook == chain.hook
        }
    }

    /// What one port lacks or has wrong. What it finds right is taken out of `rest`.
    private static func compare(
        _ name: ServicePortName, _ elements: ElementLists, _ rest: inout [[NftWords: NftWords]]
    ) -> RulesetDiff.Part? {
        var part = RulesetDiff.Part(name: name)
        for kind in NftSet.Kind.allCases {
            for element in elements[kind] {
                switch rest[kind.rawValue].removeValue(forKey: element.key) {
                case element.data: continue
                case nil: part.added.append(kind, element)
                case let data?:
                    part.removed.append(kind, NftElement(element.key, data))
                    part.added.append(kind, element)
                }
            }
        }
        return part.removed.count + part.added.count > 0 ? part : nil
    }

    // MARK: transactions

    /// The transactions in their order; none where all is as planned.
    func transactions(chunkLimit: Int = RulesetDiff.chunkLimit) -> [NftTransaction] {
        var transactions: [NftTransaction] = []
        var first = NftTransaction(ruleset)
        if applied == nil { first.add(.addTable) }
        for set in ruleset.usedSets where isNew[set.kind.rawValue] { first.add(.addSet(set)) }
        addMissingChains(to: &first)
        if !first.isEmpty { transactions.append(first) }
        // Where the table is at work, packets under way would find a chain that comes in the same commit empty.
        var picks = NftTransaction(ruleset)
        addMissingPicks(to: &picks)
        if !picks.isEmpty { transactions.append(picks) }

        // Nothing refers to these yet, so that they may be filled in any portions.
        for kind in NftSet.Kind.allCases where isNew[kind.rawValue] {
            var rest = wanted[kind][...]
            while !rest.isEmpty {
                var transaction = NftTransaction(ruleset)
                transaction.add(.addElements(ruleset.sets[kind], Array(rest.prefix(chunkLimit))))
                rest = rest.dropFirst(chunkLimit)
                transactions.append(transaction)
            }
        }

        var last = NftTransaction(ruleset)
        if applied != nil, isNew.contains(true) {
            // The rules move to other sets: all that changes in those that stay belongs to the same step.
            var removed = ElementLists()
            var added = ElementLists()
            for part in live {
                removed.append(part.removed)
                added.append(part.added)
            }
            last.replace(removed, by: added, ruleset.sets)
        } else {
            var diff = RulesetDiff()
            diff.parts = live
            transactions += diff.transactions(ruleset, chunkLimit: chunkLimit)
        }
        finish(&last)
        if !last.isEmpty { transactions.append(last) }
        return transactions
    }

    /// All in one transaction, in the place of a table that can't be kept.
    func replacement() -> NftTransaction {
        var transaction = NftTransaction(ruleset)
        transaction.add(.deleteTable)
        for part in transactions(chunkLimit: .max) {
            for operation in part.operations { transaction.add(operation, pickChains: part.pickChains) }
        }
        return transaction
    }

    private var pickChains: [NftChain] { plan.picks.map { ruleset.chain($0.pick) } }

    private func addMissingChains(to transaction: inout NftTransaction) {
        var added: Set<String> = []
        func add(_ chain: NftChain) {
            guard applied?.chains[chain.name] == nil, added.insert(chain.name).inserted else { return }
            transaction.add(chain)
        }
        // Base chains come last: with them the table goes to work.
        let chains = ruleset.chains.filter { $0.hook == nil }
        for chain in chains where PickChain(name: chain.name) != nil { add(chain) }
        if ruleset.carriesServices {
            for chain in pickChains { add(chain) }
        }
        for chain in chains { add(chain) }
    }

    private func addMissingPicks(to transaction: inout NftTransaction) {
        guard ruleset.carriesServices else { return }
        let isFilled = !isNew[NftSet.Kind.picks.rawValue]
        for (key, pick) in plan.picks where !isFilled || applied?.picks[key] == nil {
            transaction.addPick(ruleset.sets[.picks], key: key, chain: pick.name)
        }
    }

    /// Base chains, chains that have other rules than they should, and the removal of all that nobody needs.
    private func finish(_ transaction: inout NftTransaction) {
        let chains = ruleset.chains + (ruleset.carriesServices ? pickChains : [])
        var known: Set<String> = []
        for chain in chains where known.insert(chain.name).inserted {
            guard let present = applied?.chains[chain.name] else {
                if chain.hook != nil { transaction.add(chain) }
                continue
            }
            if present.rules != chain.rules.map(\.canonicalText) { transaction.replaceRules(chain) }
        }
        guard let applied else { return }
        if ruleset.carriesServices {
            for kind in NftSet.Kind.allCases { transaction.add(.deleteElements(ruleset.sets[kind], stale[kind])) }
            if !isNew[NftSet.Kind.picks.rawValue] { finishPicks(&transaction, applied) }
        }
        let sets = Set(ruleset.usedSets.map(\.name))
        // Chains that refer to each other: first all rules go, then all chains.
        let strange = applied.chains.keys.filter { !known.contains($0) }.sorted()
        for chain in strange { transaction.add(.flushChain(chain)) }
        for set in applied.sets where !sets.contains(set.name) { transaction.add(.deleteSet(set.name)) }
        for set in applied.foreignSets { transaction.add(.deleteSet(set)) }
        for chain in strange { transaction.add(.deleteChain(chain)) }
    }

    private func finishPicks(_ transaction: inout NftTransaction, _ applied: AppliedState) {
        let planned = Dictionary(uniqueKeysWithValues: plan.picks.map { ($0.key, $0.pick.name) })
        let set = ruleset.sets[.picks]
        for (key, chain) in applied.picks.sorted(by: { $0.key < $1.key }) where planned[key] != chain {
            transaction.deletePick(set, key: key, chain: chain)
            if let right = planned[key] { transaction.addPick(set, key: key, chain: right) }
        }
    }
}

extension NftElement {
    /// Some order, the same every time.
    static func isBefore(_ left: NftElement, _ right: NftElement) -> Bool {
        for index in 0..<8 where left.key[index] != right.key[index] { return left.key[index] < right.key[index] }
        return false
    }
}
