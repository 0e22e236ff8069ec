import Kernel

/// Streams of a running container, for somebody who looks on. The container goes on when this is forgotten.
public final class AttachSession: Sendable {
    /// The container is on a terminal: all its output comes by `.stdout`, as the terminal has it.
    public let hasTerminal: Bool
    private let containerID: String
    private let streams: SessionStreams
    private let sandbox: Sandbox

    init(containerID: String, hasTerminal: Bool, streams: SessionStreams, sandbox: Sandbox) {
        self.containerID = containerID
        self.hasTerminal = hasTerminal
        self.streams = streams
        self.sandbox = sandbox
    }

    /// Gives a stream away, once: `.stdin` to be written to, `.stdout` and `.stderr` to be read. Nil where it was not asked
    /// for, and `.stdin` also where the container takes no input, or no more. It does not block (EAGAIN). Outputs end with
    /// the container; whoever does not read them for half a minute loses them.
    public func take(_ stream: SessionStream) -> FileDescriptor? { streams.take(stream) }

    /// Tells the container how large its terminal is; without one nothing.
    public func resize(rows: UInt16, columns: UInt16) async {
        guard hasTerminal else { return }
        await sandbox.resize(containerID, rows: rows, columns: columns)
    }

    /// Closes the streams that nobody has taken.
    public func close() { streams.close() }
}
