import KubeAPI

/// Which ids, slots, chains and elements the services need. Pure: it is told what is wanted, keeps what it has given
/// out, and says by `takeDiff` what must change.
struct RulesetPlan {
    let layout: MarkLayout
    /// Of all addresses.
    let family: IPAddress.Family
    /// What the plan could not do as wanted, by service port: limits that were reached, addresses that two claim.
    private(set) var problems: [ServicePortName: String] = [:]

    private(set) var ports: [ServicePortName: ProgrammedPort] = [:]
    private var wanted: [ServicePortName: ServicePortState] = [:]
    private var namesOfService: [String: [ServicePortName]] = [:]
    /// Who has a front: of those who want it, the one whose name comes first.
    private var owners: [Front.Key: ServicePortName] = [:]
    /// All who want a front that more than one wants.
    private var contested: [Front.Key: Set<ServicePortName>] = [:]
    private var ids = IDPool()
    /// The values by which pick chains are reached; classes of sticky ones get theirs when first used.
    private(set) var pickKeys: [PickChain: UInt32] = [:]
    private var pickUses: [PickChain: Int] = [:]
    private var hairpinUses: [IPAddress: Int] = [:]
    /// Elements of each kind that the plan holds.
    private var counts = [Int](repeating: 0, count: NftSet.Kind.allCases.count)

    private var changes = RulesetChanges()
    /// What an earlier run left in the kernel, to be taken over as far as it fits.
    private var inherited: InheritedState?

    /// Everything that a plan from nothing needs is new: who makes one asks for no diff of it.
    private var isTracking = true

    init(layout: MarkLayout, family: IPAddress.Family = .ipv4) {
        self.layout = layout
        self.family = family
    }

    /// A plan of all services at once, to be ended by `endInheritance`.
    init(
        layout: MarkLayout, family: IPAddress.Family = .ipv4, inheriting state: AppliedState?, services: Int
    ) {
        self.layout = layout
        self.family = family
        isTracking = false
        // Growing tables of tens of thousands would take as long as all the rest.
        ports.reserveCapacity(services)
        wanted.reserveCapacity(services)
        namesOfService.reserveCapacity(services)
        owners.reserveCapacity(services)
        if let state {
            let inherited = InheritedState(state, layout, family)
            ids = IDPool(reserved: inherited.ids)
            self.inherited = inherited
        }
    }

    /// Everybody who could take over something has: the rest is free.
    mutating func endInheritance() {
        inherited = nil
        isTracking = true
        ids.endReservation()
    }

    /// All that is wanted, for planning again from what the kernel has.
    var desired: [ServiceChange] {
        namesOfService.keys.sorted().map { service in
            ServiceChange(service: service, ports: (namesOfService[service] ?? []).compactMap { wanted[$0] })
        }
    }

    // MARK: wishes

    mutating func apply(_ change: ServiceChange) {
        let names = change.ports.map(\.name)
        for name in namesOfService[change.service] ?? [] where !names.contains(name) { remove(name) }
        for state in change.ports { set(state) }
        namesOfService[change.service] = names.isEmpty ? nil : names
    }

    private mutating func set(_ state: ServicePortState) {
        let name = state.name
        if wanted[name] == state { return }
        let old = wanted.updateValue(state, forKey: name)?.fronts ?? []
        // A handful: comparing each with each is cheaper than sets.
        for front in old where !state.fronts.contains(where: { $0.key == front.key }) { release(front.key, by: name) }
        for front in state.fronts where !old.contains(where: { $0.key == front.key }) { claim(front.key, by: name) }
        program(name)
    }

    private mutating func remove(_ name: ServicePortName) {
        guard let old = wanted.removeValue(forKey: name) else { return }
        for front in old.fronts { release(front.key, by: name) }
        problems[name] = nil
        guard let port = ports.removeValue(forKey: name) else { return }
        if isTracking { changes.touch(name, before: port) }
        count(port, by: -1)
        for pool in port.pools { ids.free(pool.id) }
    }

    // MARK: fronts

    private mutating func claim(_ key: Front.Key, by name: ServicePortName) {
        guard let owner = owners[key] else {
            owners[key] = name
            return
        }
        contested[key, default: [owner]].insert(name)
        if name < owner {
            owners[key] = name
            program(owner)
        }
    }

