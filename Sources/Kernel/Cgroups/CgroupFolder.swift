import Glibc

/// What v1 and v2 do alike with the folders of a hierarchy.
enum CgroupFolder {
    static func make(_ path: String) throws(KernelError) {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw KernelError("create cgroup", path) }
    }

    /// The names of the groups below.
    static func children(_ path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            guard entry.pointee.d_type == UInt8(DT_DIR) else { continue }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes a group and all below it, the lowest first. Missing is fine.
    static func remove(_ path: String) throws(KernelError) {
        if rmdir(path) == 0 || errno == ENOENT { return }
        // EBUSY says that it has groups below it, or processes.
        guard errno == EBUSY || errno == ENOTEMPTY else { throw KernelError("remove cgroup", path) }
        for child in children(path) { try remove(path + "/" + child) }
        guard rmdir(path) == 0 || errno == ENOENT else { throw KernelError("remove cgroup", path) }
    }

    static func processes(_ path: String) -> [Int32] {
        var all: [Int32] = []
        // A group may go while it is read.
        if let bytes = try? DurableFile.read(path + "/cgroup.procs") {
            for line in bytes.split(separator: UInt8(ascii: "\n")) {
                // 0 is a process of a PID namespace that is not ours.
                if let pid = Int32(String(decoding: line, as: UTF8.self)), pid > 0 { all.append(pid) }
            }
        }
        for child in children(path) { all += processes(path + "/" + child) }
        return all
    }

    static func number(_ path: String) -> UInt64? { KernelFile.readIfPresent(path).flatMap { UInt64($0) } }

    /// The values of a file of lines `name value`.
    static func values(_ path: String, _ names: [String]) -> [String: UInt64] {
        guard let text = KernelFile.readIfPresent(path) else { return [:] }
        var values: [String: UInt64] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count == 2, names.contains(String(fields[0])) else { continue }
            values[String(fields[0])] = UInt64(fields[1])
        }
        return values
    }

    static func killAll(_ path: String) {
        let own = getpid()
        for pid in processes(path) where pid != own { _ = Glibc.kill(pid, SIGKILL) }
    }
}
