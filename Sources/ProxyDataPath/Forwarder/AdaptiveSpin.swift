/// Whether a loop that has nothing to do looks again for a moment before it sleeps.
///
/// Sleeping and being woken takes some 20 to 50 µs where the processor halts meanwhile, which is more than a small answer
/// takes. A loop that mostly slept for less would have found its events by looking; one that sleeps long gains nothing,
/// and soon does not look at all, so that idle processors stay idle.
struct AdaptiveSpin: BitwiseCopyable {
    let limitNanos: UInt64
    /// How well it has worked lately.
    private var credit = 0
    private static let most = 16

    init(limitNanos: UInt64) { self.limitNanos = limitNanos }

    var isWorthwhile: Bool { credit > 0 }

    /// Events came while it looked.
    mutating func found() { if credit < Self.most { credit += 1 } }

    /// Nothing came in time.
    mutating func foundNothing() { credit = max(0, credit - 4) }

    /// It slept for so long until an event came.
    mutating func slept(_ nanos: UInt64) {
        if limitNanos > 0, nanos < limitNanos, credit < Self.most { credit += 1 }
    }
}
