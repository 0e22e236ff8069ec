import KubeAPI
import Kernel
import Logging
import Synchronization

/// Builds, watches and removes pods on this node: sandboxes, their network, their containers.
///
/// Thread-safe. Calls for one pod may overlap; `removeSandbox` ends all others.
public final class PodRuntime: Sendable {
    /// Ends of containers and supervisors, in the order in which they were heard. One consumer.
    public let events: AsyncStream<RuntimeEvent>
    private let context: RuntimeContext
    private let shares: ClassShares
    private let sandboxes = Mutex<[String: Sandbox]>([:])

    /// False in a build without the pods' supervisor, as of the unit tests alone: no pod can be built then.
    public static var hasSupervisor: Bool { SupervisorImage.isBuilt }

    /// Opens what the runtime needs (folders, netlink, cgroups); changes nothing of pods that exist.
    public convenience init(config: RuntimeConfig, log: Logger) throws(RuntimeError) {
        try self.init(config: config, log: log, features: nil, cgroups: nil)
    }

    /// `features`, `cgroups`: what older machines have, for tests.
    init(config: RuntimeConfig, log: Logger, features: MountFeatures?, cgroups: (any Cgroups)?) throws(RuntimeError) {
        let (stream, continuation) = AsyncStream<RuntimeEvent>.makeStream()
        events = stream
        context = try RuntimeContext(
            config: config, log: log, features: features, cgroups: cgroups, publish: continuation)
        shares = ClassShares(cgroups: context.cgroups, log: log)
        log.info("limits are kept by cgroups", metadata: ["layout": "\(context.cgroups.layout)"])
        context.network.onLinkLost { [weak self] address in self?.linkLost(address) }
    }

    /// Adopts the pods that run, and removes what is half-built or orphaned. To be called once, before all else.
    ///
    /// Ends that nobody heard while no daemon ran are in the answer, not among the events; after a reboot nothing runs
    /// any more, and all is answered as dead.
    public func recover() async throws(RuntimeError) -> [RecoveredSandbox] {
        let recovery = Recovery(context: context)
        let found = await recovery.run()
        sandboxes.withLock { sandboxes in
            for sandbox in found { sandboxes[sandbox.uid] = sandbox }
        }
        for sandbox in found { shares.add(sandbox.state.withLock { $0.record.spec }) }
        if !context.config.podCIDRs.isEmpty { try setPodCIDRs(context.config.podCIDRs) }
        return found.map { sandbox in
            let (spec, isAlive) = sandbox.state.withLock { ($0.record.spec, $0.phase == .running) }
            return RecoveredSandbox(spec: spec, info: sandbox.info, isAlive: isAlive, containers: sandbox.containers)
        }
    }

    /// Gives the node's pod ranges, once they are known. A range that differs from the one in use is refused while pods
    /// have addresses of it.
    public func setPodCIDRs(_ cidrs: [CIDR]) throws(RuntimeError) {
        let used = sandboxes.withLock { sandboxes in
            sandboxes.values.compactMap { $0.state.withLock { $0.record.addresses } }
        }
        try context.usePodRanges(cidrs, used: used)
    }

    /// Builds a sandbox: namespaces, cgroup, network, supervisor. Undone as a whole where a step fails; the error then
    /// also says what could not be undone, which `removeSandbox` or the next start's `recover` tries again.
    public func createSandbox(_ spec: SandboxSpec) async throws(RuntimeError) -> SandboxInfo {
        try SandboxCheck.check(spec)
        let record = PodRecord(phase: .building, spec: spec, createdAt: .now())
        let sandbox = Sandbox(context, phase: .building, record: record)
        let isNew = sandboxes.withLock { sandboxes in
            guard sandboxes[spec.podUID] == nil else { return false }
            sandboxes[spec.podUID] = sandbox
            return true
        }
        guard isNew else {
            throw RuntimeError(.system, "pod \(spec.namespace)/\(spec.name) has a sandbox already: remove it first")
        }
        shares.add(spec)
        do throws(RuntimeError) {
            return try await sandbox.build()
        } catch {
            // What could not be taken back stays known, so that it can be removed.
            if error.cleanUpFailures.isEmpty { forget(sandbox) }
            throw error
        }
    }

