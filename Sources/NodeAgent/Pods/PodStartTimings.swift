import KubeAPI

/// When a pod's first start reached which stage, from when the kubelet first saw it.
struct PodStartTimings: Sendable, Equatable {
    let seenAt: ContinuousClock.Instant
    var sandboxAsked: Duration?
    var sandboxMade: Duration?
    /// The pod's files are there as well.
    var sandbox: Duration?
    var volumes: Duration?
    var images: Duration?
    var startAsked: Duration?
    /// The first container's program was executed.
    var firstStart: Duration?
    /// All containers run.
    var running: Duration?
    /// The API knows that.
    var reported: Duration?

    init(seenAt: ContinuousClock.Instant) { self.seenAt = seenAt }

    /// Notes a stage, the first time that it is reached.
    mutating func reach(_ stage: WritableKeyPath<PodStartTimings, Duration?>, at now: ContinuousClock.Instant) {
        if self[keyPath: stage] == nil { self[keyPath: stage] = now - seenAt }
    }

    /// The stages that were reached, in the order in which a start usually reaches them.
    var stages: [(name: String, after: Duration)] {
        let all: [(String, Duration?)] = [
            ("sandbox asked for", sandboxAsked), ("images found", images), ("volumes ready", volumes),
            ("sandbox made", sandboxMade), ("sandbox ready", sandbox), ("start asked for", startAsked),
            ("first container started", firstStart), ("running", running), ("reported", reported),
        ]
        return all.compactMap { name, after in after.map { (name, $0) } }
    }
}
