import KubeAPI

/// When a pod's first start reached which stage, from when the kubelet first saw it.
struct PodStartTimings: Sendable, Equatable {
    let seenAt: ContinuousClock.Instant
    var sandbox: Duration?
    var volumes: Duration?
    var images: Duration?
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

    /// In milliseconds.
    var json: JSON {
        func ms(_ duration: Duration?) -> JSON {
            duration.map { .double(Double($0.nanoseconds / 1000) / 1000) } ?? .null
        }
        return [
            "sandboxMs": ms(sandbox), "volumesMs": ms(volumes), "imagesMs": ms(images), "firstStartMs": ms(firstStart),
            "runningMs": ms(running), "reportedMs": ms(reported),
        ]
    }
}
