import Glibc

/// The v1 hierarchies, one for each controller (or for several that are mounted together), and v2 beside them where it
/// is mounted: cgroup.kill and cgroup.events are only there.
public final class CgroupsV1: Cgroups {
    /// Those that we use. cpuset and freezer are left alone, and so is what nobody asks for.
    static let wanted = ["cpu", "cpuacct", "memory", "pids", "devices"]

    private let name: String
    /// The top of our tree by controller.
    private let tops: [String: String]
    /// The same without repetition, in a fixed order.
    private let uniqueTops: [String]
    private let unifiedTop: String?
    private let hasKillFile: Bool
    public let isUnified = false
    public let parent: String? = nil

    /// The devices that every container may use: null, zero, full, random, urandom, tty, console, ptmx, pts.
    static let allowedDevices = [
        "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm",
        "c 5:2 rwm", "c 136:* rwm",
    ]

    public init(name: String, mounts: CgroupMounts) throws(KernelError) {
        self.name = name
        var tops: [String: String] = [:]
        for controller in Self.wanted {
            if let mount = mounts.controllers[controller] { tops[controller] = mount + "/" + name }
        }
        self.tops = tops
        uniqueTops = Set(tops.values).sorted()
        unifiedTop = mounts.unified.map { $0 + "/" + name }
        for top in uniqueTops { try CgroupFolder.make(top) }
        if let unifiedTop { try CgroupFolder.make(unifiedTop) }
        hasKillFile = unifiedTop.map { access($0 + "/cgroup.kill", F_OK) == 0 } ?? false
    }

    public var layout: String {
        "v1 (\(Self.wanted.filter { tops[$0] != nil }.joined(separator: ",")))"
            + (unifiedTop == nil ? "" : hasKillFile ? " + v2" : " + v2 without cgroup.kill")
    }

    private func folder(_ controller: String, _ path: String) -> String? {
        tops[controller].map { path.isEmpty ? $0 : $0 + "/" + path }
    }
    private func unified(_ path: String) -> String? { unifiedTop.map { path.isEmpty ? $0 : $0 + "/" + path } }
    private func below(_ top: String, _ path: String) -> String { path.isEmpty ? top : top + "/" + path }

    public func create(_ path: String, _ limits: CgroupLimits, isInner: Bool) throws(KernelError) {
        for top in uniqueTops { try CgroupFolder.make(below(top, path)) }
        if let unified = unified(path) { try CgroupFolder.make(unified) }
        try update(path, limits)
    }

    public func update(_ path: String, _ limits: CgroupLimits) throws(KernelError) {
        if let cpu = folder("cpu", path) {
            if let shares = limits.cpuShares { try KernelFile.write("\(shares)", to: cpu + "/cpu.shares") }
            if let quota = limits.cpuQuotaMicros {
                try KernelFile.write("\(CgroupLimits.cpuPeriodMicros)", to: cpu + "/cpu.cfs_period_us")
                try KernelFile.write("\(quota)", to: cpu + "/cpu.cfs_quota_us")
            }
        }
        if let bytes = limits.memoryBytes, let memory = folder("memory", path) {
            try KernelFile.write("\(bytes)", to: memory + "/memory.limit_in_bytes")
            // Swap counts too, where the kernel counts it.
            if access(memory + "/memory.memsw.limit_in_bytes", W_OK) == 0 {
                try KernelFile.write("\(bytes)", to: memory + "/memory.memsw.limit_in_bytes")
            }
        }
        if let count = limits.pids, let pids = folder("pids", path) {
            try KernelFile.write("\(count)", to: pids + "/pids.max")
        }
    }

    public func limitDevices(_ path: String) throws(KernelError) {
        guard let devices = folder("devices", path) else { return }
        try KernelFile.write("a", to: devices + "/devices.deny")
        for rule in Self.allowedDevices { try KernelFile.write(rule, to: devices + "/devices.allow") }
    }

    public func entrance(_ path: String, isInner: Bool) -> CgroupEntrance {
        CgroupEntrance(tasksFiles: uniqueTops.map { below($0, path) + "/tasks" }, directory: unified(path))
    }

    public func oomFile(_ path: String) -> String? { folder("memory", path).map { $0 + "/memory.oom_control" } }

    public func killFile(_ path: String) -> String? {
        if hasKillFile, let unified = unified(path) { return unified + "/cgroup.kill" }
        return uniqueTops.first.map { below($0, path) + "/cgroup.procs" }
    }

    public func visibleFolders(_ path: String) -> [(name: String, path: String)] {
        ["cpu", "cpuacct", "memory", "pids"].compactMap { name in folder(name, path).map { (name, $0) } }
    }

    public func processes(_ path: String) -> [Int32] {
        guard let top = unified(path) ?? uniqueTops.first.map({ below($0, path) }) else { return [] }
        return CgroupFolder.processes(top)
    }

    public func kill(_ path: String) throws(KernelError) {
        if hasKillFile, let unified = unified(path) {
            guard access(unified, F_OK) == 0 else { return }
            return try KernelFile.write("1", to: unified + "/cgroup.kill")
        }
        for top in uniqueTops.prefix(1) { CgroupFolder.killAll(below(top, path)) }
    }

    public func remove(_ path: String) throws(KernelError) {
        for top in uniqueTops { try CgroupFolder.remove(below(top, path)) }
        if let unified = unified(path) { try CgroupFolder.remove(unified) }
    }

    public func removeTop() throws(KernelError) { try remove("") }

    public func children(_ path: String) -> Set<String> {
        var names: Set<String> = []
        for top in uniqueTops { names.formUnion(CgroupFolder.children(below(top, path))) }
        if let unified = unified(path) { names.formUnion(CgroupFolder.children(unified)) }
        return names
    }

    public func usage(_ path: String) -> CgroupUsage {
        var usage = CgroupUsage()
        if let cpu = folder("cpuacct", path) { usage.cpuNanos = CgroupFolder.number(cpu + "/cpuacct.usage") ?? 0 }
        if let memory = folder("memory", path) {
            usage.memoryBytes = CgroupFolder.number(memory + "/memory.usage_in_bytes") ?? 0
            let names = ["total_inactive_file", "total_rss", "total_cache", "total_pgfault", "total_pgmajfault"]
            let values = CgroupFolder.values(memory + "/memory.stat", names)
            usage.inactiveFileBytes = values["total_inactive_file"] ?? 0
            usage.rssBytes = values["total_rss"] ?? 0
            usage.cacheBytes = values["total_cache"] ?? 0
            usage.pageFaults = values["total_pgfault"] ?? 0
            usage.majorPageFaults = values["total_pgmajfault"] ?? 0
        }
        if let cpu = folder("cpu", path) {
            let values = CgroupFolder.values(cpu + "/cpu.stat", ["nr_periods", "nr_throttled", "throttled_time"])
            usage.quotaPeriods = values["nr_periods"] ?? 0
            usage.throttledPeriods = values["nr_throttled"] ?? 0
            usage.throttledNanos = values["throttled_time"] ?? 0
        }
        if let pids = folder("pids", path) { usage.pids = CgroupFolder.number(pids + "/pids.current") ?? 0 }
        return usage
    }
}
