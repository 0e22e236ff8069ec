import CLinux
import Glibc

/// The one hierarchy of v2.
public final class CgroupsV2: Cgroups {
    static let wanted = ["cpu", "memory", "pids"]
    public let parent: String?
    private let top: String
    private let controllers: [String]
    private let devices: DeviceProgram?
    public let isUnified = true

    /// The group in which our tree may be made: the daemon's own, where systemd has delegated it, else the root.
    public static func delegatedParent(unified: String) throws(KernelError) -> String {
        guard let text = KernelFile.readIfPresent("/proc/self/cgroup"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("0::") })
        else { return unified }
        let own = unified + line.dropFirst(3)
        var value = [UInt8](repeating: 0, count: 8)
        let count = swl_getxattr(own, "trusted.delegate", &value, value.count)
        guard line.dropFirst(3) != "/", count == 1, value[0] == UInt8(ascii: "1") else { return unified }
        // No process may stay in a group whose controllers are handed down.
        try CgroupFolder.make(own + "/daemon")
        try KernelFile.write("\(getpid())", to: own + "/daemon/cgroup.procs")
        return own
    }

    public init(parent: String, name: String) throws(KernelError) {
        self.parent = parent
        top = parent + "/" + name
        let available = (KernelFile.readIfPresent(parent + "/cgroup.controllers") ?? "").split(separator: " ")
        controllers = Self.wanted.filter { available.contains(Substring($0)) }
        devices = DeviceProgram.load()
        try Self.enable(controllers, in: parent)
        try CgroupFolder.make(top)
        try Self.enable(controllers, in: top)
    }

    public var layout: String {
        "v2 (\(controllers.joined(separator: ",")))" + (devices == nil ? " without device limits" : "")
    }

    private static func enable(_ controllers: [String], in folder: String) throws(KernelError) {
        guard !controllers.isEmpty else { return }
        try KernelFile.write(
            controllers.map { "+" + $0 }.joined(separator: " "), to: folder + "/cgroup.subtree_control")
    }

    private func folder(_ path: String) -> String { path.isEmpty ? top : top + "/" + path }

    public func create(_ path: String, _ limits: CgroupLimits, isInner: Bool) throws(KernelError) {
        // The parent hands its controllers down from its first child on.
        if let slash = path.lastIndex(of: "/") { try Self.enable(controllers, in: folder(String(path[..<slash]))) }
        try CgroupFolder.make(folder(path))
        if isInner { try CgroupFolder.make(folder(path) + "/self") }
        try update(path, limits)
    }

    public func update(_ path: String, _ limits: CgroupLimits) throws(KernelError) {
        let folder = folder(path)
        if controllers.contains("cpu") {
            if let weight = limits.cpuWeight { try KernelFile.write("\(weight)", to: folder + "/cpu.weight") }
            if let quota = limits.cpuQuotaMicros {
                try KernelFile.write("\(quota) \(CgroupLimits.cpuPeriodMicros)", to: folder + "/cpu.max")
            }
        }
        if controllers.contains("memory"), let bytes = limits.memoryBytes {
            try KernelFile.write("\(bytes)", to: folder + "/memory.max")
            if access(folder + "/memory.swap.max", W_OK) == 0 {
                try KernelFile.write("0", to: folder + "/memory.swap.max")
            }
        }
        if controllers.contains("pids"), let count = limits.pids {
            try KernelFile.write("\(count)", to: folder + "/pids.max")
        }
    }

    public func limitDevices(_ path: String) throws(KernelError) { try devices?.attach(to: folder(path)) }

    public func entrance(_ path: String, isInner: Bool) -> CgroupEntrance {
        CgroupEntrance(directory: isInner ? folder(path) + "/self" : folder(path))
    }

    public func oomFile(_ path: String) -> String? { folder(path) + "/memory.events" }
    public func killFile(_ path: String) -> String? { folder(path) + "/cgroup.kill" }
    public func visibleFolders(_ path: String) -> [(name: String, path: String)] { [] }
    public func processes(_ path: String) -> [Int32] { CgroupFolder.processes(folder(path)) }

    public func kill(_ path: String) throws(KernelError) {
        guard access(folder(path), F_OK) == 0 else { return }
        // cgroup.kill is 5.14's.
        guard access(folder(path) + "/cgroup.kill", F_OK) == 0 else { return CgroupFolder.killAll(folder(path)) }
        try KernelFile.write("1", to: folder(path) + "/cgroup.kill")
    }

    public func remove(_ path: String) throws(KernelError) { try CgroupFolder.remove(folder(path)) }
    public func removeTop() throws(KernelError) { try CgroupFolder.remove(top) }
    public func children(_ path: String) -> Set<String> {
        Set(CgroupFolder.children(folder(path))).subtracting(["self"])
    }

    public func usage(_ path: String) -> CgroupUsage {
        let folder = folder(path)
        var usage = CgroupUsage()
        let processor = CgroupFolder.values(
            folder + "/cpu.stat", ["usage_usec", "nr_periods", "nr_throttled", "throttled_usec"])
        usage.cpuNanos = (processor["usage_usec"] ?? 0) &* 1000
        usage.quotaPeriods = processor["nr_periods"] ?? 0
        usage.throttledPeriods = processor["nr_throttled"] ?? 0
        usage.throttledNanos = (processor["throttled_usec"] ?? 0) &* 1000
        usage.memoryBytes = CgroupFolder.number(folder + "/memory.current") ?? 0
        let values = CgroupFolder.values(
            folder + "/memory.stat", ["inactive_file", "anon", "file", "pgfault", "pgmajfault"])
        usage.inactiveFileBytes = values["inactive_file"] ?? 0
        usage.rssBytes = values["anon"] ?? 0
        usage.cacheBytes = values["file"] ?? 0
        usage.pageFaults = values["pgfault"] ?? 0
        usage.majorPageFaults = values["pgmajfault"] ?? 0
        usage.pids = CgroupFolder.number(folder + "/pids.current") ?? 0
        return usage
    }
}
