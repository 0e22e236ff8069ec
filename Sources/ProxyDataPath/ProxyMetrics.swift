import Synchronization

/// How long changes took, and how many failed: under the names of kube-proxy's metrics they are
/// `kubeproxy_sync_proxy_rules_duration_seconds` and its like.
public final class ProxyMetrics: Sendable {
    /// Upper ends of the histogram's buckets in seconds, as kube-proxy has them; beyond is one more.
    public static let bounds: [Double] = (0..<15).map { 0.001 * Double(1 << $0) }

    public struct Syncs: Sendable {
        /// Changes that were brought to where they are carried, by duration.
        public var buckets = [UInt64](repeating: 0, count: ProxyMetrics.bounds.count + 1)
        public var count: UInt64 = 0
        public var totalSeconds = 0.0
        public var failures: UInt64 = 0
        /// Of the last one, in seconds.
        public var lastSeconds = 0.0
    }

    private let state = Mutex(Syncs())

    public var syncs: Syncs { state.withLock { $0 } }

    func count(_ duration: Duration, isFailure: Bool) {
        let (whole, fraction) = duration.components
        let seconds = Double(whole) + Double(fraction) / 1e18
        state.withLock { syncs in
            syncs.count += 1
            syncs.totalSeconds += seconds
            syncs.lastSeconds = seconds
            syncs.buckets[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
            if isFailure { syncs.failures += 1 }
        }
    }
}
