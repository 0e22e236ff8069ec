import KubeAPI
import Kernel

/// Whether the node is short of something, by the thresholds at which Kubernetes begins to evict. They have no event, so
/// that they are sampled.
struct NodePressure: Sendable, Equatable {
    var isMemoryShort = false
    var isDiskShort = false
    var isPIDShort = false

    /// Of memory that can be had without swapping.
    static let leastMemoryBytes: Int64 = 100 << 20

    static func read(dataDir: String) -> NodePressure {
        let memory = NodeFacts.memory()
        return NodePressure(
            availableMemory: memory["MemAvailable"], disk: DiskSpace.of(dataDir),
            processes: processes(),
            processLimit: processLimit())
    }

    init() {}

    init(availableMemory: Int64?, disk: DiskSpace?, processes: Int64?, processLimit: Int64?) {
        isMemoryShort = availableMemory.map { $0 < Self.leastMemoryBytes } ?? false
        if let disk, disk.totalBytes > 0 {
            // Less than a tenth of the room, or a twentieth of the inodes (where there is a number of them).
            isDiskShort =
                disk.availableBytes < disk.totalBytes / 10
                || disk.totalInodes > 0 && disk.freeInodes < disk.totalInodes / 20
        }
        if let processes, let processLimit { isPIDShort = processes > processLimit / 10 * 9 }
    }

    static func processLimit() -> Int64? {
        KernelFile.readIfPresent("/proc/sys/kernel/pid_max").flatMap { Int64($0) }
    }

    /// Processes and threads of the machine: the second number of the fourth field of /proc/loadavg.
    static func processes() -> Int64? {
        guard let fields = KernelFile.readIfPresent("/proc/loadavg")?.split(separator: " "), fields.count > 3 else {
            return nil
        }
        return fields[3].split(separator: "/").last.flatMap { Int64($0) }
    }
}
