import Synchronization

/// What probes have found, counted under the names of Kubernetes' /metrics/probes.
final class ProbeMetrics: Sendable {
    struct Labels: Sendable, Hashable {
        var kind: ProbeKind
        var namespace: String
        var pod: String
        var podUID: String
        var container: String
    }

    private struct Series {
        var counts: [String: Int] = [:]
        var durations = Histogram(bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10])
    }
    private let series = Mutex<[Labels: Series]>([:])

    func observe(_ outcome: ProbeOutcome, _ labels: Labels, took duration: Duration) {
        series.withLock { series in
            series[labels, default: Series()].counts[outcome.label, default: 0] += 1
            // What a probe of nothing took says nothing.
            if outcome.isHealthy == true { series[labels]?.durations.observe(duration) }
        }
    }

    /// A pod is gone: its series go with it.
    func forget(podUID: String) { series.withLock { $0 = $0.filter { $0.key.podUID != podUID } } }

    /// In Prometheus' text form.
    func text() -> String {
        let series = series.withLock { $0 }.sorted { Self.order($0.key) < Self.order($1.key) }
        var total = """
            # HELP prober_probe_total Cumulative number of a liveness, readiness or startup probe for a container by result.
            # TYPE prober_probe_total counter

            """
        var durations = """
            # HELP prober_probe_duration_seconds Duration in seconds for a probe response.
            # TYPE prober_probe_duration_seconds histogram

            """
        for (labels, series) in series {
            let common = "container=\"\(labels.container)\",namespace=\"\(labels.namespace)\",pod=\"\(labels.pod)\""
            for (result, count) in series.counts.sorted(by: { $0.key < $1.key }) {
                total +=
                    "prober_probe_total{\(common),pod_uid=\"\(labels.podUID)\",probe_type=\"\(labels.kind.rawValue)\","
                    + "result=\"\(result)\"} \(count)\n"
            }
            guard series.durations.count > 0 else { continue }
            durations += series.durations.text(
                "prober_probe_duration_seconds", labels: "\(common),probe_type=\"\(labels.kind.rawValue)\"")
        }
        return total + durations
    }

    private static func order(_ labels: Labels) -> String {
        "\(labels.namespace)/\(labels.pod)/\(labels.podUID)/\(labels.container)/\(labels.kind.rawValue)"
    }
}
