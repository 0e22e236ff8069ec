import KubeAPI

/// What a node has said lately, from which rates are made.
struct UsageHistory: Sendable {
    /// What processor use is averaged over where there is a choice, as metrics-server does between two of its rounds.
    static let window = Duration.seconds(15)
    /// Over less, the kernel's own granularity shows.
    static let shortest = Duration.seconds(1)
    /// An average over longer is not what somebody wants who asks for what is used now.
    static let longest = Duration.seconds(120)

    private var scrapes: [(at: ContinuousClock.Instant, scrape: ResourceScrape)] = []

    /// What somebody uses: over the time up to the last reading.
    struct Usage: Sendable, Equatable {
        /// Billionths of a core.
        let cpuNanoCores: Int64
        let memoryBytes: Int64
        let at: Timestamp
        let window: Duration
    }

    var newest: ContinuousClock.Instant? { scrapes.last?.at }

    mutating func add(_ scrape: ResourceScrape, at time: ContinuousClock.Instant) {
        scrapes.removeAll { time - $0.at > Self.longest }
        scrapes.append((time, scrape))
        // One that is old enough will do.
        while scrapes.count > 2, time - scrapes[1].at >= Self.window { scrapes.removeFirst() }
    }

    /// The newest reading that is a window old, else the oldest that is not too young.
    private var before: ResourceScrape? {
        guard let last = scrapes.last else { return nil }
        let earlier = scrapes.dropLast().filter { last.at - $0.at >= Self.shortest }
        return (earlier.last { last.at - $0.at >= Self.window } ?? earlier.first)?.scrape
    }

    /// Whether there are two readings to make rates of.
    var isUsable: Bool { before != nil }

    var node: Usage? { scrapes.last.flatMap { Self.usage($0.scrape.node, before: before?.node) } }

    /// By pod (`namespace/name`), then container. A pod with a container that nothing can be said of yet is left out as a
    /// whole: its sum would be wrong.
    var pods: [String: [(container: String, usage: Usage)]] {
        guard let last = scrapes.last else { return [:] }
        let before = before
        var pods: [String: [(container: String, usage: Usage)]] = [:]
        var unknown: Set<String> = []
        for (key, reading) in last.scrape.containers.sorted(by: { $0.key.container < $1.key.container }) {
            let pod = "\(key.namespace)/\(key.pod)"
            if let usage = Self.usage(reading, before: before?.containers[key]) {
                pods[pod, default: []].append((key.container, usage))
            } else {
                unknown.insert(pod)
            }
        }
        for pod in unknown { pods[pod] = nil }
        return pods
    }

    private static func usage(_ reading: ResourceScrape.Reading, before: ResourceScrape.Reading?) -> Usage? {
        guard let at = reading.at, let cpu = reading.cpuSeconds, let memory = reading.memoryBytes else { return nil }
        if let before, let earlier = before.at, let used = before.cpuSeconds, before.startedAt == reading.startedAt,
            cpu >= used, at > earlier
        {
            return usage(cpu - used, memory, at, over: at - earlier)
        }
        // Started between the readings: since its start, then.
        guard let startedAt = reading.startedAt else { return nil }
        let start = Timestamp(unixNanos: Int64(startedAt * 1e9))
        guard at > start, before?.at.map({ start > $0 }) ?? (at - start < longest) else { return nil }
        return usage(cpu, memory, at, over: at - start)
    }

    private static func usage(_ seconds: Double, _ memory: Int64, _ at: Timestamp, over window: Duration) -> Usage {
        let cores = seconds / (window / .seconds(1))
        return Usage(
            cpuNanoCores: Int64(min(cores * 1e9, 1e15).rounded()), memoryBytes: memory, at: at, window: window)
    }
}
