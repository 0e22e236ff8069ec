import Glibc
import Kernel

/// SIGTERM and SIGINT as something to wait for. The second of them ends the process at once.
struct TerminationSignals {
    private let received: AsyncStream<Int32>

    /// To be called before any other thread exists: threads inherit what is blocked, and only ours is to take them.
    init() throws {
        // A client that hangs up is an error of one write, not the end of the daemon.
        signal(SIGPIPE, SIG_IGN)
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGINT)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let (stream, continuation) = AsyncStream<Int32>.makeStream()
        received = stream
        let waited = set
        try KernelThread.start(name: "signals") {
            var waited = waited
            var number: Int32 = 0
            guard sigwait(&waited, &number) == 0 else { return }
            continuation.yield(number)
            guard sigwait(&waited, &number) == 0 else { return }
            _exit(128 &+ number)
        }
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
