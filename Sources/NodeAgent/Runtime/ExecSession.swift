import Glibc
import Kernel
import Synchronization

/// Something that is executed in a container, with its streams. It goes on when this is forgotten; a terminal is hung up.
public final class ExecSession: Sendable {
    public let id: String
    /// The process id as the node sees it.
    public let pid: Int
    private let streams: SessionStreams
    /// Kept beside the one that is given away, for its size.
    private let terminal: FileDescriptor?
    private let end: ExecutionEnd
    private let sandbox: Sandbox

    init(
        id: String, pid: Int, streams: SessionStreams, terminal: consuming FileDescriptor?, end: ExecutionEnd,
        sandbox: Sandbox
    ) {
        self.id = id
        self.pid = pid
        self.streams = streams
        self.terminal = terminal
        self.end = end
        self.sandbox = sandbox
    }

    /// Gives a stream away, once; nil where there is none. It does not block (EAGAIN).
    public func take(_ stream: SessionStream) -> FileDescriptor? { streams.take(stream) }

    /// Waits for the end of the program. What it wrote may still be in the streams: they are to be read to their ends.
    public func exit() async -> ExecExit { await end.wait() }

    /// Tells the program how large its terminal is; without one nothing.
    public func resize(rows: UInt16, columns: UInt16) {
        switch terminal {
        case .some(let terminal):
            // One that has been hung up has no size any more.
            try? terminal.resizeTerminal(rows: rows, columns: columns)
        case .none: break
        }
    }

    /// Sends a signal to the program and the process group that it leads. One that has ended is fine.
    public func signal(_ number: Int32) async throws(RuntimeError) {
        try await sandbox.signalExecution(id, number)
    }

    /// Closes the streams that nobody has taken.
    public func close() { streams.close() }
}

/// Waits for the end of something that was executed.
final class ExecutionEnd: Sendable {
    private struct State {
        var exit: ExecExit?
        var waiters: [CheckedContinuation<ExecExit, Never>] = []
    }
    private let state = Mutex(State())

    /// The first end counts.
    func give(_ exit: ExecExit) {
        let waiters = state.withLock { state in
            guard state.exit == nil else { return [CheckedContinuation<ExecExit, Never>]() }
            state.exit = exit
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: exit) }
    }

    func wait() async -> ExecExit {
        await withCheckedContinuation { continuation in
            let exit = state.withLock { state in
                if state.exit == nil { state.waiters.append(continuation) }
                return state.exit
            }
            if let exit { continuation.resume(returning: exit) }
        }
    }
}
