import Glibc
import KubeAPI
import Kernel

extension Sandbox {
    static let reconnectLimit = Duration.seconds(15)
    private static let connectTimeoutMs: Int32 = 5000
    private static let reconnectPauses = [Duration.zero, .milliseconds(100), .seconds(1)]

    /// On the loop's thread.
    func hear(_ event: Supervisor.Event) {
        switch event {
        case .exited(let report): noteExit(report)
        case .hungUp:
            // Ends that it tells meanwhile are told to nobody.
            loseExecutions()
            let isNeeded = change { state in
                guard state.phase == .running, !state.isReconnecting else { return false }
                state.isReconnecting = true
                return true
            }
            if isNeeded { Task { await reconnect() } }
        case .died:
            loseExecutions()
            // One that is being removed, or was never finished, has somebody who waits for this.
            let isNews = change { state in
                guard state.phase == .running else { return false }
                state.phase = .dead
                return true
            }
            if isNews { Task { await bury(reason: "supervisor ended") } }
        }
    }

    /// Notes the end of a container and tells of it, once.
    func noteExit(_ report: SupervisorProtocol.ContainerReport) {
        if let end = state.withLock({ $0.executions.removeValue(forKey: report.id) }) {
            return end.give(ExecExit(exitCode: Int(report.exitCode), signal: Int(report.signal)))
        }
        guard let record = state.withLock({ $0.containers[report.id]?.record }) else { return }
        let exit = exitRecord(report, record)
        let isNews = change { state in
            guard var container = state.containers[report.id] else { return false }
            if case .exited = container.state { return false }
            container.state = .exited(exit)
            if container.pid == 0 { container.pid = Int(report.pid) }
            container.startedAt = exit.startedAt
            state.containers[report.id] = container
            return true
        }
        if isNews { context.publish.yield(.containerExited(podUID: uid, containerID: report.id, exit)) }
    }

    func exitRecord(_ report: SupervisorProtocol.ContainerReport, _ record: ContainerRecord) -> ExitRecord {
        ExitRecord(
            exitCode: Int(report.exitCode), signal: Int(report.signal), oomKilled: report.oomKilled,
            startedAt: Timestamp(unixNanos: report.startedNanos),
            finishedAt: Timestamp(unixNanos: report.finishedNanos),
            message: record.hasTerminationMessage
                ? ContainerFolder.terminationMessage(context.paths.container(record.id)) : "")
    }

    // MARK: finding the supervisor

    /// Looks for the pod's supervisor; nil where none answers.
    func connect() async -> Supervisor? {
        let folder = context.paths.state(uid)
        return await context.workers.run { [self] in
            guard let connection = Supervisor.connect(folder: folder, podUID: uid, timeoutMs: Self.connectTimeoutMs)
            else {
                return nil
            }
            return connection.supervisor(loop: context.loop) { [weak self] event in self?.hear(event) }
        }
    }

    /// Begins to listen and asks what there is; nil where it does not answer.
    func reports(of supervisor: Supervisor) async -> [SupervisorProtocol.ContainerReport]? {
        do throws(KernelError) {
            try supervisor.listen()
        } catch {
            context.log.error("cannot listen to a supervisor", metadata: ["uid": "\(uid)", "err": "\(error)"])
            return nil
        }
        guard case .done(let reports) = await supervisor.ask(.list) else { return nil }
        return reports
    }

    /// The supervisor let us go because we did not listen, or somebody cut the connection.
    private func reconnect() async {
        let old = state.withLock { $0.supervisor }
        for pause in Self.reconnectPauses {
            _ = await wait(pause) { $0.phase == .running ? nil : true }
            guard state.withLock({ $0.phase == .running }) else { break }
            guard let supervisor = await connect() else { continue }
            guard let reports = await reports(of: supervisor) else {
                supervisor.close()
                continue
            }
            takeOver(reports)
            change { state in
                state.supervisor = supervisor
                state.isReconnecting = false
            }
            old?.close()
            return
        }
        let isStuck = change { state in
            state.isReconnecting = false
            return state.phase == .running
        }
        // Nobody hears it any more, and it hears nobody: its end is told by its process.
        if isStuck { old?.kill() }
    }

    /// Takes over a pod that an earlier daemon started. Containers of which its supervisor knows nothing were never
    /// started: they are removed.
    func adopt(_ supervisor: Supervisor, _ reports: [SupervisorProtocol.ContainerReport]) async {
        let listed = Set(reports.map(\.id))
        let unknown = state.withLock { $0.containers.keys.filter { !listed.contains($0) } }
        for id in unknown {
            for failure in await clear(id) {
                context.log.warning("cannot remove a container", metadata: ["uid": "\(uid)", "err": "\(failure)"])
            }
        }
        let exited: [(String, ExitRecord)] = await context.workers.run { [self] in
            reports.compactMap { report in
                guard report.state == .exited, let record = state.withLock({ $0.containers[report.id]?.record }) else {
                    return nil
                }
                return (report.id, exitRecord(report, record))
            }
        }
        change { state in
            for id in unknown { state.containers[id] = nil }
            // Part of the answer of `recover`, not news.
            for (id, exit) in exited {
                state.containers[id]?.state = .exited(exit)
                state.containers[id]?.startedAt = exit.startedAt
            }
            for report in reports { state.containers[report.id]?.pid = Int(report.pid) }
            state.supervisor = supervisor
            state.phase = .running
        }
        takeOver(reports)
    }

    /// Brings what is known here up to what the supervisor says.
    private func takeOver(_ reports: [SupervisorProtocol.ContainerReport]) {
        for report in reports {
            switch report.state {
            case .exited: noteExit(report)
            // A start that goes wrong from here on is told as an end.
            case .starting, .running: noteStart(report)
            }
        }
    }

    // MARK: death

    /// All that the supervisor held ends with it: told when nothing of it runs any more.
    func bury(reason: String) async {
        let cgroup = self.cgroup
        await context.workers.run { [context] in
            _ = context.cgroups.killAndWait(cgroup, timeoutMs: 5000)
        }
        await noteLosses()
        guard state.withLock({ $0.phase == .dead }) else { return }
        context.publish.yield(.sandboxDied(podUID: uid, reason: reason))
    }

    /// What became of the containers of a dead supervisor: what it wrote down, or nobody knows.
    func noteLosses() async {
        let open = state.withLock { state in
            state.containers.values.filter { container in
                if case .exited = container.state { false } else { true }
            }.map(\.record)
        }
        guard !open.isEmpty else { return }
        let folder = context.paths.state(uid)
        let exits = await context.workers.run { [self] in
            open.map { record in
                // Absent where it had no time to write one.
                let line = try? DurableFile.read("\(folder)/\(record.id).exit", limit: 4096)
                let report = line.flatMap { SupervisorProtocol.exitRecord(String(decoding: $0, as: UTF8.self)) }
                return (record.id, report.map { exitRecord($0, record) } ?? lostRecord(record))
            }
        }
        change { state in
            for (id, exit) in exits {
                guard var container = state.containers[id] else { continue }
                if case .exited = container.state { continue }
                container.state = .exited(exit)
                state.containers[id] = container
            }
        }
    }

    private func lostRecord(_ record: ContainerRecord) -> ExitRecord {
        let startedAt = state.withLock { $0.containers[record.id]?.startedAt } ?? record.createdAt
        return ExitRecord(
            exitCode: 137, startedAt: startedAt, finishedAt: .now(),
            message: record.hasTerminationMessage
                ? ContainerFolder.terminationMessage(context.paths.container(record.id)) : "", isLost: true)
    }
}
