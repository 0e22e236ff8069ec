import Glibc
import Kernel
import KubeAPI
import Logging
import Synchronization

/// The service proxy of one node: watches services, their endpoints and the node's pods, and carries connections to
/// virtual addresses, node ports and host ports to endpoints, by rules of nf_tables or in userspace.
///
/// Rules outlive it: a restart reads them back and changes nothing that is right.
public final class ServiceProxy: Sendable {
    /// The pause between attempts after a failure.
    private static let retry = (first: Duration.milliseconds(100), limit: Duration.seconds(10))

    struct State {
        var services: ServiceMap
        var hostPorts: HostPorts
        /// All lists are in.
        var isReady = false
        /// The first changes, which are all, have been carried out.
        var hasStarted = false
        var isScheduled = false
        var failure: String?
        var failingSince: ContinuousClock.Instant?
        /// Somebody has changed our table.
        var mustVerify = false
        /// Another range of the node's pods, or other addresses of the node.
        var hasNewSite = false
        var podRanges: [CIDR] = []
        /// The node is being deleted.
        var nodeIsLeaving = false
        var drains = DrainWaiters()
        /// A transaction is under way.
        var isSyncing = false
        /// When the changes happened that are carried out next.
        var triggers: [Timestamp] = []
        var healthChecks: [UInt16: HealthCheck] = [:]
        var backoff = Backoff(first: ServiceProxy.retry.first, limit: ServiceProxy.retry.limit)
    }

    /// A failure that lasts longer is told to those who ask for our health.
    static let patience = Duration.seconds(60)
    /// Changes by others come in bursts (a whole ruleset that is replaced): they are looked at once.
    private static let settling = Duration.milliseconds(50)

    let config: ProxyConfig
    let client: (any APIClient)?
    let log: Logger
    let carrier: any ServiceCarrier
    /// Our tables, one for each family: the carrier itself, or what lets pods out in userspace mode; none where nf_tables
    /// can't be used.
    let rules: [NftablesProxy]
    let conntracks: [Conntrack]
    /// By which the kernel names our own changes of each table.
    private let rulesPorts: [UInt32]
    private let addresses: NodePortAddresses
    private let routes: [ServiceRoute]
    let loop: EpollLoop
    private let worker: WorkerThreads
    let state: Mutex<State>
    private let healthChecksChanged = Mutex<(@Sendable ([UInt16: HealthCheck]) -> Void)?>(nil)

    /// How services are carried: never `auto`.
    public let mode: ProxyConfig.Mode
    /// Why it is not by rules, where `auto` was asked for; nil otherwise.
    public let fallbackReason: String?
    /// Why pods have no way to the outside; nil where they have.
    public let egressProblem: String?
    /// Counts of what it did.
    public let metrics = ProxyMetrics()

