import Glibc
import KubeAPI
import Kernel

extension Sandbox {
    /// Starts a container; returns after its program was executed, or leaves nothing.
    func start(_ spec: ContainerSpec) async throws(RuntimeError) -> ContainerInfo {
        let supervisor = try begin("start container \(spec.name)")
        defer { end() }
        let record = ContainerRecord(podUID: uid, spec: spec, createdAt: .now())
        let isNew = change { state in
            guard state.containers[spec.id] == nil else { return false }
            state.containers[spec.id] = Container(record: record, state: .starting, startedAt: record.createdAt)
            return true
        }
        guard isNew else { throw RuntimeError(.invalidSpec, "container id \(spec.id) is in use") }
        context.warnOfScore(spec.oomScoreAdj)
        do throws(RuntimeError) {
            let reply = try await launch(spec, record, supervisor).get()
            switch reply {
            case .container: break
            case .failed(let report): throw StartFailure.error(report)
            case .gone: try await settle(spec.id, after: supervisor)
            case .done, .unknown, .terminal, .attached:
                throw RuntimeError(.system, "supervisor of pod \(name) does not know how to start containers")
            }
            guard let info = state.withLock({ $0.containers[spec.id]?.info }) else {
                throw RuntimeError(.notFound, "container \(spec.name) of pod \(name) was removed")
            }
            return info
        } catch {
            var failure = error
            failure.cleanUpFailures += await discard(spec.id)
            throw failure
        }
    }

    /// Prepares all that the supervisor's child needs, and asks for it.
    private func launch(_ spec: ContainerSpec, _ record: ContainerRecord, _ supervisor: Supervisor) async
        -> Result<Supervisor.Reply, RuntimeError>
    {
        await withCheckedContinuation { continuation in
            context.workers.post { [self] in
                var watch = Stopwatch()
                do throws(RuntimeError) {
                    let plan = try prepare(spec, record, &watch)
                    let laps = watch
                    supervisor.ask(.start, descriptors: [plan.raw]) { reply in
                        if case .container(let report) = reply {
                            self.context.passed(.startHeard)
                            var watch = laps
                            watch.lap("start")
                            self.noteStart(report, watch.laps)
                        }
                        continuation.resume(returning: .success(reply))
                    }
                    context.passed(.startAsked)
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
    }

    private func prepare(_ spec: ContainerSpec, _ record: ContainerRecord, _ watch: inout Stopwatch)
        throws(RuntimeError) -> FileDescriptor
    {
        let sandbox = state.withLock { $0.record.spec }
        let cgroup = self.cgroup + "/" + spec.id
        let plan = ContainerPlan(
            sandbox: sandbox, spec: spec, paths: context.paths, cgroups: context.cgroups, cgroup: cgroup,
            features: context.features, bounding: context.bounding)
        // First what needs nothing to exist: most mistakes show here.
        let bytes = try plan.bytes()
        watch.lap("plan")
        do throws(KernelError) {
            let folder = context.paths.container(spec.id)
            let (making, grouping) = context.workers.both {
                Result { () throws(KernelError) in
                    try ContainerFolder.make(folder, record)
                    context.passed(.folderMade)
                }
            } and: { [context] in
                Result { () throws(KernelError) in
                    try context.cgroups.create(cgroup, spec.resources.cgroup)
                    if !spec.privileged { try context.cgroups.limitDevices(cgroup) }
                }
            }
            try making.get()
            try grouping.get()
            watch.lap("folder")
            context.passed(.containerCgroupsMade)
            return try SealedFile.make(name: "plan", bytes)
        } catch {
            throw RuntimeError(.system, "cannot prepare container \(spec.name) of pod \(name)", cause: error)
        }
    }

    /// On the loop's thread, so that an end which follows at once finds the container running.
    func noteStart(_ report: SupervisorProtocol.ContainerReport, _ timings: [StageTiming] = []) {
        change { state in
            guard var container = state.containers[report.id], container.state == .starting else { return }
            container.state = .running
            container.pid = Int(report.pid)
            container.startedAt = Timestamp(unixNanos: report.startedNanos)
            container.timings = timings
            state.containers[report.id] = container
        }
    }

    /// The supervisor hung up before it answered: whoever connects again finds out what has become of the start.
    private func settle(_ id: String, after supervisor: Supervisor) async throws(RuntimeError) {
        _ = await wait(Self.reconnectLimit) { state in
            state.supervisor !== supervisor || state.phase != .running ? true : nil
        }
        let (container, phase) = state.withLock { ($0.containers[id], $0.phase) }
        if let container, container.state != .starting { return }
        if phase == .dead { throw RuntimeError(.sandboxDead, "supervisor of pod \(name) has died") }
        throw RuntimeError(.system, "supervisor of pod \(name) did not answer")
    }

    /// Takes back what a failed start has made.
    private func discard(_ id: String) async -> [String] {
        let failures = await clear(id)
        change { _ = $0.containers.removeValue(forKey: id) }
        return failures.map { "\($0)" }
    }

    /// Removes cgroup and folder of a container without processes.
    func clear(_ id: String) async -> [KernelError] {
        let cgroup = self.cgroup + "/" + id
        return await context.workers.run { [context] in
            var failures: [KernelError] = []
            do throws(KernelError) { try context.removeCgroup(cgroup) } catch { failures.append(error) }
            context.passed(.containerCgroupsRemoved)
            do throws(KernelError) {
                try context.trash.take(context.paths.container(id))
                context.passed(.folderTrashed)
            } catch { failures.append(error) }
            return failures
        }
    }
}
