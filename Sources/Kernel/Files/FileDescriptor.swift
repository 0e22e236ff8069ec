import CLinux
import Glibc

/// Owns an open file descriptor and closes it at the end of its life.
public struct FileDescriptor: ~Copyable, Sendable {
    /// The number, for calls; it stays owned.
    public let raw: Int32

    /// Takes over a descriptor that nobody else closes.
    public init(owning raw: Int32) { self.raw = raw }

    /// Takes over what a call of `CLinux` answered: a descriptor, or a negative errno.
    public init(result: Int32, _ operation: String, _ subject: @autoclosure () -> String) throws(KernelError) {
        guard result >= 0 else { throw KernelError(operation, subject(), code: -result) }
        self.raw = result
    }

    deinit {
        // EBADF would mean that somebody else closed it, and that the next number given out may be closed here.
        if close(raw) != 0, errno == EBADF { fatalError("descriptor \(raw) was closed by somebody else") }
    }

    /// Gives the descriptor away: the caller closes it.
    public consuming func release() -> Int32 {
        let raw = self.raw
        discard self
        return raw
    }

    /// Another descriptor of the same open file.
    public borrowing func duplicate() throws(KernelError) -> FileDescriptor {
        let copy = fcntl(raw, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw KernelError("duplicate", "descriptor \(raw)") }
        return FileDescriptor(owning: copy)
    }

    /// Opens a path; O_CLOEXEC is added.
    public static func open(_ path: String, _ flags: Int32, mode: mode_t = 0) throws(KernelError) -> FileDescriptor {
        let raw = retrying { Glibc.open(path, flags | O_CLOEXEC, mode) }
        guard raw >= 0 else { throw KernelError("open", path) }
        return FileDescriptor(owning: raw)
    }

    /// Opens a folder to stand for its path (O_PATH).
    public static func folder(_ path: String) throws(KernelError) -> FileDescriptor {
        try open(path, Int32(SWL_O_PATH) | O_DIRECTORY)
    }

    /// Reads at most that many bytes from where the file stands; fewer at its end, or where it has no more yet.
    public borrowing func read(upTo count: Int) throws(KernelError) -> [UInt8] {
        var failure: Int32 = 0
        let raw = self.raw
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let received = retrying { Glibc.read(raw, buffer.baseAddress, count) }
            if received < 0 { failure = errno } else { filled = received }
        }
        guard failure == 0 else { throw KernelError("read", "descriptor \(raw)", code: failure) }
        return bytes
    }

    /// Writes all bytes, in as many calls as it takes.
    public borrowing func write(all bytes: [UInt8]) throws(KernelError) {
        var offset = 0
        while offset < bytes.count {
            let raw = self.raw
            let count = bytes.withUnsafeBytes { buffer in
                retrying { Glibc.write(raw, buffer.baseAddress.map { $0 + offset }, bytes.count - offset) }
            }
            guard count >= 0 else { throw KernelError("write", "descriptor \(raw)") }
            offset += count
        }
    }
}

/// Repeats a call that a signal has interrupted.
func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}
