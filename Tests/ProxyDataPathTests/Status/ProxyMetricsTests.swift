import KubeAPI
import Testing

@testable import ProxyDataPath

@Suite struct ProxyMetricsTests {
    @Test func aHistogramCountsUpwards() {
        var histogram = ProxyHistogram(bounds: [0.25, 1])
        for value in [0.1, 0.25, 0.5, 7] { histogram.observe(value) }
        #expect(
            histogram.text("x_seconds", help: "Words") == """
                # HELP x_seconds Words
                # TYPE x_seconds histogram
                x_seconds_bucket{le="0.25"} 2
                x_seconds_bucket{le="1"} 3
                x_seconds_bucket{le="+Inf"} 4
                x_seconds_sum 7.85
                x_seconds_count 4

                """)
    }

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
        text = metrics.text([("swiftlet_x", "Words", [("set=\"a\"", 2)])])
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
