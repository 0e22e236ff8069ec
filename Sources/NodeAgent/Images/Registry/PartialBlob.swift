import Glibc
import KubeAPI

/// A layer's blob as far as it has come, on the disk: what breaks off is gone on with later, by this process or the
/// next. Its content is believed when its digest has been seen, not before.
final class PartialBlob: @unchecked Sendable {
    // Safe: handed from the task that opens it to the one thread that works on it.
    let path: String
    private let descriptor: Int32
    private(set) var sizeBytes: Int64

    /// What nobody goes on with for so long is removed; twice the longest pause between two tries of a pull.
    static let lifetimeSeconds = 600

    /// Opens the blob's file; one of its own where another has it in hand.
    init(folder: String, digest: String) throws(FileError) {
        let name = "\(folder)/\(digest.dropFirst(7))"
        for path in [name, "\(name).\(getpid()).\(String(UInt64.random(in: 0 ... .max), radix: 16))"] {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else { throw FileError("create", path) }
            var info = stat()
            var named = stat()
            // The lock may have been got just when its holder removed the file.
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &info) == 0, lstat(path, &named) == 0,
                info.st_ino == named.st_ino
            {
                self.path = path
                self.descriptor = descriptor
                sizeBytes = Int64(info.st_size)
                return
            }
            close(descriptor)
        }
        throw FileError("lock", name, code: EBUSY)
    }

    deinit { close(descriptor) }

    /// Bytes from that position on; fewer at the end of what is there.
    func read(at position: Int64, count: Int) throws(FileError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let result = pread(descriptor, buffer.baseAddress, count, off_t(position))
            if result < 0 { failure = errno }
            filled = max(0, result)
        }
        guard failure == 0 else { throw FileError("read", path, code: failure) }
        return bytes
    }

    func append(_ bytes: [UInt8]) throws(FileError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                pwrite(
                    descriptor, buffer.baseAddress.map { $0 + written }, bytes.count - written,
                    off_t(sizeBytes) + written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileError("write", path) }
            written += count
        }
        sizeBytes += Int64(bytes.count)
    }

    /// Nothing of it is worth keeping.
    func remove() { unlink(path) }

    /// Removes what nobody has in hand and nobody has written to for long.
    /// - Returns: whether something is left.
    @discardableResult
    static func removeStale(in folder: String, olderThan seconds: Int = lifetimeSeconds) -> Bool {
        var isLeft = false
        for name in HostFiles.names(in: folder) {
            let path = "\(folder)/\(name)"
            let descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            var info = stat()
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &info) == 0,
                Int(Timestamp.now().unixSeconds) - info.st_mtim.tv_sec >= seconds
            else {
                isLeft = true
                continue
            }
            unlink(path)
        }
        return isLeft
    }
}
