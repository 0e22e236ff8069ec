import KubeAPI
import Synchronization

/// How fast processor time is used: between the reading before and this one. Remembers one reading of each for as long
/// as it may serve.
final class RecentRates: Sendable {
    /// A rate over less says little; the reading before is kept instead.
    static let shortest = Duration.seconds(1)
    /// Older readings are forgotten: a rate over that long is not what somebody who asks wants to know.
    static let longest = Duration.seconds(120)

    private struct Known {
        var at: Timestamp
        var cpuNanos: UInt64
        var rate: UInt64?
    }
    private let known = Mutex<[String: Known]>([:])

    /// Billionths of a core; nil where there is no reading before. `key`: a run of a container, a pod, the node.
    func rate(_ key: String, _ cpuNanos: UInt64, at time: Timestamp) -> UInt64? {
        known.withLock { known in
            guard let before = known[key], time - before.at < Self.longest, cpuNanos >= before.cpuNanos else {
                known[key] = Known(at: time, cpuNanos: cpuNanos)
                return nil
            }
            let passed = (time - before.at).nanoseconds
            guard time - before.at >= Self.shortest else { return before.rate }
            let rate = UInt64(Double(cpuNanos - before.cpuNanos) / Double(passed) * 1e9)
            known[key] = Known(at: time, cpuNanos: cpuNanos, rate: rate)
            return rate
        }
    }

    /// Forgets what is too old to serve.
    func prune(now: Timestamp = .now()) {
        known.withLock { $0 = $0.filter { now - $0.value.at < Self.longest } }
    }
}
