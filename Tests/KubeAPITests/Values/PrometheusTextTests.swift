import Testing

@testable import KubeAPI

@Suite struct PrometheusTextTests {
    @Test func aHistogramCountsUpwards() {
        var histogram = MetricHistogram(bounds: [0.25, 1])
        for value in [0.1, 0.25, 0.5, 7] { histogram.observe(value) }
        var text = PrometheusText()
        text.one("x_seconds", "Words", histogram)
        #expect(
            text.text == """
                # HELP x_seconds Words
                # TYPE x_seconds histogram
                x_seconds_bucket{le="0.25"} 2
                x_seconds_bucket{le="1"} 3
                x_seconds_bucket{le="+Inf"} 4
                x_seconds_sum 7.85
                x_seconds_count 4

                """)
    }

    @Test func labelsAreEscapedAndTimesAreInMilliseconds() {
        var text = PrometheusText()
        text.family("a", .gauge, "Words")
        text.sample("a", [("path", "C:\\x\"y\nz")], 1.5, at: Timestamp(unixSeconds: 12, nanos: 345_678_901))
        text.sample("a", [], 3)
        #expect(text.text == "# HELP a Words\n# TYPE a gauge\na{path=\"C:\\\\x\\\"y\\nz\"} 1.5 12345\na 3\n")
    }
}
