import Glibc

/// How long the machine's processors have worked, all together.
public struct ProcessorTime: Sendable {
    /// The top of a hierarchy counts to the nanosecond or microsecond, /proc/stat to the hundredth of a second.
    private enum Source: Sendable {
        case nanos(String)
        case cpuStat(String)
        case procStat
    }
    private let source: Source

    /// Finds where it is to be read.
    public init(mounts: CgroupMounts) {
        if let mount = mounts.controllers["cpuacct"], access(mount + "/cpuacct.usage", R_OK) == 0 {
            source = .nanos(mount + "/cpuacct.usage")
        } else if let unified = mounts.unified, access(unified + "/cpu.stat", R_OK) == 0 {
            source = .cpuStat(unified + "/cpu.stat")
        } else {
            source = .procStat
        }
    }

    /// Nanoseconds since the machine's start; nil where it can't be read.
    public func nanos() -> UInt64? {
        switch source {
        case .nanos(let path): return CgroupFolder.number(path)
        case .cpuStat(let path): return CgroupFolder.values(path, ["usage_usec"])["usage_usec"].map { $0 &* 1000 }
        case .procStat:
            let ticksPerSecond = UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
            return KernelFile.readIfPresent("/proc/stat").flatMap(Self.ticks).map {
                $0 &* (1_000_000_000 / ticksPerSecond)
            }
        }
    }

    /// The first line of /proc/stat without what was idle: proc(5) has idle and iowait as the fourth and fifth number,
    /// and counts guests in user time already.
    static func ticks(_ text: String) -> UInt64? {
        guard let line = text.split(separator: "\n").first, line.hasPrefix("cpu ") else { return nil }
        let numbers = line.split(separator: " ").dropFirst().compactMap { UInt64($0) }
        guard numbers.count >= 4 else { return nil }
        return numbers.prefix(8).enumerated().reduce(0) { $1.offset == 3 || $1.offset == 4 ? $0 : $0 &+ $1.element }
    }
}
