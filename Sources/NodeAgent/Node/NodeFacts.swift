import Glibc
import KubeAPI
import Kernel

/// What the machine is. Read once.
struct NodeFacts: Sendable {
    var hostname: String
    var machineID: String
    var systemUUID: String
    var bootID: String
    var kernelVersion: String
    var osImage: String
    /// `amd64`, `arm64`.
    var architecture: String
    var processors: Int
    var memoryBytes: Int64

    static func read() -> NodeFacts {
        var name = utsname()
        uname(&name)  // can't fail
        return NodeFacts(
            hostname: text(&name.nodename),
            machineID: KernelFile.readIfPresent("/etc/machine-id") ?? KernelFile.readIfPresent(
                "/var/lib/dbus/machine-id") ?? "",
            // Not every machine has one, and not everybody may read it.
            systemUUID: KernelFile.readIfPresent("/sys/class/dmi/id/product_uuid")?.lowercased() ?? "",
            bootID: KernelFile.readIfPresent("/proc/sys/kernel/random/boot_id") ?? "",
            kernelVersion: text(&name.release),
            osImage: osImage(
                KernelFile.readIfPresent("/etc/os-release") ?? KernelFile.readIfPresent("/usr/lib/os-release") ?? ""),
            architecture: ImageStore.machineArchitecture(), processors: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))),
            memoryBytes: memory()["MemTotal"] ?? 0)
    }

    private static func text<Value>(_ field: inout Value) -> String {
        withUnsafePointer(to: &field) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout<Value>.size) { String(cString: $0) }
        }
    }

    /// `PRETTY_NAME` of os-release(5).
    static func osImage(_ release: String) -> String {
        for line in release.split(whereSeparator: \.isNewline) where line.hasPrefix("PRETTY_NAME=") {
            let value = line.dropFirst("PRETTY_NAME=".count)
            let isQuoted = value.count >= 2 && (value.first == "\"" || value.first == "'") && value.last == value.first
            return String(isQuoted ? value.dropFirst().dropLast() : value)
        }
        return "Linux"
    }

    /// /proc/meminfo in bytes.
    static func memory() -> [String: Int64] {
        guard let text = KernelFile.readIfPresent("/proc/meminfo") else { return [:] }
        var result: [String: Int64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == ":" })
            guard words.count >= 2, let number = Int64(words[1]) else { continue }
            result[String(words[0])] = number * 1024
        }
        return result
    }

    /// What the node has to give: of the disk, that of the data folder.
    func capacity(dataDir: String, maxPods: Int) -> [String: Quantity] {
        [
            "cpu": Quantity(Int64(processors)), "memory": Quantity(memoryBytes, format: .binarySI),
            "pods": Quantity(Int64(maxPods)),
            "ephemeral-storage": Quantity(DiskSpace.of(dataDir)?.totalBytes ?? 0, format: .binarySI),
            "hugepages-1Gi": .zero, "hugepages-2Mi": .zero,
        ]
    }
}

/// Room on a file system.
struct DiskSpace: Sendable, Equatable {
    var totalBytes: Int64
    var availableBytes: Int64
    var totalInodes: Int64
    var freeInodes: Int64
    /// With what is kept for root.
    var freeBytes: Int64 = 0

    static func of(_ path: String) -> DiskSpace? {
        var info = statvfs()
        guard statvfs(path, &info) == 0 else { return nil }
        let block = Int64(clamping: info.f_frsize)
        return DiskSpace(
            totalBytes: Int64(clamping: info.f_blocks) &* block,
            availableBytes: Int64(clamping: info.f_bavail) &* block,
            totalInodes: Int64(clamping: info.f_files), freeInodes: Int64(clamping: info.f_favail),
            freeBytes: Int64(clamping: info.f_bfree) &* block)
    }
}
