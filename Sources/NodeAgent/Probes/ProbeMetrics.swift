import KubeAPI
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
        var durations = MetricHistogram(bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10])
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
        var text = PrometheusText()
        let total = "prober_probe_total"
        text.family(
            total, .counter,
            "Cumulative number of a liveness, readiness or startup probe for a container by result.")
        for (labels, series) in series {
            for (result, count) in series.counts.sorted(by: { $0.key < $1.key }) {
                text.sample(
                    total,
                    Self.common(labels) + [
                        ("pod_uid", labels.podUID), ("probe_type", labels.kind.rawValue), ("result", result),
                    ], count)
            }
        }
        let duration = "prober_probe_duration_seconds"
        text.family(duration, .histogram, "Duration in seconds for a probe response.")
        for (labels, series) in series where series.durations.count > 0 {
            text.samples(duration, Self.common(labels) + [("probe_type", labels.kind.rawValue)], series.durations)
        }
        return text.text
    }

    private static func common(_ labels: Labels) -> PrometheusText.Labels {
        [("container", labels.container), ("namespace", labels.namespace), ("pod", labels.pod)]
    }

    private static func order(_ labels: Labels) -> String {
        "\(labels.namespace)/\(labels.pod)/\(labels.podUID)/\(labels.container)/\(labels.kind.rawValue)"
    }
}
