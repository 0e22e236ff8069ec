import Glibc
import Kernel
import Synchronization

/// Commands on their way to the loop, and a pipe that wakes it.
final class ForwarderMailbox: Sendable {
    private struct State {
        var commands: [ForwarderLoop.Command] = []
        var hasEnded = false
    }
    private let state = Mutex(State())
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
        let hasEnded = state.withLock { state in
            if !state.hasEnded { state.commands += new }
            return state.hasEnded
        }
        if hasEnded { return Self.answer(new) }
        var byte: UInt8 = 1
        // EAGAIN: the pipe is full, so that the loop wakes anyway.
        _ = write(pipe.write.raw, &byte, 1)
    }

    /// Waits until the loop has done all that was posted, or has ended.
    func wait() {
        post([.answer(answers.write.raw)])
        var byte: UInt8 = 0
        while read(answers.read.raw, &byte, 1) < 0, errno == EINTR {}
    }

    func take() -> [ForwarderLoop.Command] {
        var bytes: (UInt64, UInt64) = (0, 0)
        _ = read(pipe.read.raw, &bytes, 16)
        return state.withLock { state in
            defer { state.commands = [] }
            return state.commands
        }
    }

    /// The loop has ended: nobody waits for it from now on.
    func end() {
        let left = state.withLock { state in
            state.hasEnded = true
            defer { state.commands = [] }
            return state.commands
        }
        Self.answer(left)
    }

    private static func answer(_ commands: [ForwarderLoop.Command]) {
        for case .answer(let descriptor) in commands {
            var byte: UInt8 = 1
            _ = write(descriptor, &byte, 1)
        }
    }
}
