import KubeAPI

/// How long a job waits after pods that failed: 10 s, doubling with each until one succeeds, at most ten minutes.
struct JobBackoff: Sendable {
    static let first: Duration = .seconds(10)
    static let limit: Duration = .seconds(600)

    private(set) var failures = 0
    private(set) var latest: Timestamp?

    mutating func note(succeeded: [Pod], failed: [Pod], _ now: Timestamp) {
        let lastSuccess = succeeded.map { Self.end(of: $0, now) }.max()
        if lastSuccess != nil { failures = 0 }
        for end in failed.map({ Self.end(of: $0, now) }) where lastSuccess.map({ end > $0 }) ?? true {
            failures += 1
            latest = max(latest ?? end, end)
        }
    }

    func remaining(_ now: Timestamp, first: Duration = JobBackoff.first) -> Duration {
        guard failures > 0, let latest else { return .zero }
        let pause = failures > 30 ? Self.limit : min(first * (1 << (failures - 1)), Self.limit)
        return max(.zero, latest + pause - now)
    }

    /// When the last container ended; else when the pod was deleted.
    static func end(of pod: Pod, _ now: Timestamp) -> Timestamp {
        let ends = pod.containerStatuses.compactMap { Timestamp($0.terminated?["finishedAt"] ?? .null) }
        return ends.max() ?? pod.json.deletionTimestamp.flatMap { Timestamp(rfc3339: $0) } ?? now
    }
}
