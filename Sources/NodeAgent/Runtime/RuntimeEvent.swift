import Kernel

/// What happens on its own in a pod.
public enum RuntimeEvent: Sendable {
    case containerExited(podUID: String, containerID: String, ExitRecord)
    /// The pod's supervisor has died, and with it all its containers: the sandbox is to be removed and made anew.
    case sandboxDied(podUID: String, reason: String)
}

/// What a pod or one of its containers has used.
public struct UsageReading: Sendable, Equatable {
    /// Processor time since the start, in nanoseconds.
    public var cpuNanos: UInt64
    /// Memory that can't be reclaimed at once: usage less the inactive file cache.
    public var workingSetBytes: UInt64
    public var memoryUsageBytes: UInt64
    public var rssBytes: UInt64
    /// Processes and threads.
    public var pids: UInt64
    /// Of the page cache.
    public var cacheBytes: UInt64 = 0
    public var pageFaults: UInt64 = 0
    /// Those that had to wait for a disk.
    public var majorPageFaults: UInt64 = 0
    /// Periods under a processor quota, those in which it was used up, and the nanoseconds of waiting that followed.
    public var quotaPeriods: UInt64 = 0
    public var throttledPeriods: UInt64 = 0
    public var throttledNanos: UInt64 = 0
}

/// The readings of one pod.
public struct PodUsage: Sendable {
    public let pod: UsageReading
    /// By container id.
    public let containers: [String: UsageReading]
    /// Through the pod's link, as the pod sees it; nil for a pod on the node's network.
    public let traffic: LinkTraffic?
}
