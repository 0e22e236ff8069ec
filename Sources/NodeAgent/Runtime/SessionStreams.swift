import Glibc
import Kernel
import Synchronization

/// The daemon's ends of a session's streams, until somebody takes them. They don't block (EAGAIN).
final class SessionStreams: Sendable {
    private let ends = Mutex<[SessionStream: Int32]>([:])

    deinit { close() }

    func add(_ stream: SessionStream, _ descriptor: consuming FileDescriptor) throws(KernelError) {
        try descriptor.setNonBlocking()
        let raw = descriptor.release()
        let old = ends.withLock { $0.updateValue(raw, forKey: stream) }
        if let old { Glibc.close(old) }
    }

    /// Makes a pipe for a stream that is read here; answers the end for the other side.
    func addOutput(_ stream: SessionStream) throws(KernelError) -> FileDescriptor {
        let ends = try Pipe().release()
        let writing = FileDescriptor(owning: ends.writing)
        try add(stream, FileDescriptor(owning: ends.reading))
        return writing
    }

    /// Makes a pipe for a stream that is written to here.
    func addInput(_ stream: SessionStream) throws(KernelError) -> FileDescriptor {
        let ends = try Pipe().release()
        let reading = FileDescriptor(owning: ends.reading)
        try add(stream, FileDescriptor(owning: ends.writing))
        return reading
    }

    func take(_ stream: SessionStream) -> FileDescriptor? {
        ends.withLock { $0.removeValue(forKey: stream) }.map { FileDescriptor(owning: $0) }
    }

    func close() {
        let rest = ends.withLock { ends in
            defer { ends = [:] }
            return Array(ends.values)
        }
        for raw in rest { Glibc.close(raw) }
    }
}