    private mutating func release(_ key: Front.Key, by name: ServicePortName) {
        if contested[key]?.remove(name) != nil, contested[key]?.count == 1 || contested[key]?.isEmpty == true {
            let last = contested.removeValue(forKey: key)?.first
            if owners[key] == name { owners[key] = last }
        } else if owners[key] == name {
            owners[key] = contested[key]?.min()
        } else {
            return
        }
        if let heir = owners[key], heir != name { program(heir) }
    }

    // MARK: programming

    private mutating func program(_ name: ServicePortName) {
        guard let state = wanted[name] else { return }
        let old = ports[name]
        var port: ProgrammedPort
        var before = (all: PoolBefore(old?.all), local: PoolBefore(old?.local))
        if let old {
            port = old
        } else {
            let found = inherited?.take(state)
            before = (PoolBefore(found?.all), PoolBefore(found?.local))
            guard let id = takeID(before.all) else {
                problems[name] = "more than \(layout.idLimit) service ports: it is not served"
                return
            }
            port = ProgrammedPort(id: id)
        }
        var problem: String?
        port.fronts = state.fronts.filter { owners[$0.key] == name && $0.canBeTranslated(family) }
        if port.fronts.count < state.fronts.count,
            let lost = state.fronts.first(where: { owners[$0.key] != name }), let owner = owners[lost.key]
        {
            problem = "\(lost.key) belongs to \(owner)"
        }
        // Nobody else reaches a service without fronts: slots would be dead weight.
        let isReached = !port.fronts.isEmpty
        var (needsAll, needsLocal) = (false, false)
        for front in port.fronts {
            front.forEachWay { if $0.isLocal { needsLocal = true } else { needsAll = true } }
        }
        let backends = needsAll ? limited(state.backends, &problem) : []
        let localBackends = needsLocal ? limited(state.localBackends, &problem) : []
        port.localAddresses = isReached ? state.localAddresses.filter { $0.family == family } : []
        port.hasEndpoints = isReached && state.hasEndpoints
        port.affinitySeconds = state.affinitySeconds
        fill(&port.all, backends, before.all, isSticky: state.affinitySeconds != nil)
        if needsLocal {
            if port.local == nil, let id = takeID(before.local) { port.local = BackendPool(id: id) }
            if port.local == nil { problem = "more than \(layout.idLimit) service ports: no local endpoint serves" }
        } else if let local = port.local {
            ids.free(local.id)
            port.local = nil
        }
        if var local = port.local {
            fill(&local, localBackends, before.local, isSticky: state.affinitySeconds != nil)
            port.local = local
        }
        if port.affinitySeconds != nil, !port.picks.allSatisfy({ key(of: $0) != nil }) {
            problem = "more than \(layout.countLimit) kinds of affinity: it has none"
            port.affinitySeconds = nil
            port.all.numbers = []
            port.local?.numbers = []
        }
        if problem != nil || !problems.isEmpty { problems[name] = problem }
        guard port != old else { return }
        if isTracking { changes.touch(name, before: old) }
        if let old { count(old, by: -1) }
        ports[name] = port
        count(port, by: 1)
    }

    /// What there was of a pool: in the plan, or in the kernel.
    private struct PoolBefore {
        let id: UInt32?
        let slots: [Backend?]
        let numbers: [Int]

        init(_ pool: BackendPool?) { (id, slots, numbers) = (pool?.id, pool?.slots ?? [], pool?.numbers ?? []) }
        init(_ found: InheritedState.Found?) {
            (id, slots, numbers) = (found?.id, found?.slots ?? [], found?.numbers ?? [])
        }
    }

    private mutating func takeID(_ before: PoolBefore) -> UInt32? {
        guard let id = before.id else { return ids.next(limit: layout.idLimit) }
        ids.take(id)
        return id
    }

    private func limited(_ backends: [Backend], _ problem: inout String?) -> [Backend] {
        var backends = backends
        if !backends.allSatisfy({ $0.address.family == family }) {
            backends.removeAll { $0.address.family != family }
        }
        if backends.count > layout.countLimit {
            problem = "\(backends.count) endpoints: the first \(layout.countLimit) serve"
            backends.removeLast(backends.count - layout.countLimit)
        }
        return backends
    }

