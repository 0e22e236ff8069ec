import Synchronization
import Transport

/// When something last went on.
final class StallClock: Sendable {
    private let last = Mutex(ContinuousClock.now)
    /// While true, the other side is not waited for.
    private let isPaused = Atomic<Bool>(false)

    func progress() { last.withLock { $0 = .now } }

    /// What is waited for meanwhile is our own side.
    func pause() { isPaused.store(true, ordering: .relaxed) }
    func resume() {
        progress()
        isPaused.store(false, ordering: .relaxed)
    }

    fileprivate func deadline(_ limit: Duration) -> ContinuousClock.Instant {
        isPaused.load(ordering: .relaxed) ? .now + limit : last.withLock { $0 } + limit
    }
}

/// Runs what reads from a peer, and ends it where nothing comes for `limit`.
/// - Throws: `TransportError` of code `timedOut` then.
func withStallLimit<Value: Sendable>(
    _ limit: Duration = .seconds(30), _ body: @escaping @Sendable (StallClock) async throws -> Value
) async throws -> Value {
    let clock = StallClock()
    return try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask { try await body(clock) }
        group.addTask {
            while true {
                let deadline = clock.deadline(limit)
                guard deadline > .now else {
                    throw TransportError(.timedOut, "nothing came for \(limit.goDescription)")
                }
                try await Task.sleep(until: deadline, clock: .continuous)
            }
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw CancellationError() }
        return value
    }
}
