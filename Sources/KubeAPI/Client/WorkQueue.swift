import DequeModule
import Synchronization

/// A queue of keys for reconcilers: a key waits once, and is never handed to two workers at a time; one that is added
/// while it is worked on comes again afterwards.
public final class WorkQueue<Key: Hashable & Sendable>: Sendable {
    private struct State {
        var queue: Deque<Key> = []
        var dirty: Set<Key> = []
        var processing: Set<Key> = []
        var backoffs: [Key: Backoff] = [:]
        /// When keys are to be added.
        var delayed: [Key: ContinuousClock.Instant] = [:]
        var waiters: Deque<CheckedContinuation<Key?, Never>> = []
        var isShutDown = false
    }
    private let state = Mutex(State())

    public init() {}

    /// Keys that wait.
    public var depth: Int { state.withLock { $0.queue.count } }

    public func add(_ key: Key) {
        let waiter: CheckedContinuation<Key?, Never>? = state.withLock { state in
            guard !state.isShutDown, state.dirty.insert(key).inserted, !state.processing.contains(key) else {
                return nil
            }
            guard let waiter = state.waiters.popFirst() else {
                state.queue.append(key)
                return nil
            }
            state.dirty.remove(key)
            state.processing.insert(key)
            return waiter
        }
        waiter?.resume(returning: key)
    }

    /// Adds the key after a pause. Of several that run for a key, the one that ends first counts.
    public func add(_ key: Key, after delay: Duration) {
        guard delay > .zero else { return add(key) }
        let deadline = ContinuousClock.now.advanced(by: delay)
        let isFirst = state.withLock { state in
            if state.isShutDown { return false }
            if let earlier = state.delayed[key], earlier <= deadline { return false }
            state.delayed[key] = deadline
            return true
        }
        guard isFirst else { return }
        Task { [weak self] in
            try? await Task.sleep(until: deadline)  // nobody cancels it
            let isDue = self?.state.withLock { state in
                guard state.delayed[key] == deadline else { return false }
                state.delayed[key] = nil
                return true
            }
            if isDue == true { self?.add(key) }
        }
    }

    /// Adds the key after its own back-off: 5 ms, doubling, at most 30 s, until `forget`.
    public func addRateLimited(_ key: Key) {
        let delay = state.withLock { state in
            state.backoffs[key, default: Backoff(first: .milliseconds(5), limit: .seconds(30))].next()
        }
        add(key, after: delay)
    }

    /// Ends the key's back-off: it was worked on with success.
    public func forget(_ key: Key) { state.withLock { _ = $0.backoffs.removeValue(forKey: key) } }

    /// The next key to work on; nil after `shutDown`. Every key must be given back by `done`.
    public func next() async -> Key? {
        await withCheckedContinuation { (continuation: CheckedContinuation<Key?, Never>) in
            let result: Key?? = state.withLock { state in
                if let key = state.queue.popFirst() {
                    state.dirty.remove(key)
                    state.processing.insert(key)
                    return .some(key)
                }
                if state.isShutDown { return .some(nil) }
                state.waiters.append(continuation)
                return .none
            }
            if let result { continuation.resume(returning: result) }
        }
    }

    public func done(_ key: Key) {
        let waiter: CheckedContinuation<Key?, Never>? = state.withLock { state in
            state.processing.remove(key)
            guard state.dirty.contains(key), !state.isShutDown else { return nil }
            guard let waiter = state.waiters.popFirst() else {
                state.queue.append(key)
                return nil
            }
            state.dirty.remove(key)
            state.processing.insert(key)
            return waiter
        }
        waiter?.resume(returning: key)
    }

    /// Wakes all workers with nil.
    public func shutDown() {
        let waiters = state.withLock { state in
            state.isShutDown = true
            state.delayed = [:]
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: nil) }
    }

    /// Runs `workers` workers until the task is cancelled. A key whose reconciliation throws comes again after its
    /// back-off.
    public func run(workers: Int = 1, _ reconcile: @escaping @Sendable (Key) async throws -> Void) async {
        await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<workers {
                    group.addTask {
                        while let key = await self.next() {
                            do {
                                try await reconcile(key)
                                self.forget(key)
                            } catch {
                                if !Task.isCancelled { self.addRateLimited(key) }
                            }
                            self.done(key)
                        }
                    }
                }
            }
        } onCancel: {
            shutDown()
        }
    }
}

/// A pause that doubles with each attempt up to a limit.
public struct Backoff: Sendable {
    public let first: Duration
    public let limit: Duration
    public private(set) var attempts = 0

    public init(first: Duration, limit: Duration) {
        self.first = first
        self.limit = limit
    }

    /// The pause before the next attempt.
    public mutating func next() -> Duration {
        defer { attempts += 1 }
        return attempts > 30 ? limit : min(first * (1 << attempts), limit)
    }

    public mutating func reset() { attempts = 0 }
}