    private func fill(_ pool: inout BackendPool, _ backends: [Backend], _ before: PoolBefore, isSticky: Bool) {
        pool.slots = SlotAssignment.assign(before.slots, backends)
        pool.numbers = isSticky ? numbers(for: pool.slots, before.slots, before.numbers) : []
    }

    private func numbers(for slots: [Backend], _ oldSlots: [Backend?], _ oldNumbers: [Int]) -> [Int] {
        var known: [Backend: Int] = [:]
        for (slot, number) in zip(oldSlots, oldNumbers) where number > 0 { if let slot { known[slot] = number } }
        var numbers = slots.map { known[$0] ?? 0 }
        // Those of backends that have just gone count as taken: their clients must not all come to a new one.
        var taken = numbers.filter { $0 > 0 } + oldNumbers
        for index in numbers.indices where numbers[index] == 0 {
            let free =
                BackendPool.freeNumber(in: taken, limit: layout.countLimit)
                ?? BackendPool.freeNumber(in: numbers, limit: layout.countLimit) ?? 0
            numbers[index] = free
            taken.append(free)
        }
        return numbers
    }

    /// The value that leads to a chain. The first use of a sticky one gives it a class.
    private mutating func key(of pick: PickChain) -> UInt32? {
        if let key = pickKeys[pick] { return key }
        switch pick {
        case .refuse: return 0
        case .nowhere: return layout.nowhere
        case .random(let count): return layout.number(count)
        case .sticky:
            if let key = inherited?.pickKeys[pick], !pickKeys.values.contains(key) {
                pickKeys[pick] = key
                return key
            }
            let taken = Set(pickKeys.values).union(inherited?.pickKeys.values.map { $0 } ?? [])
            for number in 0..<layout.countLimit {
                let free = layout.stickyFlag | layout.number(number)
                if taken.contains(free) { continue }
                pickKeys[pick] = free
                return free
            }
            return nil
        }
    }

    /// The mark with which a connection sets out on a way.
    func mark(of way: Front.Way, _ port: ProgrammedPort) -> UInt32 {
        let pick = port.pick(for: way)
        let key = pick == .nowhere ? layout.nowhere : pickKeys[pick] ?? 0
        let id = way.isLocal ? port.local?.id ?? 0 : port.all.id
        return layout.id(id) | key | (way.masquerades ? layout.masqueradeFlag : 0)
    }

    /// Counts what a port uses together with others, and its own elements.
    private mutating func count(_ port: ProgrammedPort, by step: Int) {
        for pick in port.picks where !pick.isPermanent {
            let before = pickUses[pick] ?? 0
            let after = before + step
            pickUses[pick] = after == 0 ? nil : after
            if before == 0, step > 0 {
                if isTracking { changes.touch(pick, wasUsed: false) }
                pickKeys[pick] = key(of: pick)
                counts[NftSet.Kind.picks.rawValue] += 1
            } else if after == 0 {
                if isTracking { changes.touch(pick, wasUsed: true) }
                counts[NftSet.Kind.picks.rawValue] -= 1
            }
        }
        for address in port.localAddresses {
            let before = hairpinUses[address] ?? 0
            let after = before + step
            hairpinUses[address] = after == 0 ? nil : after
            if before == 0 || after == 0 {
                if isTracking { changes.touch(address, wasUsed: before > 0) }
                counts[NftSet.Kind.hairpin.rawValue] += step
            }
        }
        for front in port.fronts {
            front.forEachWay { counts[$0.map.rawValue] += step }
        }
        port.forEachGuard(layout) { kind, _ in counts[kind.rawValue] += step }
        let slots = port.all.slots.count + (port.local?.slots.count ?? 0)
        if port.affinitySeconds == nil {
            counts[NftSet.Kind.backends.rawValue] += step * slots
        } else {
            counts[NftSet.Kind.stickySlots.rawValue] += step * slots
            counts[NftSet.Kind.stickyBackends.rawValue] += step * slots
        }
    }

    // MARK: result

    var hasChanges: Bool { !changes.isEmpty }

