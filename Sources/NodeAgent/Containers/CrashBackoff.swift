/// How long a container that ended waits until it is started again: not at all the first time, then 10 s, doubling to
/// 300 s; forgotten after 10 minutes without an end (kubernetes client-go flowcontrol.Backoff as the kubelet uses it).
struct CrashBackoff: Sendable, Equatable {
    static let first: Duration = .seconds(10)
    static let limit: Duration = .seconds(300)
    static let memory: Duration = .seconds(600)

    private(set) var current: Duration?
    private var updatedAt: ContinuousClock.Instant?

    init() {}

    /// The pause still to wait at `now` for a container that ended at `endedAt`; nil to start it now.
    func wait(endedAt: ContinuousClock.Instant, now: ContinuousClock.Instant) -> (left: Duration, total: Duration)? {
        guard let current, let updatedAt, endedAt - updatedAt <= Self.memory else { return nil }
        let left = current - (now - endedAt)
        return left > .zero ? (left, current) : nil
    }

    /// A container that ended at `endedAt` is started again: the pause before the next time grows.
    mutating func restarted(endedAt: ContinuousClock.Instant, now: ContinuousClock.Instant) {
        if let current, let updatedAt, endedAt - updatedAt <= Self.memory {
            self.current = min(current * 2, Self.limit)
        } else {
            current = Self.first
        }
        updatedAt = now
    }
}
