import Glibc

/// A note that every process of the same network namespace can read, for as long as this process lives: the name of an
/// abstract unix socket (unix(7)), which the kernel keeps per network namespace and takes away with its owner.
public struct NamespaceClaim: ~Copyable, Sendable {
    private let socket: FileDescriptor

    /// Leaves the note `<prefix>/<text>`, at most 107 bytes of it; EADDRINUSE where somebody holds the very same.
    public init(prefix: String, _ text: String) throws(KernelError) {
        let name = "\(prefix)/\(text)"
        socket = try Self.bind(name)
    }

    private static func bind(_ name: String) throws(KernelError) -> FileDescriptor {
        let raw = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw KernelError("create", "socket") }
        let socket = FileDescriptor(owning: raw)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = [0] + Array(name.utf8)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard bytes.count <= capacity else { throw KernelError("claim", name, code: ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(raw, $0, length) }
        }
        guard result == 0 else { throw KernelError("claim", name) }
        return socket
    }

    /// The texts of all notes with that prefix in the calling thread's network namespace.
    public static func all(prefix: String) throws(KernelError) -> [String] {
        let bytes = try DurableFile.read("/proc/thread-self/net/unix", limit: 64 << 20) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
            // Num RefCount Protocol Flags Type St Inode Path; the kernel prints the leading zero as @.
            guard let at = line.range(of: " @\(prefix)/") else { return nil }
            return String(line[at.upperBound...])
        }
    }
}

extension Substring {
    /// Where the text first stands. (The standard library has no search by text without Foundation.)
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
