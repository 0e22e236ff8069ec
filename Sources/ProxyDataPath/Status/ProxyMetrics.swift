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
        var sync = ProxyHistogram(bounds: ProxyMetrics.bounds)
        var programming = ProxyHistogram(bounds: ProxyMetrics.programmingBounds)
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

    /// In Prometheus' text form. `extra`: what is there at this moment, by name, help, labels and value.
    func text(_ extra: [(name: String, help: String, values: [(labels: String, value: Double)])]) -> String {
        let now = state.withLock { $0 }
        var text = now.sync.text(
            "kubeproxy_sync_proxy_rules_duration_seconds", help: "SyncProxyRules latency in seconds")
        text += now.programming.text(
            "kubeproxy_network_programming_duration_seconds",
            help: "In Cluster Network Programming Latency in seconds")
        func add(_ name: String, _ type: String, _ help: String, _ values: [(labels: String, value: Double)]) {
            text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
            for (labels, value) in values {
                text += "\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(ProxyHistogram.number(value))\n"
            }
        }
        func one(_ value: some BinaryInteger) -> [(labels: String, value: Double)] { [("", Double(value))] }
        func time(_ value: Timestamp?) -> [(labels: String, value: Double)] {
            [("", value.map { Double($0.unixNanos) / 1e9 } ?? 0)]
        }
        let prefix = "kubeproxy_sync_proxy_rules_"
        add(
            prefix + "last_timestamp_seconds", "gauge", "The last time proxy rules were successfully synced",
            time(now.lastSync))
        add(
            prefix + "last_queued_timestamp_seconds", "gauge", "The last time a sync of proxy rules was queued",
            time(now.lastQueued))
        add(
            prefix + "service_changes_total", "counter", "Cumulative proxy rules Service changes",
            one(now.serviceChanges))
        add(
            prefix + "service_changes_pending", "gauge", "Pending proxy rules Service changes",
            one(now.pendingServiceChanges))
        add(
            prefix + "endpoint_changes_total", "counter", "Cumulative proxy rules Endpoint changes",
            one(now.endpointChanges))
        add(
            prefix + "endpoint_changes_pending", "gauge", "Pending proxy rules Endpoint changes",
            one(now.pendingEndpointChanges))
        add(
            prefix + "nftables_sync_failures_total", "counter", "Cumulative proxy nftables sync failures",
            one(now.syncs.failures))
        add(
            "swiftlet_proxy_restorations_total", "counter",
            "Times that the table was looked over because somebody else had changed it", one(now.restorations))
        for page in ["healthz", "livez"] {
            add(
                "kubeproxy_proxy_\(page)_total", "counter", "Cumulative proxy \(page) HTTP status",
                (now.answers[page] ?? [:]).sorted { $0.key < $1.key }.map { ("code=\"\($0.key)\"", Double($0.value)) })
        }
        for gauge in extra { add(gauge.name, "gauge", gauge.help, gauge.values) }
        return text
    }
}
