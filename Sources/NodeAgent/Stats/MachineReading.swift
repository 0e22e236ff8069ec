import KubeAPI
import Kernel

/// What the machine has used, as read at one time.
struct MachineReading: Sendable {
    struct Interface: Sendable, Equatable {
        let name: String
        let received: UInt64
        let receiveErrors: UInt64
        let sent: UInt64
        let sendErrors: UInt64
    }

    let at: Timestamp
    /// Since the machine's start; nil where it can't be read.
    let cpuNanos: UInt64?
    let memory: [String: Int64]
    let interfaces: [Interface]
    /// The interface of the default route.
    let mainInterface: String?

    static func read(_ processors: ProcessorTime) -> MachineReading {
        let devices = KernelFile.readIfPresent("/proc/self/net/dev") ?? ""
        let routes = KernelFile.readIfPresent("/proc/self/net/route") ?? ""
        return MachineReading(
            at: .now(), cpuNanos: processors.nanos(), memory: NodeFacts.memory(), interfaces: interfaces(devices),
            mainInterface: defaultInterface(routes))
    }

    /// What is not free.
    var usageBytes: Int64 { max(0, (memory["MemTotal"] ?? 0) - (memory["MemFree"] ?? 0)) }
    /// What is neither free nor an inactive file cache.
    var workingSetBytes: Int64 { max(0, usageBytes - (memory["Inactive(file)"] ?? 0)) }
    var availableBytes: Int64 { max(0, (memory["MemTotal"] ?? 0) - workingSetBytes) }
    var rssBytes: Int64 { memory["AnonPages"] ?? 0 }

    /// Of proc_net_dev(5): a name, eight numbers of what came in, eight of what went out. Loopback and the links of our
    /// own pods tell nothing of the node.
    static func interfaces(_ text: String) -> [Interface] {
        text.split(separator: "\n").compactMap { line in
            guard let colon = line.lastIndex(of: ":") else { return nil }
            let name = line[..<colon].drop { $0 == " " }
            let numbers = line[line.index(after: colon)...].split(separator: " ").compactMap { UInt64($0) }
            guard numbers.count >= 16, name != "lo", !name.hasPrefix("swl") else { return nil }
            return Interface(
                name: String(name), received: numbers[0], receiveErrors: numbers[2], sent: numbers[8],
                sendErrors: numbers[10])
        }
    }

    /// Of /proc/net/route: the first line whose destination and mask are zero.
    static func defaultInterface(_ text: String) -> String? {
        for line in text.split(separator: "\n").dropFirst() {
            let fields = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            if fields.count > 7, fields[1] == "00000000", fields[7] == "00000000" { return String(fields[0]) }
        }
        return nil
    }
}