    /// Works in the network namespace of the calling thread. Without a client it knows only the pods that it is told
    /// (`podsChanged`): for a kubelet that stands alone.
    public init(config: ProxyConfig, client: (any APIClient)?, log: Logger) throws {
        let layout = try config.check()
        self.config = config
        self.client = client
        self.log = log
        let sites = config.sites
        let problem =
            config.mode == .userspace ? nil : sites.lazy.compactMap { NftablesSupport.problem($0.family) }.first
        if config.mode == .nftables, let problem {
            throw ProxyConfigError(description: "cannot carry services by nftables: \(problem)")
        }
        mode = config.mode == .userspace || problem != nil ? .userspace : .nftables
        fallbackReason = problem
        let carriesByRules = mode == .nftables
        let rulesets = sites.map { site in
            var ruleset = Ruleset(
                table: config.table, clusterRange: site.clusterCIDR, serviceRange: site.serviceCIDR,
                nodeAddress: site.nodeIP, layout: layout)
            ruleset.masqueradesAll = config.masqueradesAll
            ruleset.carriesServices = carriesByRules
            return ruleset
        }
        addresses = try NodePortAddresses(
            primary: sites.map(\.nodeIP), ranges: config.nodePortAddresses, log: log)
        let current = addresses.current
        var made: [NftablesProxy] = []
        var ports: [UInt32] = []
        var conntracks: [Conntrack] = []
        if carriesByRules {
            for ruleset in rulesets {
                let kernel = try NftConnection(ruleset.family)
                let own = current.filter { $0.family == ruleset.family }
                let conntrack = try Conntrack(ruleset.family, nodeAddresses: own, log: log)
                made.append(
                    NftablesProxy(
                        kernel: kernel, conntrack: conntrack, ruleset: ruleset,
                        nodeAddresses: NftablesProxy.elements(own), log: log))
                ports.append(kernel.port)
                conntracks.append(conntrack)
            }
            carrier = made.count == 1 ? made[0] : DualCarrier(parts: made)
            egressProblem = nil
        } else {
            let forwarder = try Forwarder(config, log: log)
            forwarder.setNodePortAddresses(current)
            carrier = forwarder
            var problem: String?
            for ruleset in rulesets {
                do throws(KernelError) {
                    let kernel = try NftConnection(ruleset.family)
                    let proxy = NftablesProxy(
                        kernel: kernel, conntrack: nil, ruleset: ruleset, nodeAddresses: [], log: log)
                    try proxy.start([])
                    made.append(proxy)
                    ports.append(kernel.port)
                } catch {
                    problem = problem ?? "pods can't reach the outside: \(error)"
                }
            }
            egressProblem = problem
            // For drains alone: without it nobody is waited for.
            conntracks = sites.compactMap { try? Conntrack($0.family, nodeAddresses: [], log: log) }
        }
        (rules, rulesPorts, self.conntracks) = (made, ports, conntracks)
        loop = try EpollLoop(name: "swl-proxy-net")
        var routes: [ServiceRoute] = []
        for site in sites {
            let route = try ServiceRoute(site, tag: config.tag, isLocal: mode == .userspace, log: log)
            if let route { routes.append(route) }
        }
        self.routes = routes
        worker = try WorkerThreads(name: "swl-proxy", count: 1)
        state = Mutex(
            State(
                services: ServiceMap(
                    nodeName: config.nodeName, families: sites.map(\.family), masqueradesAll: config.masqueradesAll),
                hostPorts: HostPorts(families: sites.map(\.family))))
        if let conntrack = config.conntrack, let saved = config.savedSysctls {
            conntrack.apply(savingTo: SavedSysctls(path: saved), log: log)
        }
    }

    /// For logs and conditions: `nftables`, or `userspace (why)`.
    public var modeDescription: String { fallbackReason.map { "\(mode.rawValue) (\($0))" } ?? mode.rawValue }

    /// Everything that is known has been carried out.
    public var isHealthy: Bool { state.withLock { $0.hasStarted && $0.failure == nil } }

    /// What went wrong last, where it is not healthy.
    public var failure: String? { state.withLock { $0.failure } }

    /// Watches and carries until the task is cancelled. Rules stay behind; the forwarder ends.
    public func run() async {
        log.info("services are carried", metadata: ["mode": "\(modeDescription)", "table": "\(config.table)"])
        if let fallbackReason {
            log.warning(
                "nf_tables can't be used: services are carried in userspace", metadata: ["err": "\(fallbackReason)"])
        }
        if let egressProblem { log.error("pods have no way out", metadata: ["err": "\(egressProblem)"]) }
        reportFallback()
        warnOfPortRange()
        let monitors = watchNode()
        await withTaskGroup(of: Void.self) { group in
            for informer in informers() { group.addTask { await informer.run() } }
            // Without a client the task has nothing to do but to live.
            group.addTask { try? await Task.sleep(for: .seconds(1 << 32)) }  // ends when it is cancelled
        }
        for monitor in monitors { monitor.stop() }
        addresses.stop()
        for route in routes { route.stop() }
        loop.stop()
        carrier.stop()
        worker.stop()
    }

