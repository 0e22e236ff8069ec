import KubeAPI

extension DNSServer {
    /// What it has done, in Prometheus' text form, under CoreDNS' names where it has them for what we count.
    public func metricsText() -> String { Self.metricsText(counts) }

    static func metricsText(_ counts: DNSCounts) -> String {
        var text = PrometheusText()
        text.one(
            "coredns_dns_requests_total", .counter, "Questions that were answered or passed on.", counts.queries)
        text.one(
            "coredns_acl_blocked_requests_total", .counter, "Questions from where nobody is answered.",
            counts.strangers)
        text.one(
            "coredns_cache_requests_total", .counter, "Questions about other names, for which the cache was looked at.",
            counts.forwarded)
        text.one("coredns_cache_hits_total", .counter, "Those that the cache answered.", counts.cacheHits)
        text.one(
            "coredns_cache_misses_total", .counter, "Those that the cache did not answer.",
            max(0, counts.forwarded - counts.cacheHits))
        text.one(
            "swiftlet_dns_unanswered_total", .counter, "Questions that no resolver behind has answered.",
            counts.failures)
        return text.text
    }
}
