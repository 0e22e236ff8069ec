import Glibc
import KubeAPI
import Kernel

/// The files of one run's log: `N.log`, and those that it was rotated into, `N.log.20060102-150405.000000000`.
enum LogFiles {
    /// The rotated files, the oldest first. Their names sort by time.
    static func rotated(_ path: String) -> [String] {
        guard let slash = path.lastIndex(of: "/") else { return [] }
        let folder = String(path[..<slash])
        let prefix = path[path.index(after: slash)...] + "."
        return FileTree.names(in: folder).filter { name in
            name.hasPrefix(prefix) && name.dropFirst(prefix.count).first?.isNumber == true
        }.map { "\(folder)/\($0)" }
    }
}

/// A file of a log that is read from its beginning, with the lines that are whole.
final class LogFile {
    /// Lines are handed out as long as there is so much, and read in pieces of it.
    private static let chunkBytes = 64 << 10
    /// More without a newline is no log of ours: handed out as it is.
    private static let lineLimit = 1 << 20

    let path: String
    let inode: UInt
    private let descriptor: Int32
    /// What was read and not handed out: the beginning of a line.
    private var pending: [UInt8] = []

    /// Nil where there is no such file.
    init?(_ path: String) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        self.path = path
        var info = stat()
        inode = fstat(descriptor, &info) == 0 ? UInt(info.st_ino) : 0
    }

    deinit { close(descriptor) }

    /// Calls back with each whole line that has come, without its newline; false at the (present) end.
    func readLines(_ body: (ArraySlice<UInt8>) -> Void) throws(KernelError) -> Bool {
        let start = pending.count
        pending.reserveCapacity(start + Self.chunkBytes)
        pending.append(contentsOf: repeatElement(0, count: Self.chunkBytes))
        let count = pending.withUnsafeMutableBytes { bytes in
            read(descriptor, bytes.baseAddress.map { $0 + start }, Self.chunkBytes)
        }
        let code = errno
        pending.removeLast(Self.chunkBytes - max(0, count))
        guard count >= 0 else {
            if code == EINTR { return true }
            throw KernelError("read", path, code: code)
        }
        guard count > 0 else { return false }
        var from = pending.startIndex
        // Before `start` there is no newline.
        var search = from + start
        while let end = pending[search...].firstIndex(of: UInt8(ascii: "\n")) {
            body(pending[from..<end])
            from = end + 1
            search = from
        }
        if pending.count - from > Self.lineLimit {
            body(pending[from...])
            from = pending.endIndex
        }
        pending.removeFirst(from)
        return true
    }

    /// Whether the path leads to another file by now.
    var isReplaced: Bool {
        var info = stat()
        return lstat(path, &info) != 0 || UInt(info.st_ino) != inode
    }
}
