import KubeAPI

/// Probes one container of one run, again and again until its task is cancelled.
struct ProbeLoop: Sendable {
    let spec: ProbeSpec
    let target: HealthTarget
    let runner: any HealthRunner
    let metrics: ProbeMetrics
    let labels: ProbeMetrics.Labels
    /// How long the first probe waits for a program that does not listen yet. Kubernetes' first probe comes that much
    /// after the start, ours at once: a program that needs 20 ms must not be unready for a whole period.
    var firstPatience: Duration = .seconds(1)
    let tell: @Sendable (ProbeOutcome) -> Void

    /// A probe that does not work is tried again at once, so often in all.
    private static let attempts = 3

    /// Pauses between looks at a port where nobody listens: they cost the program nothing, for the kernel answers.
    private static let shortestPause: Duration = .milliseconds(5)
    private static let longestPause: Duration = .seconds(1)

    func run(from first: ContinuousClock.Instant) async {
        var due = first
        // Whoever waits for a first success is told as soon as there is one; the liveness of what has begun is not urgent.
        var isEager = spec.kind != .liveness
        var isFirst = true
        var successes = 0
        while true {
            // Cancelled when nobody asks any more.
            guard (try? await Task.sleep(until: due, clock: .continuous)) != nil else { return }
            let start = ContinuousClock.now
            var outcome = await probe()
            if isEager, isFirst, Self.isRefused(outcome),
                let better = await whenSomebodyListens(until: start + min(firstPatience, spec.period))
            {
                outcome = better
            }
            isFirst = false
            guard !Task.isCancelled else { return }
            metrics.observe(outcome, labels, took: ContinuousClock.now - start)
            successes = outcome.isHealthy == true ? successes + 1 : 0
            // What has been healthy stays so without waking anybody.
            if outcome != .success || successes <= spec.successThreshold { tell(outcome) }
            if outcome.isHealthy == true { isEager = false }
            // One that takes longer than its period is followed by the next at once, and by one only.
            due = max(due + spec.period, .now)
            guard isEager, Self.isRefused(outcome) else { continue }
            // Only a success counts between two probes of the period.
            guard let early = await whenSomebodyListens(until: due), early.isHealthy == true, !Task.isCancelled
            else { continue }
            isEager = false
            successes = 1
            metrics.observe(early, labels, took: .zero)
            tell(early)
            due = .now + spec.period
        }
    }

    /// Looks until somebody listens, and what he says; nil where nobody does by then.
    private func whenSomebodyListens(until limit: ContinuousClock.Instant) async -> ProbeOutcome? {
        var backoff = Backoff(first: Self.shortestPause, limit: Self.longestPause)
        while true {
            let next = ContinuousClock.now + backoff.next()
            guard next < limit else { return nil }
            // Cancelled: there is nothing to wait for.
            guard (try? await Task.sleep(until: next, clock: .continuous)) != nil else { return nil }
            let outcome = await runner.probe(spec.action, of: target, timeout: spec.timeout)
            if !Self.isRefused(outcome) { return outcome }
        }
    }

    private static func isRefused(_ outcome: ProbeOutcome) -> Bool {
        if case .failure(_, nobodyListens: true) = outcome { true } else { false }
    }

    private func probe() async -> ProbeOutcome {
        var outcome = ProbeOutcome.success
        for _ in 0..<Self.attempts {
            outcome = await runner.probe(spec.action, of: target, timeout: spec.timeout)
            guard case .error = outcome, !Task.isCancelled else { return outcome }
        }
        return outcome
    }
}
