import Glibc

/// How long one step took.
public struct StageTiming: Sendable, Equatable {
    public let stage: String
    public let nanos: UInt64
}

/// Where the time of a pod's start went, for metrics and benchmarks.
public struct PodTimings: Sendable, Equatable {
    /// network, record, cgroup (with the socket), spawn, hello.
    public let sandbox: [StageTiming]
    /// By container id: plan, folder (with the cgroup), start.
    public let containers: [String: [StageTiming]]
}

/// Laps on the monotonic clock.
struct Stopwatch: Sendable {
    private var last = Self.now()
    private(set) var laps: [StageTiming] = []

    /// What has passed since the lap before.
    mutating func lap(_ stage: String) {
        let now = Self.now()
        laps.append(StageTiming(stage: stage, nanos: now &- last))
        last = now
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
