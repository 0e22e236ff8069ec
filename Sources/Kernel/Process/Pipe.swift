import CLinux
import Glibc

/// A pipe's two ends.
public struct Pipe: ~Copyable, Sendable {
    public let reading: FileDescriptor
    public let writing: FileDescriptor

    public init() throws(KernelError) {
        var ends: [Int32] = [-1, -1]
        let result = swl_blocking_pipe(&ends)
        guard result >= 0 else { throw KernelError("create", "pipe", code: -result) }
        reading = FileDescriptor(owning: ends[0])
        writing = FileDescriptor(owning: ends[1])
    }

    /// Gives both ends away: the caller closes them.
    public consuming func release() -> (reading: Int32, writing: Int32) { (reading.release(), writing.release()) }
}

extension FileDescriptor {
    /// Calls on it answer EAGAIN from now on where they would wait.
    public borrowing func setNonBlocking() throws(KernelError) {
        guard fcntl(raw, F_SETFL, fcntl(raw, F_GETFL) | O_NONBLOCK) == 0 else {
            throw KernelError("set mode of", "descriptor \(raw)")
        }
    }

    /// Tells the programs on a terminal how large it is.
    public borrowing func resizeTerminal(rows: UInt16, columns: UInt16) throws(KernelError) {
        let result = swl_resize_terminal(raw, rows, columns)
        guard result >= 0 else { throw KernelError("resize", "terminal", code: -result) }
    }
}
