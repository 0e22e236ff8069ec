import Glibc
import Kernel
import Synchronization

/// Commands on their way to the loop, and a pipe that wakes it.
final class ForwarderMailbox: Sendable {
    private let commands = Mutex<[ForwarderLoop.Command]>([])
    private let pipe: Pipe
    private let answers: Pipe

    private struct Pipe: ~Copyable, Sendable {
        let read: FileDescriptor
        let write: FileDescriptor
    }

    init() throws(KernelError) {
        pipe = try Self.makePipe(isBlocking: false)
        answers = try Self.makePipe(isBlocking: true)
    }

    private static func makePipe(isBlocking: Bool) throws(KernelError) -> Pipe {
        var ends: (Int32, Int32) = (-1, -1)
        let code = withUnsafeMutablePointer(to: &ends) { pointer in
            pointer.withMemoryRebound(to: Int32.self, capacity: 2) { Glibc.pipe($0) }
        }
        guard code == 0 else { throw KernelError("create", "pipe") }
        for end in [ends.0, ends.1] {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            if !isBlocking { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        }
        return Pipe(read: FileDescriptor(owning: ends.0), write: FileDescriptor(owning: ends.1))
    }

    var readEnd: Int32 { pipe.read.raw }

    func post(_ new: [ForwarderLoop.Command]) {
        guard !new.isEmpty else { return }
        commands.withLock { $0 += new }
        var byte: UInt8 = 1
        // EAGAIN: the pipe is full, so that the loop wakes anyway.
        _ = write(pipe.write.raw, &byte, 1)
    }

    /// Waits until the loop has done all that was posted.
    func wait() {
        post([.answer(answers.write.raw)])
        var byte: UInt8 = 0
        while read(answers.read.raw, &byte, 1) < 0, errno == EINTR {}
    }

    func take() -> [ForwarderLoop.Command] {
        var bytes: (UInt64, UInt64) = (0, 0)
        _ = read(pipe.read.raw, &bytes, 16)
        return commands.withLock { commands in
            defer { commands = [] }
            return commands
        }
    }
}
