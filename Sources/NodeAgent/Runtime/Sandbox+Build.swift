import Glibc
import KubeAPI
import Kernel

extension Sandbox {
    /// Builds all of it, or leaves nothing: the record says what to undo from before the first step to after the last.
    func build() async throws(RuntimeError) -> SandboxInfo {
        state.withLock { $0.operations += 1 }
        defer { end() }
        let result: Result<Void, RuntimeError> = await withCheckedContinuation { continuation in
            // One thread from end to end: each hand-over would cost more than most of the steps.
            context.workers.post { [self] in
                var watch = Stopwatch()
                do throws(RuntimeError) {
                    let supervisor = try construct(&watch)
                    let laps = watch
                    // Answered as soon as it has come up.
                    supervisor.ask(.list) { reply in
                        guard case .done = reply else {
                            return continuation.resume(
                                returning: .failure(self.error(.system, "start the supervisor of")))
                        }
                        var watch = laps
                        watch.lap("hello")
                        self.context.passed(.supervisorHeard)
                        let timings = watch.laps
                        self.change { state in
                            state.timings = timings
                            if state.phase == .building { state.phase = .running }
                        }
                        continuation.resume(returning: .success(()))
                    }
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        do throws(RuntimeError) {
            try result.get()
        } catch {
            var failure = error
            failure.cleanUpFailures += await undo()
            throw failure
        }
        return info
    }

    /// The steps that block. What they have made is found by `undo`.
    private func construct(_ watch: inout Stopwatch) throws(RuntimeError) -> Supervisor {
        var record = state.withLock { $0.record }
        let spec = record.spec
        let network = spec.hostNetwork ? nil : try context.pool.take()
        record.addresses = network?.addresses
        let addresses = record.addresses
        state.withLock { $0.record.addresses = addresses }
        watch.lap("network")
        context.passed(.networkTaken)
        do throws(KernelError) {
            try record.create(at: context.paths.record(uid))
            watch.lap("record")
            context.passed(.recordWritten)
            let folderPath = context.paths.state(uid)
            let (listening, grouping) = context.workers.both {
                Result { () throws(KernelError) in
                    let listener = try Listener(folderPath)
                    context.passed(.listenerMade)
                    return listener
                }
            } and: { [context, cgroup] in
                Result { () throws(KernelError) in
                    try context.cgroups.create(cgroup, spec.resources.cgroup, isInner: true)
                }
            }
            let listener = try listening.get()
            try grouping.get()
            watch.lap("cgroup")
            context.passed(.podCgroupsMade)
            let child = try spawn(spec).run(
                image: context.image, networkNamespace: network?.namespace.descriptor.raw, socket: listener.socket,
                stateDirectory: listener.folder)
            watch.lap("spawn")
            context.passed(.supervisorSpawned)
            // It listens from before its birth: what is sent now waits for it.
            let socket = try PacketSocket(connectingIn: listener.folder, name: RuntimePaths.socketName)
            let pid = child.pid
            let supervisor = Supervisor(
                pid: pid, pidfd: child.takePidfd(), socket: socket, loop: context.loop
            ) { [weak self] event in self?.hear(event) }
            state.withLock { $0.supervisor = supervisor }
            try supervisor.listen()
            return supervisor
        } catch {
            throw self.error(.system, "create sandbox of", error)
        }
    }

    private func spawn(_ spec: SandboxSpec) -> Spawn {
        var arguments = ["podinit", context.paths.state(uid), uid]
        if spec.shareProcessNamespace, !spec.hostPID { arguments.append("p") }
        var spawn = Spawn(arguments: arguments)
        spawn.hasNewIPC = !spec.hostIPC
        spawn.hostname = spec.hostname
        spawn.entrance = context.cgroups.entrance(cgroup, isInner: true)
        spawn.sysctls = spec.sysctls.sorted { $0.key < $1.key }.map { name, value in
            (path: SandboxCheck.path(ofSysctl: name), value: value)
        }
        // As Kubernetes protects its pause containers: the last to be killed of a pod.
        spawn.oomScoreAdj = -998
        return spawn
    }

    /// Takes back what a failed build has made. Answers what could not be taken back.
    private func undo() async -> [String] {
        change { $0.phase = .removing }
        if let supervisor = state.withLock({ $0.supervisor }) {
            supervisor.kill()
            _ = await supervisor.waitForDeath(SandboxRemoval.deathLimit)
            supervisor.close()
        }
        let removal = removalPlan()
        return await context.workers.run { removal.run().map(\.description) }
    }
}

/// The socket of a supervisor that is to be born, and the folder in which it lies.
private final class Listener: Sendable {
    let folder: FileDescriptor
    let socket: FileDescriptor

    init(_ path: String) throws(KernelError) {
        try FileTree.makeFolders(path, mode: 0o700)
        folder = try FileDescriptor.folder(path)
        socket = try PacketSocket.listen(in: folder, name: RuntimePaths.socketName)
    }
}
