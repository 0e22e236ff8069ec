import KubeAPI
import Synchronization

/// Counts of what the proxy did, under the names that kube-proxy has for them.
public final class ProxyMetrics: Sendable {
    /// As kube-proxy has them: 1 ms to 16 s by doubling.
    static let bounds: [Double] = (0..<15).map { 0.001 * Double(1 << $0) }
    /// Quarters of a second, then seconds, then coarser up to five minutes.
    private static let programmingBounds: [Double] =
        [0.25, 0.5] + (1..<60).map(Double.init) + stride(from: 60.0, through: 115, by: 5)
        + stride(from: 120.0, through: 300, by: 30)

    /// What has been counted so far.
    public struct Syncs: Sendable {
        public internal(set) var count: UInt64 = 0
        public internal(set) var failures: UInt64 = 0
        public internal(set) var totalSeconds = 0.0
        /// By duration: one for each of `bounds`, and one for what took longer.
        var buckets: [UInt64] = []
        /// Of the last one, in seconds.
        public internal(set) var lastSeconds = 0.0
    }

    private struct State {
        var syncs = Syncs()
        var sync = MetricHistogram(bounds: ProxyMetrics.bounds)
        var programming = MetricHistogram(bounds: ProxyMetrics.programmingBounds)
        var lastSync: Timestamp?
        var lastQueued: Timestamp?
        var serviceChanges: UInt64 = 0
        var endpointChanges: UInt64 = 0
        var pendingServiceChanges: UInt64 = 0
        var pendingEndpointChanges: UInt64 = 0
        var answers: [String: [Int: UInt64]] = [:]
        var restorations: UInt64 = 0
    }
    private let state = Mutex(State())

    /// Transactions, or what stands for them in userspace mode.
    public var syncs: Syncs {
        state.withLock { state in
            var syncs = state.syncs
            syncs.buckets = state.sync.counts
            return syncs
        }
    }

    var lastSync: Timestamp? { state.withLock { $0.lastSync } }

    func count(_ duration: Duration, isFailure: Bool) {
        let seconds = duration / .seconds(1)
        state.withLock { state in
            state.syncs.count += 1
            state.syncs.totalSeconds += seconds
            state.syncs.lastSeconds = seconds
            state.sync.observe(seconds)
            if isFailure {
                state.syncs.failures += 1
            } else {
                state.lastSync = .now()
                state.pendingServiceChanges = 0
                state.pendingEndpointChanges = 0
            }
        }
    }
    func countServiceChange() {
        state.withLock { state in
            state.serviceChanges += 1
            state.pendingServiceChanges += 1
        }
    }
    func countEndpointChange() {
        state.withLock { state in
            state.endpointChanges += 1
            state.pendingEndpointChanges += 1
        }
    }
    func countQueued() { state.withLock { $0.lastQueued = .now() } }
    func countRestoration() { state.withLock { $0.restorations += 1 } }
    /// From a change of a pod to the rules that follow from it.
    func observeProgramming(_ latency: Duration) { state.withLock { $0.programming.observe(latency / .seconds(1)) } }
    /// An answer of `/healthz` or `/livez`.
    func countAnswer(_ page: String, code: Int) {
        state.withLock { $0.answers[page, default: [:]][code, default: 0] += 1 }
    }

    /// A metric that is read when it is asked for.
    struct Gauge {
        let name: String
        let help: String
        let values: [(labels: PrometheusText.Labels, value: Double)]
    }

    /// In Prometheus' text form. `extra`: what is there at this moment.
    func text(_ extra: [Gauge]) -> String {
        let now = state.withLock { $0 }
        var text = PrometheusText()
        text.one("kubeproxy_sync_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds", now.sync)
        text.one(
            "kubeproxy_network_programming_duration_seconds", "In Cluster Network Programming Latency in seconds",
            now.programming)
        func time(_ value: Timestamp?) -> Double { value.map { Double($0.unixNanos) / 1e9 } ?? 0 }
        let prefix = "kubeproxy_sync_proxy_rules_"
        text.one(
            prefix + "last_timestamp_seconds", .gauge, "The last time proxy rules were successfully synced",
            time(now.lastSync))
        text.one(
            prefix + "last_queued_timestamp_seconds", .gauge, "The last time a sync of proxy rules was queued",
            time(now.lastQueued))
        text.one(
            prefix + "service_changes_total", .counter, "Cumulative proxy rules Service changes", now.serviceChanges)
        text.one(
            prefix + "service_changes_pending", .gauge, "Pending proxy rules Service changes",
            now.pendingServiceChanges)
        text.one(
            prefix + "endpoint_changes_total", .counter, "Cumulative proxy rules Endpoint changes",
            now.endpointChanges)
        text.one(
            prefix + "endpoint_changes_pending", .gauge, "Pending proxy rules Endpoint changes",
            now.pendingEndpointChanges)
        text.one(
            prefix + "nftables_sync_failures_total", .counter, "Cumulative proxy nftables sync failures",
            now.syncs.failures)
        text.one(
            "swiftlet_proxy_restorations_total", .counter,
            "Times that the table was looked over because somebody else had changed it", now.restorations)
        for page in ["healthz", "livez"] {
            let name = "kubeproxy_proxy_\(page)_total"
            text.family(name, .counter, "Cumulative proxy \(page) HTTP status")
            for (code, count) in (now.answers[page] ?? [:]).sorted(by: { $0.key < $1.key }) {
                text.sample(name, [("code", "\(code)")], count)
            }
        }
        for gauge in extra {
            text.family(gauge.name, .gauge, gauge.help)
            for (labels, value) in gauge.values { text.sample(gauge.name, labels, value) }
        }
        return text.text
    }
}
