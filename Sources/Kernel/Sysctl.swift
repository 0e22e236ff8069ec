import Glibc

/// Kernel settings under /proc/sys, of the namespaces of the calling thread.
public enum Sysctl {
    /// The value, by its path below /proc/sys (`net/ipv4/ip_forward`).
    public static func read(_ name: String) throws(KernelError) -> String {
        KernelFile.trimmed(try KernelFile.read("/proc/sys/" + name))
    }

    public static func write(_ name: String, _ value: String) throws(KernelError) {
        try KernelFile.write(value, to: "/proc/sys/" + name)
    }
}

/// Settings that we changed on the node, with what they were: `reset` puts them back, unless somebody has changed them
/// since. One line `name<tab>old<tab>ours` each, in a file that starts with its format's number.
public struct SavedSysctls: Sendable {
    private static let header = "swiftlet-sysctls 1"
    private let path: String

    /// `<data-dir>/sysctl.saved`.
    public init(path: String) { self.path = path }

    /// Writes a value, after the old one is on disk. Nothing happens where it holds already.
    public func set(_ name: String, to value: String) throws(KernelError) {
        let old = try Sysctl.read(name)
        guard old != value else { return }
        var lines = entries()
        // A second change keeps the first old value.
        if let index = lines.firstIndex(where: { $0.name == name }) {
            lines[index].ours = value
        } else {
            lines.append((name, old, value))
        }
        try save(lines)
        try Sysctl.write(name, value)
    }

    /// Puts back what still holds our value, and forgets all. Answers the names that were put back.
    @discardableResult
    public func restore() -> [String] {
        var restored: [String] = []
        for entry in entries() {
            // A setting that is gone, or that somebody has changed, is not ours any more.
            guard let now = try? Sysctl.read(entry.name), now == entry.ours,
                (try? Sysctl.write(entry.name, entry.old)) != nil
            else { continue }
            restored.append(entry.name)
        }
        unlink(path)
        return restored
    }

    private func entries() -> [(name: String, old: String, ours: String)] {
        guard let text = KernelFile.readIfPresent(path) else { return [] }
        var lines = text.split(separator: "\n")
        guard lines.first == Self.header[...] else { return [] }
        lines.removeFirst()
        return lines.compactMap { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard fields.count == 3, !fields[0].hasPrefix("/"), !fields[0].contains("..") else { return nil }
            return (String(fields[0]), String(fields[1]), String(fields[2]))
        }
    }

    private func save(_ entries: [(name: String, old: String, ours: String)]) throws(KernelError) {
        var text = Self.header + "\n"
        for entry in entries { text += "\(entry.name)\t\(entry.old)\t\(entry.ours)\n" }
        try DurableFile.write(Array(text.utf8), to: path)
    }
}