    /// Replaces what is known of the node's pods, for a node without an API server.
    public func podsChanged(_ pods: [JSON]) {
        state.withLock { $0.hostPorts.replace(pods) }
        if client == nil { becomeReady() }
        schedule()
    }

    /// Listens to what happens to routes, addresses and our table. Whatever can't be listened to is said, and done
    /// without.
    private func watchNode() -> [NftMonitor] {
        func attempt<Result>(_ what: String, _ body: () throws(KernelError) -> Result?) -> Result? {
            do throws(KernelError) {
                return try body()
            } catch {
                log.error("cannot watch \(what)", metadata: ["err": "\(error)"])
                return nil
            }
        }
        for route in routes {
            let _: Void? = attempt("routes") { () throws(KernelError) in
                try route.keep(on: loop) { [weak self] in self?.routesChanged() }
            }
        }
        let _: Void? = attempt("addresses") { () throws(KernelError) in
            try addresses.watch(on: loop) { [weak self] addresses in
                self?.carrier.setNodePortAddresses(addresses)
                self?.change { $0.hasNewSite = true }
            }
        }
        return zip(rules, rulesPorts).compactMap { table, port in
            attempt("nf_tables") { () throws(KernelError) in
                try NftMonitor(table: config.table, table.family, ignoring: port, on: loop) { [weak self] in
                    self?.tableChanged()
                }
            }
        }
    }

    /// On the loop's thread. The forwarder has routes beside that to the services' range.
    private func routesChanged() {
        guard mode == .userspace else { return }
        carrier.distrust()
        change { $0.hasNewSite = true }
    }

    /// On the loop's thread.
    private func tableChanged() {
        let isNew = state.withLock { state in
            defer { state.mustVerify = true }
            return !state.mustVerify
        }
        guard isNew else { return }
        log.info("somebody has changed our rules: they are looked over", metadata: ["table": "\(config.table)"])
        metrics.countRestoration()
        loop.after(Self.settling) { [weak self] in
            guard let self else { return }
            worker.post { [weak self] in self?.verify() }
        }
    }

    /// On the worker's thread, so that no change is under way.
    private func verify() {
        for table in rules { table.distrust() }
        state.withLock { $0.mustVerify = false }
        guard mode == .userspace else {
            if state.withLock({ $0.hasStarted && !$0.isScheduled }) { sync() }
            return
        }
        for table in rules {
            do throws(KernelError) { try table.apply([]) } catch {
                log.warning("pods can't reach the outside", metadata: ["err": "\(error)"])
            }
        }
    }

    /// Calls back with all ports at which load balancers ask for this node's endpoints, now and whenever that changes.
    public func onHealthChecks(_ body: @escaping @Sendable ([UInt16: HealthCheck]) -> Void) {
        healthChecksChanged.withLock { $0 = body }
        body(state.withLock { $0.healthChecks })
    }

    /// Where node ports are answered.
    public var nodePortAddresses: [IPAddress] { addresses.current }

    func standing(ofPod uid: String) -> LocalPods.Standing { state.withLock { $0.services.standing(ofPod: uid) } }

    /// Nil where all that is known of the pod has been carried out, and it takes no new connections.
    func addDrainWaiter(_ uid: String, _ continuation: CheckedContinuation<Void, Never>) -> UInt64? {
        state.withLock { state in
            let isQuiet = !state.services.hasChanges && !state.isSyncing && state.failure == nil
            if isQuiet, state.services.standing(ofPod: uid) != .serving { return nil }
            return state.drains.add(uid, continuation)
        }
    }
    func removeDrainWaiter(_ id: UInt64) -> CheckedContinuation<Void, Never>? {
        state.withLock { $0.drains.remove(id) }
    }

    // MARK: carrying out

    func change(_ body: (inout State) -> Void) {
        state.withLock { body(&$0) }
        schedule()
    }

    func becomeReady() {
        state.withLock { $0.isReady = true }
        schedule()
    }

