import KubeAPI
import Logging
import Synchronization

/// Sees to it that of several schedulers, or controller managers, one works: whoever holds the lease of that name in
/// `kube-system`, as Kubernetes' own components settle it (client-go, tools/leaderelection).
///
/// Whoever can't renew its lease in time stops working before others may begin, and stands again. Kubernetes' components
/// end their process there; ours go on, since nobody may be there to start them again.
public final class LeaderElector: Sendable {
    /// Kubernetes' defaults.
    public struct Timing: Sendable {
        /// For so long others leave an unrenewed lease alone.
        public var lease = Duration.seconds(15)
        /// The holder gives up when it could not renew for so long.
        public var renewDeadline = Duration.seconds(10)
        /// Pause between attempts.
        public var retry = Duration.seconds(2)

        public init() {}
    }

    static let namespace = "kube-system"

    private let client: any APIClient
    private let name: String
    private let identity: String
    private let timing: Timing
    private let log: Logger
    private let events: EventRecorder
    private let leads = Atomic<Bool>(false)

    /// The lease as last seen, and since when it has been as it is by our own clock: others' clocks may be wrong.
    private struct Observed {
        var lease: JSON = .null
        var since = ContinuousClock.now
    }

    /// - Parameters:
    ///   - name: of the lease: `kube-scheduler`.
    ///   - identity: tells this process from all others.
    public init(client: any APIClient, name: String, identity: String, timing: Timing = Timing(), log: Logger) {
        self.client = client
        self.name = name
        self.identity = identity
        self.timing = timing
        self.log = log
        events = EventRecorder(client: client, component: name)
    }

    public var isLeader: Bool { leads.load(ordering: .relaxed) }

    /// `leader_election_master_status` in Prometheus' text form.
    public var metrics: String {
        "# HELP leader_election_master_status 1 for the holder of the lease.\n"
            + "# TYPE leader_election_master_status gauge\n"
            + "leader_election_master_status{name=\"\(name)\"} \(isLeader ? 1 : 0)\n"
    }

    /// Runs `work` while this process leads, each time anew, until the task is cancelled; then gives the lease back.
    public func run(_ work: @escaping @Sendable () async -> Void) async {
        var observed = Observed()
        while !Task.isCancelled {
            guard await acquire(&observed) else { return }
            leads.store(true, ordering: .relaxed)
            log.info("leading", metadata: ["lease": "\(name)", "identity": "\(identity)"])
            events.record(
                object: observed.lease, type: .normal, reason: "LeaderElection",
                message: "\(identity) became leader")
            let task = Task { await work() }
            await hold(&observed)
            leads.store(false, ordering: .relaxed)
            task.cancel()
            await task.value
            if Task.isCancelled { return await release(observed.lease) }
            log.warning("lost the lease", metadata: ["lease": "\(name)", "identity": "\(identity)"])
        }
    }

    /// False when the task is cancelled.
    private func acquire(_ observed: inout Observed) async -> Bool {
        while !Task.isCancelled {
            if await attempt(&observed) { return true }
            // Not all at the same time.
            try? await Task.sleep(for: timing.retry * Double.random(in: 1...1.2))  // cancellation is seen by the loop
        }
        return false
    }

    /// Returns when the lease could not be renewed in time, or the task is cancelled.
    private func hold(_ observed: inout Observed) async {
        var renewed = ContinuousClock.now
        while (try? await Task.sleep(for: timing.retry)) != nil {
            if await attempt(&observed) {
                renewed = .now
            } else if ContinuousClock.now - renewed >= timing.renewDeadline || !isOurs(observed.lease) {
                return
            }
        }
    }

    private func isOurs(_ lease: JSON) -> Bool { lease["spec"]["holderIdentity"].string == identity }

    /// Takes or renews the lease, if it is ours to take. An answer that does not come is no answer.
    private func attempt(_ observed: inout Observed) async -> Bool {
        let before = observed
        let (client, limit) = (client, timing.renewDeadline / 2)
        let result = await withTaskGroup(of: Observed?.self) { group in
            group.addTask { await self.take(before, client) }
            group.addTask {
                try? await Task.sleep(for: limit)  // cancelled when the answer comes
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
        guard let result else { return false }
        observed = result
        return isOurs(result.lease)
    }

    /// What is known afterwards; nil where the API does not answer.
    private func take(_ observed: Observed, _ client: any APIClient) async -> Observed? {
        do {
            var known = observed
            let current: JSON
            do {
                current = try await client.get(.leases, namespace: Self.namespace, name: name)
            } catch let error as StatusError where error.isNotFound {
                let made = try await client.create(.leases, namespace: Self.namespace, filled(.null, now: .now()))
                return Observed(lease: made)
            }
            if current["spec"] != known.lease["spec"] { known = Observed(lease: current) }
            let holder = current["spec"]["holderIdentity"].stringValue
            let lifetime = Duration.seconds(current["spec"]["leaseDurationSeconds"].int ?? 0)
            if !holder.isEmpty, holder != identity, ContinuousClock.now - known.since < lifetime { return known }
            return Observed(lease: try await client.update(.leases, filled(current, now: .now())))
        } catch {
            log.debug("cannot take the lease", metadata: ["lease": "\(name)", "err": "\(error)"])
            return nil
        }
    }

    func filled(_ old: JSON, now: Timestamp) -> JSON {
        var lease = old
        let isRenewal = isOurs(old)
        lease["kind"] = "Lease"
        lease["apiVersion"] = "coordination.k8s.io/v1"
        lease["metadata"]["name"] = .string(name)
        lease["metadata"]["namespace"] = .string(Self.namespace)
        lease["spec"]["holderIdentity"] = .string(identity)
        lease["spec"]["leaseDurationSeconds"] = .int(timing.lease.components.seconds)
        lease["spec"]["renewTime"] = .string(now.micro)
        if !isRenewal {
            lease["spec"]["acquireTime"] = .string(now.micro)
            let transitions = old["spec"]["leaseTransitions"].int.map { $0 + 1 } ?? 0
            lease["spec"]["leaseTransitions"] = .int(Int64(transitions))
        }
        return lease
    }

    /// Lets the next one begin at once. A lease that is somebody else's by now is left alone.
    private func release(_ lease: JSON) async {
        guard isOurs(lease) else { return }
        var free = lease
        free["spec"]["holderIdentity"] = ""
        free["spec"]["leaseDurationSeconds"] = 1
        let freed = free
        // The calling task is cancelled already.
        let (client, log, name) = (client, log, name)
        let attempt = Task {
            do {
                try await client.update(.leases, freed)
            } catch {
                log.debug("cannot give the lease back", metadata: ["lease": "\(name)", "err": "\(error)"])
            }
        }
        // A server that is away must not hold up our end.
        let timeout = Task {
            try? await Task.sleep(for: .seconds(2))  // cancelled when the answer comes
            attempt.cancel()
        }
        await attempt.value
        timeout.cancel()
    }
}
