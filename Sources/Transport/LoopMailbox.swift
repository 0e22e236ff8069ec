import NIOCore
import Synchronization

/// Hands work from other threads to one event loop, waking it once for everything that gathers meanwhile: publishing
/// one event to a thousand watchers costs one wake-up, not a thousand.
final class LoopMailbox: Sendable {
    enum Job: Sendable {
        case write(ServerExchange, Frame)
        case run(@Sendable () -> Void)
    }

    private struct State {
        var jobs: [Job] = []
        var isScheduled = false
    }

    let loop: any EventLoop
    private let state = Mutex(State())

    init(loop: any EventLoop) { self.loop = loop }

    /// Jobs run in the order in which they were posted.
    func post(_ job: Job) {
        let mustSchedule = state.withLock { state in
            state.jobs.append(job)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if mustSchedule { loop.execute { self.drain() } }
    }

    private func drain() {
        let jobs = state.withLock { state in
            state.isScheduled = false
            let jobs = state.jobs
            state.jobs = []
            return jobs
        }
        // Streams that got frames are flushed once each, after all frames were written.
        var touched: [ServerExchange] = []
        for job in jobs {
            switch job {
            case .write(let exchange, let frame):
                if exchange.deliver(frame) { touched.append(exchange) }
            case .run(let body):
                body()
            }
        }
        for exchange in touched { exchange.flush() }
    }
}
