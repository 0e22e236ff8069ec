import Synchronization

/// Bounds what is fetched from one registry at the same time, over all pulls: a slow registry holds up its own images
/// and no others.
final class HostSlots: Sendable {
    private typealias Waiter = CheckedContinuation<Void, any Error>
    private struct State {
        var used: [String: Int] = [:]
        var waiting: [String: [(id: UInt64, waiter: Waiter)]] = [:]
        var nextID: UInt64 = 0
        /// Called off before they had begun to wait.
        var cancelled: Set<UInt64> = []
    }
    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// Runs `body` when there is room for it, first come, first served.
    func run<Value: Sendable>(at host: String, _ body: () async throws -> Value) async throws -> Value {
        try await acquire(host)
        defer { release(host) }
        return try await body()
    }

    private func acquire(_ host: String) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (waiter: Waiter) in
                let result: Result<Void, any Error>? = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                    if state.used[host, default: 0] < limit {
                        state.used[host, default: 0] += 1
                        return .success(())
                    }
                    state.waiting[host, default: []].append((id, waiter))
                    return nil
                }
                if let result { waiter.resume(with: result) }
            }
        } onCancel: {
            let waiter: Waiter? = state.withLock { state in
                if let index = state.waiting[host]?.firstIndex(where: { $0.id == id }) {
                    return state.waiting[host]?.remove(at: index).waiter
                }
                state.cancelled.insert(id)
                return nil
            }
            waiter?.resume(throwing: CancellationError())
        }
        // Of one that was called off after it had got its room.
        state.withLock { _ = $0.cancelled.remove(id) }
    }

    private func release(_ host: String) {
        let next: Waiter? = state.withLock { state in
            if state.waiting[host]?.isEmpty == false { return state.waiting[host]?.removeFirst().waiter }
            state.waiting[host] = nil
            let left = (state.used[host] ?? 1) - 1
            state.used[host] = left > 0 ? left : nil
            return nil
        }
        next?.resume()
    }
}