    func schedule() {
        let isNew = state.withLock { state in
            guard state.isReady, !state.isScheduled else { return false }
            guard
                !state.hasStarted || state.hasNewSite || state.services.hasChanges || state.hostPorts.hasChanges
            else { return false }
            state.isScheduled = true
            return true
        }
        guard isNew else { return }
        metrics.countQueued()
        worker.post { [weak self] in self?.sync() }
    }

    /// On the worker's thread. What comes while it works waits for the next turn: a burst becomes few transactions.
    private func sync() {
        let (changes, hasStarted, newChecks) = state.withLock { state in
            state.isScheduled = false
            state.hasNewSite = false
            state.isSyncing = true
            if state.drains.count > 0 {
                let services = state.services
                state.drains.cover { services.standing(ofPod: $0) }
            }
            let checks = state.services.healthChecks
            let newChecks = checks == state.healthChecks ? nil : checks
            state.healthChecks = checks
            return (state.services.takeChanges() + state.hostPorts.takeChanges(), state.hasStarted, newChecks)
        }
        if let newChecks { healthChecksChanged.withLock { $0 }?(newChecks) }
        let clock = ContinuousClock()
        let started = clock.now
        var failure: KernelError?
        do throws(KernelError) {
            if hasStarted { try carrier.apply(changes) } else { try carrier.start(changes) }
        } catch {
            failure = error
        }
        let duration = clock.now - started
        metrics.count(duration, isFailure: failure != nil)
        release(isDone: failure == nil)
        for problem in carrier.takeProblems() {
            log.warning("a service is not carried as wanted", metadata: ["err": "\(problem)"])
        }
        log.debug(
            "services programmed",
            metadata: ["changes": "\(changes.count)", "dur_ms": "\(duration / .milliseconds(1))"])
        settle(failure)
    }

    /// Those who wait for what has just been carried out, and what it took from the change to here.
    private func release(isDone: Bool) {
        let (waiters, triggers) = state.withLock { state in
            defer { if isDone { state.triggers = [] } }
            state.isSyncing = false
            return (state.drains.settle(isDone: isDone), isDone ? state.triggers : [])
        }
        for waiter in waiters { waiter.resume() }
        let now = Timestamp.now()
        for trigger in triggers { metrics.observeProgramming(now - trigger) }
    }

    private func settle(_ failure: KernelError?) {
        let (isNew, isOver, pause) = state.withLock { state -> (Bool, Bool, Duration) in
            // The carrier has taken the changes in: it makes up for a failure by itself the next time.
            state.hasStarted = true
            let before = state.failure
            state.failure = failure.map { "\($0)" }
            state.failingSince = failure == nil ? nil : state.failingSince ?? .now
            guard failure != nil || carrier.wantsRetry else {
                state.backoff.reset()
                return (false, before != nil, .zero)
            }
            if failure != nil { state.isScheduled = true }
            return (failure != nil && before != state.failure, failure == nil && before != nil, state.backoff.next())
        }
        if isOver { log.info("services are carried again") }
        if isNew, let failure { log.warning("services can't be programmed", metadata: ["err": "\(failure)"]) }
        guard pause > .zero else { return }
        loop.after(pause) { [weak self] in
            guard let self else { return }
            worker.post { [weak self] in self?.sync() }
        }
    }

    /// The node's own connections use ports of that range, too: one in use can't be a node port in userspace mode, and
    /// is shadowed by one in nftables mode.
    private func warnOfPortRange() {
        // A kernel without the setting has nothing to overlap.
        guard let text = try? Sysctl.read("net/ipv4/ip_local_port_range") else { return }
        let ends = text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        guard ends.count == 2, ends[0] <= ends[1], config.nodePorts.overlaps(ends[0]...ends[1]) else { return }
        log.warning(
            "node ports overlap with ports that the node itself connects from",
            metadata: ["nodePorts": "\(config.nodePorts)", "local": "\(ends[0])-\(ends[1])"])
    }
}
