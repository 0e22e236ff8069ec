/// What a cgroup may use; nil leaves the kernel's default.
public struct CgroupLimits: Sendable, Equatable {
    /// 2 to 262144, as v1 counts: 1024 is one processor's worth.
    public var cpuShares: UInt64?
    /// Microseconds of processor time in each 100 ms.
    public var cpuQuotaMicros: UInt64?
    public var memoryBytes: Int64?
    public var pids: Int?

    public init(
        cpuShares: UInt64? = nil, cpuQuotaMicros: UInt64? = nil, memoryBytes: Int64? = nil, pids: Int? = nil
    ) {
        self.cpuShares = cpuShares
        self.cpuQuotaMicros = cpuQuotaMicros
        self.memoryBytes = memoryBytes
        self.pids = pids
    }

    public static let cpuPeriodMicros: UInt64 = 100_000

    /// v2's scale, 1 to 10000, by the formula that the OCI runtimes share.
    public var cpuWeight: UInt64? {
        cpuShares.map { 1 + (min(max($0, 2), 262_144) - 2) * 9999 / 262_142 }
    }
}

/// What a cgroup and all below it have used.
public struct CgroupUsage: Sendable, Equatable {
    public var cpuNanos: UInt64 = 0
    public var memoryBytes: UInt64 = 0
    public var inactiveFileBytes: UInt64 = 0
    public var rssBytes: UInt64 = 0
    /// Of the page cache.
    public var cacheBytes: UInt64 = 0
    public var pageFaults: UInt64 = 0
    /// Those that had to wait for a disk.
    public var majorPageFaults: UInt64 = 0
    /// Periods in which the group ran under a quota, those in which the quota ended before its work did, and how long
    /// the work then waited.
    public var quotaPeriods: UInt64 = 0
    public var throttledPeriods: UInt64 = 0
    public var throttledNanos: UInt64 = 0
    public var pids: UInt64 = 0
    public init() {}
}
