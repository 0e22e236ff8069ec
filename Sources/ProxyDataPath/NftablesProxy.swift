import Kernel
import KubeAPI
import Logging
import Synchronization

/// Carries services by rules: keeps the plan, and brings the kernel to it in as few elements as can be.
final class NftablesProxy: ServiceCarrier {
    private struct State {
        var plan: RulesetPlan
        var ruleset: Ruleset
        /// What the kernel has is not known for sure: it is read back before the next change.
        var isUncertain = true
        /// The plan knows what was there when we came.
        var hasInherited = false
        var nodeAddresses: [NftElement]
        /// What `nodeAddresses` shall become.
        var wantedNodeAddresses: [NftElement]
        var problems: [ServicePortName: String] = [:]
        var newProblems: [String] = []
    }

    /// Of all addresses of its table.
    let family: IPAddress.Family
    private let kernel: any NftKernel
    private let conntrack: Conntrack?
    private let log: Logger
    private let chunkLimit: Int
    private let state: Mutex<State>

    init(
        kernel: any NftKernel, conntrack: Conntrack?, ruleset: Ruleset, nodeAddresses: [NftElement], log: Logger,
        chunkLimit: Int = RulesetDiff.chunkLimit
    ) {
        family = ruleset.family
        self.kernel = kernel
        self.conntrack = conntrack
        self.log = log
        self.chunkLimit = chunkLimit
        state = Mutex(
            State(
                plan: RulesetPlan(layout: ruleset.layout, family: ruleset.family), ruleset: ruleset,
                nodeAddresses: nodeAddresses,
                wantedNodeAddresses: nodeAddresses))
    }

    func start(_ changes: [ServiceChange]) throws(KernelError) {
        try run { (state: inout State) throws(KernelError) in
            try self.reconcile(&state, changes)
        }
    }

    func apply(_ changes: [ServiceChange]) throws(KernelError) {
        try run { (state: inout State) throws(KernelError) in
            if state.isUncertain { return try self.reconcile(&state, changes) }
            for change in changes { state.plan.apply(change) }
            let isTooSmall = NftSet.Kind.allCases.contains { kind in
                !state.ruleset.sets[kind].hasRoom(for: state.plan.count(kind))
            }
            if isTooSmall { return try self.reconcile(&state, []) }
            guard state.plan.hasChanges || state.wantedNodeAddresses != state.nodeAddresses else { return }
            let diff = state.plan.takeDiff()
            state.isUncertain = true
            if let transaction = Self.moveNodeAddresses(&state) { try self.kernel.apply(transaction) }
            for transaction in diff.transactions(state.ruleset, chunkLimit: self.chunkLimit) {
                try self.kernel.apply(transaction)
            }
            state.isUncertain = false
            self.endStaleFlows(diff, state)
        }
    }

    func takeProblems() -> [String] {
        state.withLock { state in
            defer { state.newProblems = [] }
            return state.newProblems
        }
    }

    var wantsRetry: Bool { false }

    func setNodePortAddresses(_ addresses: [IPAddress]) {
        let known = addresses.filter { $0.family == family }
        conntrack?.setNodeAddresses(known)
        let elements = Self.elements(known)
        state.withLock { state in
            state.wantedNodeAddresses = elements
            if state.isUncertain { state.nodeAddresses = elements }
        }
    }

    /// Addresses of the node as elements of their set.
    static func elements(_ addresses: [IPAddress]) -> [NftElement] {
        addresses.sorted().map { NftElement(NftWords($0)) }
    }

    private static func moveNodeAddresses(_ state: inout State) -> NftTransaction? {
        let (old, new) = (state.nodeAddresses, state.wantedNodeAddresses)
        guard old != new, state.ruleset.carriesServices else { return nil }
        state.nodeAddresses = new
        var transaction = NftTransaction(state.ruleset)
        let set = state.ruleset.sets[.nodeAddresses]
        transaction.add(.deleteElements(set, old.filter { !new.contains($0) }))
        transaction.add(.addElements(set, new.filter { !old.contains($0) }))
        return transaction
    }

    func distrust() { state.withLock { $0.isUncertain = true } }

    /// The node's pods have another range: rules that name it change with the next call.
    func setPodRange(_ range: CIDR?) {
        state.withLock { state in
            guard state.ruleset.podRange != range else { return }
            state.ruleset.podRange = range
            state.isUncertain = true
        }
    }

    func programmed(_ service: String?) -> [ProgrammedService] {
        state.withLock { state in
            state.plan.ports.filter { service == nil || $0.key.service == service }.map { name, port in
                ProgrammedService(
                    name: name, fronts: port.fronts, backends: port.all.slots,
                    localBackends: port.local?.slots ?? [], localAddresses: port.localAddresses,
                    affinitySeconds: port.affinitySeconds,
                    ids: port.pools.map(\.id))
            }
        }
    }

