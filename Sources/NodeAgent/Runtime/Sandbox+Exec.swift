import Glibc
import Kernel

extension Sandbox {
    /// Executes something in a running container; returns after its program was executed.
    /// - Parameter mergesOutputs: both outputs are one stream, `.stdout`.
    func exec(_ containerID: String, _ spec: ExecSpec, mergesOutputs: Bool = false) async throws(RuntimeError)
        -> ExecSession
    {
        let container = try running(containerID)
        let supervisor = try begin("execute in container \(container.name)")
        defer { end() }
        let plan = try ExecPlan(id: ExecPlan.newID(), containerID: containerID, spec: spec).checked()
        let streams = SessionStreams()
        let end = ExecutionEnd()
        state.withLock { $0.executions[plan.id] = end }
        do throws(RuntimeError) {
            let reply: Supervisor.Reply
            do throws(KernelError) {
                reply = try await ask(supervisor, plan, streams, mergesOutputs)
            } catch {
                throw RuntimeError(
                    .system, "cannot execute in container \(container.name) of pod \(name)", cause: error)
            }
            switch reply {
            case .container(let report):
                return ExecSession(
                    id: plan.id, pid: Int(report.pid), streams: streams, terminal: nil, end: end, sandbox: self)
            case .terminal(let report, let passed):
                return try session(plan.id, report, passed, streams, end)
            case .failed(let report): throw failure(report, of: container.name)
            case .gone: throw RuntimeError(.system, "supervisor of pod \(name) did not answer")
            case .done, .unknown, .attached:
                throw RuntimeError(.system, "supervisor of pod \(name) does not know how to execute in containers")
            }
        } catch {
            state.withLock { _ = $0.executions.removeValue(forKey: plan.id) }
            throw error
        }
    }

    private func ask(
        _ supervisor: Supervisor, _ plan: ExecPlan, _ streams: SessionStreams, _ mergesOutputs: Bool
    ) async throws(KernelError) -> Supervisor.Reply {
        let file = try SealedFile.make(name: "plan", plan.bytes)
        if plan.spec.tty { return await supervisor.ask(.exec, descriptors: [file.raw]) }
        let null = try FileDescriptor.open("/dev/null", O_RDWR)
        let input = plan.spec.stdin ? try streams.addInput(.stdin) : try null.duplicate()
        let output = plan.spec.stdout ? try streams.addOutput(.stdout) : try null.duplicate()
        let errors =
            mergesOutputs
            ? try output.duplicate() : plan.spec.stderr ? try streams.addOutput(.stderr) : try null.duplicate()
        return await supervisor.ask(.exec, descriptors: [file.raw, input.raw, output.raw, errors.raw])
    }

    private func session(
        _ id: String, _ report: SupervisorProtocol.ContainerReport, _ passed: PassedDescriptor,
        _ streams: SessionStreams, _ end: ExecutionEnd
    ) throws(RuntimeError) -> ExecSession {
        do throws(KernelError) {
            guard let terminal = passed.take() else { throw KernelError("take", "terminal", code: EBADF) }
            let kept = try terminal.duplicate()
            try streams.add(.terminal, terminal)
            return ExecSession(
                id: id, pid: Int(report.pid), streams: streams, terminal: kept, end: end, sandbox: self)
        } catch {
            throw RuntimeError(.system, "cannot take a terminal of pod \(name)", cause: error)
        }
    }

    /// Attaches to streams of a running container.
    func attach(_ containerID: String, _ spec: AttachSpec) async throws(RuntimeError) -> AttachSession {
        let container = try running(containerID)
        let supervisor = try begin("attach to container \(container.name)")
        defer { end() }
        let streams = SessionStreams()
        var flags: SupervisorProtocol.AttachFlags = []
        // The supervisor's ends: here they would keep the streams from ending.
        var descriptors: [Int32] = []
        defer { for descriptor in descriptors { close(descriptor) } }
        if spec.stdin { flags.insert(.input) }
        if spec.stdout { flags.insert(.output) }
        if spec.stderr { flags.insert(.errors) }
        do throws(KernelError) {
            let body = SupervisorProtocol.attachBody(id: containerID, flags)
            if spec.stdout { descriptors.append(try streams.addOutput(.stdout).release()) }
            if spec.stderr { descriptors.append(try streams.addOutput(.stderr).release()) }
            let reply = await supervisor.ask(.attach, body: body, descriptors: descriptors)
            switch reply {
            case .attached(let there, let input):
                if let input = input?.take() { try streams.add(.stdin, input) }
                // Only one stream has what is on a terminal.
                if there.contains(.terminal) { _ = streams.take(.stderr) }
                return AttachSession(
                    containerID: containerID, hasTerminal: there.contains(.terminal), streams: streams, sandbox: self)
            case .failed(let report): throw KernelError("attach to", "supervisor", code: report.code)
            case .gone: throw KernelError("hear", "supervisor", code: ENOTCONN)
            case .container, .terminal, .done, .unknown: throw KernelError("attach to", "supervisor", code: ENOTSUP)
            }
        } catch {
            throw RuntimeError(
                error.code == ESRCH ? .notFound : .system,
                "cannot attach to container \(container.name) of pod \(name)", cause: error)
        }
    }

    func resize(_ containerID: String, rows: UInt16, columns: UInt16) async {
        // A container that has ended meanwhile has no terminal any more.
        guard let supervisor = state.withLock({ $0.supervisor }) else { return }
        _ = await supervisor.ask(
            .resize, body: SupervisorProtocol.resizeBody(id: containerID, rows: rows, columns: columns))
    }

    func signalExecution(_ id: String, _ number: Int32) async throws(RuntimeError) {
        guard state.withLock({ $0.executions[id] != nil }) else { return }
        let supervisor = try begin("signal what is executed")
        defer { end() }
        if case .failed(let report) = await supervisor.ask(
            .signal, body: SupervisorProtocol.signalBody(id: id, signal: number)),
            report.code != ENOENT, report.code != ESRCH
        {
            throw RuntimeError(
                report.code == EINVAL ? .invalidSpec : .system, "cannot send signal \(number) in pod \(name)",
                cause: KernelError("signal", "", code: report.code))
        }
    }

    /// Nobody will hear of these ends any more.
    func loseExecutions() {
        let ends = state.withLock { state in
            defer { state.executions = [:] }
            return Array(state.executions.values)
        }
        for end in ends { end.give(.lost) }
    }

    private func running(_ id: String) throws(RuntimeError) -> ContainerRecord {
        guard let container = state.withLock({ $0.containers[id] }) else {
            throw RuntimeError(.notFound, "there is no container \(id) in pod \(name)")
        }
        guard container.state == .running else {
            throw RuntimeError(.notFound, "container \(container.record.name) of pod \(name) is not running")
        }
        return container.record
    }

    private func failure(_ report: SupervisorProtocol.FailureReport, of container: String) -> RuntimeError {
        // It has ended, and its end is on its way here.
        if report.code == ESRCH {
            return RuntimeError(.notFound, "container \(container) of pod \(name) is not running")
        }
        return StartFailure.error(report)
    }
}
