/// What the probes have found of one run of a container, by their thresholds.
struct ContainerHealth: Sendable, Equatable {
    /// How often in a row a probe has found the same.
    private struct Streak: Sendable, Equatable {
        var isHealthy: Bool
        var count: Int
    }
    private var streaks: [ProbeKind: Streak] = [:]
    private var verdicts: [ProbeKind: Bool] = [:]

    /// What counts; nil as long as no threshold has been reached.
    subscript(_ kind: ProbeKind) -> Bool? {
        get { verdicts[kind] }
        set { verdicts[kind] = newValue }
    }

    /// A probe has found something.
    mutating func observe(_ isHealthy: Bool, by spec: ProbeSpec) {
        var streak = streaks[spec.kind] ?? Streak(isHealthy: isHealthy, count: 0)
        streak = streak.isHealthy == isHealthy ? streak : Streak(isHealthy: isHealthy, count: 0)
        // A container that is probed for years must not overflow.
        streak.count = min(streak.count + 1, max(spec.successThreshold, spec.failureThreshold))
        streaks[spec.kind] = streak
        if streak.count >= (isHealthy ? spec.successThreshold : spec.failureThreshold) {
            verdicts[spec.kind] = isHealthy
        }
    }
}
