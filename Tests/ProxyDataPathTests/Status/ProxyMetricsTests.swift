import KubeAPI
import Testing

@testable import ProxyDataPath

@Suite struct ProxyMetricsTests {
    @Test func saysWhatDashboardsAskFor() {
        let metrics = ProxyMetrics()
        metrics.countServiceChange()
        metrics.countEndpointChange()
        metrics.count(.milliseconds(3), isFailure: true)
        var text = metrics.text([])
        #expect(text.contains("kubeproxy_sync_proxy_rules_endpoint_changes_pending 1\n"))
        #expect(text.contains("kubeproxy_sync_proxy_rules_nftables_sync_failures_total 1\n"))
        #expect(text.contains("kubeproxy_sync_proxy_rules_last_timestamp_seconds 0\n"))
        metrics.count(.milliseconds(3), isFailure: false)
        metrics.observeProgramming(.milliseconds(400))
        metrics.countAnswer("healthz", code: 503)
        text = metrics.text([ProxyMetrics.Gauge(name: "swiftlet_x", help: "Words", values: [([("set", "a")], 2)])])
        #expect(text.contains("kubeproxy_sync_proxy_rules_endpoint_changes_pending 0\n"))
        #expect(text.contains("kubeproxy_sync_proxy_rules_endpoint_changes_total 1\n"))
        #expect(text.contains("kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"0.004\"} 2\n"))
        #expect(text.contains("kubeproxy_network_programming_duration_seconds_bucket{le=\"0.25\"} 0\n"))
        #expect(text.contains("kubeproxy_network_programming_duration_seconds_bucket{le=\"0.5\"} 1\n"))
        #expect(text.contains("kubeproxy_proxy_healthz_total{code=\"503\"} 1\n"))
        #expect(text.contains("# TYPE swiftlet_x gauge\nswiftlet_x{set=\"a\"} 2\n"))
        #expect(!text.contains("last_timestamp_seconds 0\n"))
    }
}
