/// Where the machine has its cgroup hierarchies.
public struct CgroupMounts: Sendable, Equatable {
    /// The v1 controllers, each with the mount point of its hierarchy.
    public var controllers: [String: String] = [:]
    /// The mount point of v2.
    public var unified: String?

    public init(controllers: [String: String] = [:], unified: String? = nil) {
        self.controllers = controllers
        self.unified = unified
    }

    /// From the calling process' mount table.
    public static func current() throws(KernelError) -> CgroupMounts {
        CgroupMounts(mountinfo: try wholeFile("/proc/self/mountinfo"))
    }

    /// From a text in the form of /proc/PID/mountinfo.
    public init(mountinfo: String) {
        for line in mountinfo.split(separator: "\n") {
            // id parent major:minor root mountpoint options [tags] - type source superoptions
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash + 3 < fields.count, fields.count > 5 else { continue }
            let point = Self.unescaped(fields[4])
            switch fields[dash + 1] {
            case "cgroup2": if unified == nil { unified = point }
            case "cgroup":
                for option in fields[dash + 3].split(separator: ",") where !option.contains("=") {
                    guard option != "rw", option != "ro", option != "xattr", controllers[String(option)] == nil else {
                        continue
                    }
                    controllers[String(option)] = point
                }
            default: break
            }
        }
    }

    /// The kernel writes a space as \040.
    static func unescaped(_ text: Substring) -> String {
        guard text.contains("\\") else { return String(text) }
        var result: [UInt8] = []
        var bytes = Array(text.utf8)[...]
        while let byte = bytes.popFirst() {
            if byte == UInt8(ascii: "\\"), bytes.count >= 3,
                let value = UInt8(String(decoding: bytes.prefix(3), as: UTF8.self), radix: 8)
            {
                result.append(value)
                bytes = bytes.dropFirst(3)
            } else {
                result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func wholeFile(_ path: String) throws(KernelError) -> String {
        let bytes = try DurableFile.read(path, limit: 16 << 20) ?? []
        return String(decoding: bytes, as: UTF8.self)
    }
}