    var layout: MarkLayout { state.withLock { $0.ruleset.layout } }

    /// Elements that each set holds, for metrics.
    var elementCounts: [(set: String, count: Int)] {
        state.withLock { state in
            guard state.ruleset.carriesServices else { return [] }
            return NftSet.Kind.allCases.filter { !$0.isDynamic }.map { kind in
                let count =
                    kind == .nodeAddresses ? state.nodeAddresses.count : state.plan.count(kind)
                return (kind.name, count)
            }
        }
    }

    /// Rules in all chains, for metrics.
    var ruleCount: Int {
        state.withLock { state in
            let picks = state.plan.picks.lazy.map(\.pick).filter { !$0.isPermanent }
            return state.ruleset.chains.reduce(0) { $0 + $1.rules.count }
                + picks.reduce(0) { $0 + state.ruleset.chain($1).rules.count }
        }
    }

    /// The rules stay: they outlive the daemon.
    func stop() {}

    private func run(_ body: (inout State) throws(KernelError) -> Void) throws(KernelError) {
        let failure: KernelError? = state.withLock { state in
            var failure: KernelError?
            do throws(KernelError) { try body(&state) } catch { failure = error }
            for (name, problem) in state.plan.problems where state.problems[name] != problem {
                state.newProblems.append("\(name): \(problem)")
            }
            state.problems = state.plan.problems
            return failure
        }
        if let failure { throw failure }
    }

    /// Reads the table back and makes what differs from the plan. The first time the plan takes over the ids and slots
    /// that are there; later the table has to follow the plan, whatever somebody has made of it: connections carry them.
    private func reconcile(_ state: inout State, _ changes: [ServiceChange]) throws(KernelError) {
        state.isUncertain = true
        let applied: AppliedState?
        do throws(KernelError) {
            applied = try kernel.dump(table: state.ruleset.table)
        } catch {
            // The wishes are kept for the next attempt.
            for change in changes { state.plan.apply(change) }
            throw error
        }
        let old = state.plan
        var plan = old
        if state.hasInherited {
            for change in changes { plan.apply(change) }
            // The whole table is looked at: what has changed since the last time is of no use.
            _ = plan.takeDiff()
        } else {
            let known = old.desired
            plan = RulesetPlan(
                layout: state.ruleset.layout, family: family, inheriting: applied,
                services: known.count + changes.count)
            for change in known { plan.apply(change) }
            for change in changes { plan.apply(change) }
            plan.endInheritance()
            state.hasInherited = true
        }
        state.nodeAddresses = state.wantedNodeAddresses
        let reconciliation = Reconciliation(
            plan, state.ruleset, nodeAddresses: state.nodeAddresses, applied: applied)
        state.plan = plan
        for kind in NftSet.Kind.allCases where state.ruleset.sets[kind] != reconciliation.ruleset.sets[kind] {
            let set = reconciliation.ruleset.sets[kind]
            log.info("set has another size", metadata: ["set": "\(set.name)", "size": "\(set.size)"])
        }
        state.ruleset = reconciliation.ruleset
        let transactions =
            applied != nil && reconciliation.applied == nil
            ? [reconciliation.replacement()] : reconciliation.transactions(chunkLimit: chunkLimit)
        for transaction in transactions { try kernel.apply(transaction) }
        state.isUncertain = false
        // Of a table that was there: what no plan of ours knows any more is found among conntrack's entries.
        conntrack?.endFlows(
            gone: goneBackends(from: old, applied, to: plan),
            newFronts: applied == nil ? plan.ports.values.flatMap { $0.fronts.map(\.key) } : [],
            layout: state.ruleset.layout)
    }

    private func endStaleFlows(_ diff: RulesetDiff, _ state: State) {
        conntrack?.endFlows(
            gone: diff.gone.filter { $0.port.proto == .udp }.map { Conntrack.Gone(id: $0.id, backend: $0.backend) },
            newFronts: diff.newFronts.filter { $0.proto == .udp }, layout: state.ruleset.layout)
    }

    /// UDP backends that the table had and the plan has not.
    private func goneBackends(from old: RulesetPlan, _ applied: AppliedState?, to plan: RulesetPlan) -> [Conntrack.Gone]
    {
        var gone: Set<Conntrack.Gone> = []
        if let applied {
            let inherited = InheritedState(applied, plan.layout, family)
            for (id, backends) in inherited.udpBackends {
                for backend in backends { gone.insert(.init(id: id, backend: backend)) }
            }
        }
        for (name, port) in old.ports where name.proto == .udp {
            for pool in port.pools {
                for backend in pool.slots { gone.insert(.init(id: pool.id, backend: backend)) }
            }
        }
        for (name, port) in plan.ports where name.proto == .udp {
            for pool in port.pools {
                for backend in pool.slots { gone.remove(.init(id: pool.id, backend: backend)) }
            }
        }
        return Array(gone)
    }
}
