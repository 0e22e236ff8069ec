import Glibc

/// Files that hold keys: written whole or not at all, readable by their owner alone.
public enum PrivateFile {
    /// A file could not be read or written.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        public let description: String
        /// The system's error number.
        public let code: Int32
        public var isMissing: Bool { code == ENOENT }

        init(_ operation: String, _ path: String, _ code: Int32) {
            description = "cannot \(operation) \(path): \(String(cString: strerror(code)))"
            self.code = code
        }
    }

    /// Reads a file of at most `maximumBytes`.
    public static func read(_ path: String, maximumBytes: Int = 4 << 20) throws(Failure) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure("read", path, errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw Failure("read", path, errno)
            }
            if count == 0 { return bytes }
            guard bytes.count + count <= maximumBytes else { throw Failure("read", path, EFBIG) }
            bytes.append(contentsOf: buffer[..<count])
        }
    }

    /// Replaces the file in one step: beside it, synced, renamed.
    public static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o600) throws(Failure) {
        let fresh = "\(path).\(getpid()).tmp"
        unlink(fresh)
        let descriptor = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw Failure("write", path, errno) }
        var code = fill(descriptor, bytes, mode)
        if close(descriptor) != 0 && code == 0 { code = errno }
        if code == 0 && rename(fresh, path) != 0 { code = errno }
        guard code == 0 else {
            unlink(fresh)
            throw Failure("write", path, code)
        }
        syncDirectory(of: path)
    }

    /// 0, or the error number.
    private static func fill(_ descriptor: Int32, _ bytes: [UInt8], _ mode: UInt32) -> Int32 {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(descriptor, buffer.baseAddress.map { $0 + written }, buffer.count - written)
            }
            if count < 0 && errno != EINTR { return errno }
            written += max(0, count)
        }
        // The mode given to open() is cut by the process's mask.
        return fchmod(descriptor, mode) == 0 && fsync(descriptor) == 0 ? 0 : errno
    }

    /// Makes the rename durable; a file system that cannot do so has done its best.
    private static func syncDirectory(of path: String) {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = open(directory.isEmpty ? "/" : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    /// Makes a directory, with those above it, that only its owner can enter. One that exists keeps its mode.
    public static func makeDirectory(_ path: String, mode: UInt32 = 0o700) throws(Failure) {
        var index = path.startIndex
        while index < path.endIndex {
            index = path[path.index(after: index)...].firstIndex(of: "/") ?? path.endIndex
            let isLast = index == path.endIndex
            if mkdir(String(path[..<index]), isLast ? mode : 0o755) != 0, errno != EEXIST, isLast || errno != EROFS {
                throw Failure("make directory", path, errno)
            }
        }
    }
}
