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

    private struct State {
        var services: ServiceMap
        var hostPorts = HostPorts()
        /// All lists are in.
        var isReady = false
        /// The first changes, which are all, have been carried out.
        var hasStarted = false
        var isScheduled = false
        var failure: String?
        var backoff = Backoff(first: ServiceProxy.retry.first, limit: ServiceProxy.retry.limit)
    }

    private let config: ProxyConfig
    private let client: (any APIClient)?
    private let log: Logger
    private let carrier: any ServiceCarrier
    private let route: ServiceRoute?
    private let loop: EpollLoop
    private let worker: WorkerThreads
    private let state: Mutex<State>

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
        let problem = config.mode == .userspace ? nil : NftablesSupport.problem()
        if config.mode == .nftables, let problem {
            throw ProxyConfigError(description: "cannot carry services by nftables: \(problem)")
        }
        mode = config.mode == .userspace || problem != nil ? .userspace : .nftables
        fallbackReason = problem
        var ruleset = Ruleset(
            table: config.table, clusterRange: config.clusterCIDR, serviceRange: config.serviceCIDR, layout: layout)
        if mode == .nftables {
            let kernel = try NftConnection()
            let nodeAddresses = [config.nodeIP].compactMap(\.ipv4)
            carrier = NftablesProxy(
                kernel: kernel, conntrack: try Conntrack(nodeAddresses: nodeAddresses, log: log), ruleset: ruleset,
                nodeAddresses: nodeAddresses.map { NftElement(NftWords($0.bigEndian)) }, log: log)
            egressProblem = nil
        } else {
            carrier = try Forwarder(nodeAddress: config.nodeIP, log: log)
            ruleset.carriesServices = false
            egressProblem = Self.programEgress(ruleset, log)
        }
        loop = try EpollLoop(name: "swl-proxy-net")
        route = try ServiceRoute(config, isLocal: mode == .userspace, log: log)
        worker = try WorkerThreads(name: "swl-proxy", count: 1)
        state = Mutex(State(services: ServiceMap(nodeName: config.nodeName)))
    }

    /// In userspace mode rules do one thing: pods leave the cluster with the node's address.
    private static func programEgress(_ ruleset: Ruleset, _ log: Logger) -> String? {
        do throws(KernelError) {
            let proxy = NftablesProxy(
                kernel: try NftConnection(), conntrack: nil, ruleset: ruleset, nodeAddresses: [], log: log)
            try proxy.start([])
            return nil
        } catch {
            return "pods can't reach the outside: \(error)"
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
        warnOfPortRange()
        do {
            try route?.keep(on: loop)
        } catch {
            log.error("cannot watch routes", metadata: ["err": "\(error)"])
        }
        await withTaskGroup(of: Void.self) { group in
            for informer in informers() { group.addTask { await informer.run() } }
            // Without a client the task has nothing to do but to live.
            group.addTask { try? await Task.sleep(for: .seconds(1 << 32)) }  // ends when it is cancelled
        }
        route?.stop()
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

    // MARK: watching

    private func informers() -> [Informer] {
        guard let client else { return [] }
        let services = Informer(client, .services, log: log)
        let slices = Informer(client, .endpointSlices, log: log)
        let pods = Informer(client, .pods, fieldSelector: "spec.nodeName=\(config.nodeName)", log: log)
        services.onEvent { [weak self] event in
            self?.change { state in
                if case .deleted(let object) = event {
                    state.services.remove(service: object.objectKey)
                } else {
                    state.services.set(service: event.object)
                }
            }
        }
        slices.onEvent { [weak self] event in
            self?.change { state in
                if case .deleted(let object) = event {
                    state.services.remove(slice: object.objectKey)
                } else {
                    state.services.set(slice: event.object)
                }
            }
        }
        pods.onEvent { [weak self] event in
            self?.change { state in
                if case .deleted(let object) = event {
                    state.hostPorts.remove(pod: object.objectKey)
                } else {
                    state.hostPorts.set(pod: event.object)
                }
            }
        }
        let all = [services, slices, pods]
        Task { [weak self] in
            // A service whose slices are not in yet would lose its endpoints for a moment.
            for informer in all { await informer.waitForSync() }
            self?.becomeReady()
        }
        return all
    }

    private func change(_ body: (inout State) -> Void) {
        state.withLock { body(&$0) }
        schedule()
    }

    private func becomeReady() {
        state.withLock { $0.isReady = true }
        schedule()
    }

    // MARK: carrying out

    private func schedule() {
        let isNew = state.withLock { state in
            guard state.isReady, !state.isScheduled else { return false }
            guard !state.hasStarted || state.services.hasChanges || state.hostPorts.hasChanges else { return false }
            state.isScheduled = true
            return true
        }
        if isNew { worker.post { [weak self] in self?.sync() } }
    }

    /// On the worker's thread. What comes while it works waits for the next turn: a burst becomes few transactions.
    private func sync() {
        let (changes, hasStarted) = state.withLock { state in
            state.isScheduled = false
            return (state.services.takeChanges() + state.hostPorts.takeChanges(), state.hasStarted)
        }
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
        for problem in carrier.takeProblems() {
            log.warning("a service is not carried as wanted", metadata: ["err": "\(problem)"])
        }
        log.debug(
            "services programmed",
            metadata: ["changes": "\(changes.count)", "dur_ms": "\(duration / .milliseconds(1))"])
        settle(failure)
    }

    private func settle(_ failure: KernelError?) {
        let (isNew, isOver, pause) = state.withLock { state -> (Bool, Bool, Duration) in
            // The carrier has taken the changes in: it makes up for a failure by itself the next time.
            state.hasStarted = true
            let before = state.failure
            state.failure = failure.map { "\($0)" }
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

    // MARK: before and after

    /// Why nf_tables can't be used here, with the kernel's words; nil where it can. For `swiftlet check`.
    public static func nftablesProblem() -> String? { NftablesSupport.problem() }

    /// Removes what proxies of that tag have left in the kernel: the table `swiftlet-<tag>` and the routes to services.
    public static func reset(tag: String) throws(KernelError) {
        try ServiceRoute.removeAll(tag: tag)
        let connection: NftConnection
        do throws(KernelError) {
            connection = try NftConnection()
            guard try connection.tables().contains(ProxyConfig.table(tag: tag)) else { return }
        } catch {
            // A kernel without nf_tables has no table.
            guard ![EPROTONOSUPPORT, EOPNOTSUPP, EINVAL].contains(error.code) else { return }
            throw error
        }
        var transaction = NftTransaction(table: ProxyConfig.table(tag: tag))
        transaction.add(.deleteTable)
        try connection.apply(transaction)
    }
}
