import Glibc
import KubeAPI
import Kernel

extension Sandbox {
    /// How long after SIGKILL a container may take to end: one that waits for a dead disk does not.
    private static let killLimit = Duration.seconds(30)

    private enum Ending: Sendable {
        case exited(ExitRecord)
        case gone
    }

    func signal(_ id: String, _ number: Int32) async throws(RuntimeError) {
        guard let container = state.withLock({ $0.containers[id] }) else { throw unknown(id) }
        if case .exited = container.state { return }
        let supervisor = try begin("signal container \(container.record.name)")
        defer { end() }
        switch await supervisor.ask(.signal, body: SupervisorProtocol.signalBody(id: id, signal: number)) {
        case .done: return
        case .failed(let report):
            // It has ended, and its end is on its way here.
            if report.code == ENOENT || report.code == ESRCH { return }
            throw RuntimeError(
                report.code == EINVAL ? .invalidSpec : .system,
                "cannot send signal \(number) to container \(container.record.name) of pod \(name)",
                cause: KernelError("signal", "", code: report.code))
        case .gone, .container, .unknown, .terminal, .attached:
            throw RuntimeError(.system, "supervisor of pod \(name) did not answer")
        }
    }

    /// Sends the signal, waits, kills.
    func stop(_ id: String, grace: Duration, signal number: Int32) async throws(RuntimeError) -> ExitRecord {
        // One that is being started can be told only afterwards.
        let isThere = await wait(nil) { state -> Bool? in
            switch state.containers[id]?.state {
            case .starting: nil
            case nil: false
            case .running, .exited: true
            }
        }
        guard isThere == true else { throw unknown(id) }
        if grace > .zero {
            try await signal(id, number)
            if let exit = try await ending(id, within: grace) { return exit }
        }
        if let exit = try await ending(id, within: .zero) { return exit }
        try await signal(id, SIGKILL)
        if let exit = try await ending(id, within: Self.killLimit) { return exit }
        throw RuntimeError(.system, "container \(id) of pod \(name) does not end: its processes hang in the kernel")
    }

    private func ending(_ id: String, within limit: Duration) async throws(RuntimeError) -> ExitRecord? {
        let ending = await wait(limit) { state -> Ending? in
            switch state.containers[id]?.state {
            case .exited(let exit): .exited(exit)
            case nil: .gone
            case .starting, .running: nil
            }
        }
        switch ending {
        case .exited(let exit): return exit
        case .gone: throw unknown(id)
        case nil: return nil
        }
    }

    /// Removes what an ended container left; one that runs is killed first.
    func removeContainer(_ id: String) async throws(RuntimeError) {
        guard state.withLock({ $0.containers[id] != nil }) else { return }
        _ = try await stop(id, grace: .zero, signal: SIGKILL)
        // A dead supervisor has nothing to forget.
        if let supervisor = state.withLock({ $0.phase == .running ? $0.supervisor : nil }) {
            _ = await supervisor.ask(.forget, body: Array(id.utf8))
        }
        context.passed(.containerForgotten)
        let failures = await clear(id)
        if let first = failures.first {
            throw RuntimeError(.system, "cannot remove container \(id) of pod \(name)", cause: first)
        }
        change { _ = $0.containers.removeValue(forKey: id) }
    }

    private func unknown(_ id: String) -> RuntimeError {
        RuntimeError(.notFound, "pod \(name) has no container \(id)")
    }
}