    /// Starts a container in a sandbox; returns after its program was executed.
    public func startContainer(podUID: String, _ spec: ContainerSpec) async throws(RuntimeError) -> ContainerInfo {
        try await find(podUID).start(spec)
    }

    /// Sends a signal to the container's first process. An ended container is fine.
    public func signal(podUID: String, containerID: String, signal: Int32) async throws(RuntimeError) {
        try await find(podUID).signal(containerID, signal)
    }

    /// Sends the signal, waits, kills; returns how the container ended.
    @discardableResult
    public func stopContainer(podUID: String, containerID: String, graceSeconds: Int, signal: Int32 = 15)
        async throws(RuntimeError)
        -> ExitRecord
    {
        try await find(podUID).stop(containerID, grace: .seconds(max(0, graceSeconds)), signal: signal)
    }

    /// Removes what an ended container left: its writable layer, cgroup and records, not its log. Kills it if it runs.
    public func removeContainer(podUID: String, containerID: String) async throws(RuntimeError) {
        guard let sandbox = sandboxes.withLock({ $0[podUID] }) else { return }
        try await sandbox.removeContainer(containerID)
    }

    /// Removes all of a pod: processes, cgroups, network, records. Nothing of it is fine.
    public func removeSandbox(podUID: String) async throws(RuntimeError) {
        guard let sandbox = sandboxes.withLock({ $0[podUID] }) else { return }
        try await sandbox.remove()
        forget(sandbox)
    }

    /// What a pod's supervisor knows of its containers.
    public func containers(podUID: String) async -> [ContainerInfo] {
        sandboxes.withLock { $0[podUID] }?.containers ?? []
    }

    /// What a pod uses now.
    public func usage(podUID: String) async throws(RuntimeError) -> PodUsage {
        try await find(podUID).usage()
    }

    /// Where the time of a pod's start went; nil for a pod that is not known, empty for one that was recovered.
    public func timings(podUID: String) -> PodTimings? {
        sandboxes.withLock { $0[podUID] }?.timings
    }

    /// Lets go of all sockets and threads; pods keep running. Nothing may be asked of it afterwards.
    public func shutdown() async {
        let all = sandboxes.withLock { sandboxes in
            defer { sandboxes = [:] }
            return Array(sandboxes.values)
        }
        for sandbox in all {
            sandbox.state.withLock { $0.supervisor }?.close()
            sandbox.loseExecutions()
        }
        context.close()
        context.publish.finish()
    }

    /// Removes everything that a runtime of that tag left on the machine. For `swiftlet reset`, with no runtime alive.
    public static func reset(config: RuntimeConfig, log: Logger) async throws(RuntimeError) {
        try await RuntimeReset(config: config, log: log).run()
    }

    /// Somebody has deleted the link of a pod, or of a network that waits for one.
    private func linkLost(_ address: IPAddress) {
        let text = address.description
        let found = sandboxes.withLock { sandboxes in
            sandboxes.values.lazy.compactMap { sandbox -> (Supervisor, PodAddresses)? in
                sandbox.state.withLock { state in
                    guard state.record.address == text, state.phase == .running, let supervisor = state.supervisor,
                        let addresses = state.record.addresses
                    else { return nil }
                    return (supervisor, addresses)
                }
            }.first
        }
        guard let (supervisor, addresses) = found else { return context.pool.drop(address) }
        context.cleaner.post { [context] in
            do throws(KernelError) {
                try context.network.rejoin(addresses, pid: supervisor.pid)
                context.log.warning("somebody deleted the link of a pod; it has another", metadata: ["ip": "\(text)"])
            } catch {
                context.log.error(
                    "a pod has lost its link, and cannot have another", metadata: ["ip": "\(text)", "err": "\(error)"])
            }
        }
    }

    func find(_ uid: String) throws(RuntimeError) -> Sandbox {
        guard let sandbox = sandboxes.withLock({ $0[uid] }) else {
            throw RuntimeError(.notFound, "there is no sandbox of pod \(uid)")
        }
        return sandbox
    }

    private func forget(_ sandbox: Sandbox) {
        let isKnown = sandboxes.withLock { sandboxes in
            guard sandboxes[sandbox.uid] === sandbox else { return false }
            sandboxes[sandbox.uid] = nil
            return true
        }
        if isKnown { shares.remove(sandbox.state.withLock { $0.record.spec }) }
    }
}
