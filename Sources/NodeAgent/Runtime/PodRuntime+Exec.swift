import Glibc
import Kernel
import Synchronization

extension PodRuntime {
    /// How long after SIGKILL something that was executed may take to end.
    private static let killLimit = Duration.seconds(10)

    /// Executes something in a running container; returns after its program was executed. `cannotStart` where it can't be,
    /// `notFound` where the container does not run.
    public func exec(podUID: String, containerID: String, _ spec: ExecSpec) async throws(RuntimeError) -> ExecSession {
        try await find(podUID).exec(containerID, spec)
    }

    /// Attaches to streams of a running container, also of one that an earlier daemon has started.
    public func attach(podUID: String, containerID: String, _ spec: AttachSpec) async throws(RuntimeError)
        -> AttachSession
    {
        try await find(podUID).attach(containerID, spec)
    }

    /// Executes something to its end and answers what it wrote. It is killed when its time is over, or the calling task is
    /// cancelled.
    public func run(podUID: String, containerID: String, args: [String], timeout: Duration, outputLimit: Int)
        async throws(RuntimeError) -> RunOutcome
    {
        let sandbox = try find(podUID)
        let session = try await sandbox.exec(containerID, ExecSpec(args: args), mergesOutputs: true)
        let loop = sandbox.context.loop
        let reader: OutputReader
        do throws(KernelError) {
            reader = try OutputReader(session.take(.stdout), limit: outputLimit, loop: loop)
        } catch {
            throw RuntimeError(.system, "cannot read what is executed in pod \(sandbox.name)", cause: error)
        }
        let isTimedOut = Mutex(false)
        let timer = loop.after(timeout) {
            isTimedOut.withLock { $0 = true }
            Task { await sandbox.killExecution(session.id, within: Self.killLimit) }
        }
        let exit = await withTaskCancellationHandler {
            await session.exit()
        } onCancel: {
            Task { await sandbox.killExecution(session.id, within: Self.killLimit) }
        }
        loop.cancelTimer(timer)
        return RunOutcome(exit: exit, output: reader.finish(), isTimedOut: isTimedOut.withLock { $0 })
    }
}

extension Sandbox {
    /// Kills something that was executed; one that does not end, because it hangs in the kernel, is given up.
    func killExecution(_ id: String, within limit: Duration) async {
        // One whose supervisor does not answer has an end already.
        try? await signalExecution(id, SIGKILL)
        context.loop.after(limit) { [weak self] in
            self?.state.withLock { $0.executions.removeValue(forKey: id) }?.give(.lost)
        }
    }
}

/// Reads a stream to its end, and keeps its beginning.
final class OutputReader: Sendable {
    private struct State {
        var output: [UInt8] = []
        var isOver = false
        var token: EpollLoop.Token?
    }
    private static let chunk = 16 << 10
    private let descriptor: FileDescriptor
    private let limit: Int
    private let loop: EpollLoop
    private let state = Mutex(State())

    init(_ descriptor: consuming FileDescriptor?, limit: Int, loop: EpollLoop) throws(KernelError) {
        switch consume descriptor {
        case .some(let descriptor): self.descriptor = descriptor
        case .none: throw KernelError("read", "stream", code: EBADF)
        }
        self.limit = limit
        self.loop = loop
        let token = try loop.watch(self.descriptor.raw) { [weak self] _ in self?.read() }
        let isOver = state.withLock { state in
            state.token = token
            return state.isOver
        }
        if isOver { loop.cancel(token) }
    }

    /// Reads what is there. What is beyond the limit is read as well, so that nobody waits for it.
    private func read() {
        let ended = state.withLock { state -> EpollLoop.Token? in
            while !state.isOver {
                do throws(KernelError) {
                    let bytes = try descriptor.read(upTo: Self.chunk)
                    if bytes.isEmpty { state.isOver = true }
                    state.output += bytes.prefix(limit - state.output.count)
                } catch {
                    if error.code == EAGAIN { return nil }
                    state.isOver = true
                }
            }
            return state.token
        }
        if let ended { loop.cancel(ended) }
    }

    /// Takes what is still there, and does not wait for those that the program has left behind.
    func finish() -> [UInt8] {
        read()
        let (output, token) = state.withLock { state in
            state.isOver = true
            return (state.output, state.token)
        }
        if let token { loop.cancel(token) }
        return output
    }
}
