import Glibc
import Kernel

/// Where the handler writes. Set once, before the handler is installed.
private nonisolated(unsafe) var signalPipe: Int32 = -1

/// In a signal handler only what signal-safety(7) lists may be called.
private func handleTermination(_ number: Int32) {
    let saved = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(signalPipe, &byte, 1)
    errno = saved
}

/// SIGTERM and SIGINT as something to wait for. The second of them ends the process at once.
struct TerminationSignals {
    private let received: AsyncStream<Int32>

    /// Installs handlers: they work whichever thread a signal comes to, which what a thread blocks does not.
    init() throws {
        // A client that hangs up is an error of one write, not the end of the daemon.
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else {
            throw CommandError("cannot make a pipe for signals: \(String(cString: strerror(errno)))")
        }
        let reader = ends[0]
        signalPipe = ends[1]
        let (stream, continuation) = AsyncStream<Int32>.makeStream()
        received = stream
        try KernelThread.start(name: "signals") {
            continuation.yield(Self.read(reader))
            _exit(128 &+ Self.read(reader))
        }
        for number in [SIGTERM, SIGINT] { signal(number, handleTermination) }
    }

    /// The next signal's number.
    private static func read(_ reader: Int32) -> Int32 {
        var number: UInt8 = 0
        while Glibc.read(reader, &number, 1) != 1 {}
        return Int32(number)
    }

    /// Waits for the first signal.
    func next() async {
        for await _ in received { return }
    }

    /// Waits for the first signal, or for a failure, which it returns.
    func next(unless failure: @escaping @Sendable () async -> CommandError?) async -> CommandError? {
        await withTaskGroup(of: CommandError?.self) { group in
            group.addTask {
                await next()
                return nil
            }
            group.addTask { await failure() }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }
}
