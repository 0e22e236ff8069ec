/// Tells of refused connections at once, then no more often than every ten seconds, with their number.
struct RefusalLog: BitwiseCopyable {
    enum Reason: Int, Sendable {
        /// The bound on connections or descriptors.
        case limit
        /// Endpoints are there, but none could be reached.
        case unreachable
    }
    private static let pauseSeconds: UInt32 = 10

    private var counts: (Int, Int) = (0, 0)
    private var toldSeconds: (UInt32?, UInt32?) = (nil, nil)

    /// Counts one; the number to tell of, where it is time to.
    mutating func add(_ reason: Reason, nowSeconds: UInt32) -> Int? {
        switch reason {
        case .limit: Self.add(&counts.0, &toldSeconds.0, nowSeconds)
        case .unreachable: Self.add(&counts.1, &toldSeconds.1, nowSeconds)
        }
    }

    private static func add(_ count: inout Int, _ told: inout UInt32?, _ nowSeconds: UInt32) -> Int? {
        count += 1
        if let told, nowSeconds &- told < pauseSeconds { return nil }
        defer { count = 0 }
        told = nowSeconds
        return count
    }
}