    /// Elements of a kind that the plan holds.
    func count(_ kind: NftSet.Kind) -> Int {
        counts[kind.rawValue] + (kind == .picks ? PickChain.permanent.count : 0)
    }

    /// What has changed since the last call.
    mutating func takeDiff() -> RulesetDiff {
        var diff = RulesetDiff()
        for (pick, wasUsed) in changes.picks {
            let isUsed = pickUses[pick] != nil
            guard isUsed != wasUsed, let key = pickKeys[pick] else { continue }
            if isUsed { diff.addedPicks.append((key, pick)) } else { diff.removedPicks.append((key, pick)) }
        }
        for (address, wasUsed) in changes.hairpins {
            let isUsed = hairpinUses[address] != nil
            guard isUsed != wasUsed else { continue }
            let element = Self.hairpin(address)
            if isUsed { diff.addedHairpins.append(element) } else { diff.removedHairpins.append(element) }
        }
        for name in changes.order {
            guard let before = changes.ports[name] else { continue }
            diff.add(name, before, ports[name], self)
        }
        diff.sort()
        // The class of a sticky chain that nobody uses is free again. (Now: the diff above has named it.)
        for pick in changes.picks.keys where pickUses[pick] == nil { pickKeys[pick] = nil }
        changes = RulesetChanges()
        return diff
    }

    static func hairpin(_ address: IPAddress) -> NftElement {
        var pair = NftWords(address)
        pair.put(address, at: address.family.wordCount)
        return NftElement(pair)
    }

    /// All pick chains in use, with their values.
    var picks: [(key: UInt32, pick: PickChain)] {
        [(0, .refuse), (layout.nowhere, .nowhere)]
            + pickUses.keys.compactMap { pick in pickKeys[pick].map { ($0, pick) } }.sorted { $0.0 < $1.0 }
    }
    var hairpins: [NftElement] { hairpinUses.keys.sorted().map(Self.hairpin) }
}

extension Front {
    /// What comes from a loopback address can't leave the machine, whatever its destination becomes.
    func canBeTranslated(_ family: IPAddress.Family) -> Bool {
        if case .address(let address, _) = place { address.family == family && !address.isLoopback } else { true }
    }

    /// The key in maps of fronts.
    var words: NftWords {
        switch place {
        case .address(let address, let port):
            NftWords(address, NftWords.word(proto), NftWords.word(port: port))
        case .nodePort(let port), .hostPort(let port): NftWords(NftWords.word(proto), NftWords.word(port: port))
        }
    }
}

/// What was touched since the last diff, with what it was before.
struct RulesetChanges {
    private(set) var ports: [ServicePortName: ProgrammedPort?] = [:]
    private(set) var order: [ServicePortName] = []
    private(set) var picks: [PickChain: Bool] = [:]
    private(set) var hairpins: [IPAddress: Bool] = [:]

    var isEmpty: Bool { ports.isEmpty }

    mutating func touch(_ name: ServicePortName, before: ProgrammedPort?) {
        guard ports[name] == nil else { return }
        ports[name] = .some(before)
        order.append(name)
    }
    mutating func touch(_ pick: PickChain, wasUsed: Bool) { if picks[pick] == nil { picks[pick] = wasUsed } }
    mutating func touch(_ address: IPAddress, wasUsed: Bool) {
        if hairpins[address] == nil { hairpins[address] = wasUsed }
    }
}

/// Ids of service ports. They go round, so that a freed one comes again late: a packet that still carries it must not
/// find another service's backends.
struct IDPool {
    private var taken: Set<UInt32> = []
    private var reserved: Set<UInt32>
    private var last: UInt32

    init(reserved: Set<UInt32> = []) {
        self.reserved = reserved
        last = reserved.max() ?? 0
    }

    /// Nil where all are taken.
    mutating func next(limit: UInt32) -> UInt32? {
        guard taken.count + reserved.count < Int(limit) else { return nil }
        repeat { last = last >= limit ? 1 : last + 1 } while taken.contains(last) || reserved.contains(last)
        taken.insert(last)
        return last
    }
    mutating func take(_ id: UInt32) {
        reserved.remove(id)
        taken.insert(id)
    }
    mutating func free(_ id: UInt32) { taken.remove(id) }
    mutating func endReservation() { reserved = [] }
}
