import NIOCore
import Synchronization

/// Open descriptors of a command, given away with this value: whoever has it last closes them.
public struct CommandDescriptors: Sendable {
    /// Written to; its end is told to the command.
    public var stdin: Int32?
    /// Read from.
    public var stdout: Int32?
    /// Read from.
    public var stderr: Int32?
    /// Both, in place of the others: the controlling side of a terminal.
    public var terminal: Int32?

    public init(stdin: Int32? = nil, stdout: Int32? = nil, stderr: Int32? = nil, terminal: Int32? = nil) {
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.terminal = terminal
    }

    var all: [Int32] { [stdin, stdout, stderr, terminal].compactMap(\.self) }
}

/// One client of exec or attach, and the command that it is joined with. Its functions may be called from any thread.
///
/// The command's bytes go between its descriptors and the client's streams, no faster than the slower end takes them.
/// Its outcome is told when it is known and the command's output has ended.
public final class RemoteCommandSession: Sendable {
    public let options: RemoteCommandOptions
    private let loop: any EventLoop
    private let state: NIOLoopBound<State>

    private struct Shared {
        var isClosed = false
        var onClose: [@Sendable () -> Void] = []
        var onResize: (@Sendable (TerminalSize) -> Void)?
        /// Sizes that came before anybody asked: the last counts.
        var size: TerminalSize?
    }
    private let shared = Mutex(Shared())

    /// What belongs to the event loop.
    final class State {
        let streams: RemoteCommandStreams
        var pumps: [DescriptorPump] = []
        /// Outputs that have not ended.
        var openOutputs = 0
        var outcome: RemoteCommandOutcome?
        var hasTold = false
        var resizes = ResizeReader()
        init(_ streams: RemoteCommandStreams) { self.streams = streams }
    }

    init(options: RemoteCommandOptions, streams: RemoteCommandStreams, loop: any EventLoop) {
        self.options = options
        self.loop = loop
        state = NIOLoopBound(State(streams), eventLoop: loop)
    }

    // MARK: the command's side

    /// Joins the command with the client. Once; where the client has gone already, the descriptors are closed.
    public func connect(_ descriptors: CommandDescriptors) {
        perform { $0.join(descriptors) }
    }

    /// Tells the client how the command ended, after all of its output, and ends the session. Once.
    public func finish(_ outcome: RemoteCommandOutcome) {
        perform { session in
            let state = session.state.value
            if state.outcome == nil { state.outcome = outcome }
            session.tellIfOver()
        }
    }

    /// Outputs that have not ended after that time are not waited for any more: those who hold them open are not the
    /// command, which has ended. It counts from when the client has taken what there was.
    public func abandonOutputs(after rest: Duration) {
        perform { session in
            session.loop.scheduleTask(in: .nanoseconds(rest.nanos)) {
                let state = session.state.value
                guard state.openOutputs > 0, !state.hasTold else { return }
                guard state.streams.stdout?.isWritable ?? true else { return session.abandonOutputs(after: rest) }
                state.openOutputs = 0
                session.tellIfOver()
            }
        }
    }

    /// The size of the client's terminal, where it has said that before anybody asked to be told.
    public var size: TerminalSize? { shared.withLock { $0.size } }

    /// Called on the event loop with each size of the client's terminal, the one it has now included.
    public func onResize(_ body: @escaping @Sendable (TerminalSize) -> Void) {
        let size = shared.withLock { shared in
            shared.onResize = body
            defer { shared.size = nil }
            return shared.size
        }
        if let size { body(size) }
    }

    /// Called once when the client is gone or has been told the outcome; at once where that has happened.
    public func onClose(_ body: @escaping @Sendable () -> Void) {
        let isClosed = shared.withLock { shared in
            if !shared.isClosed { shared.onClose.append(body) }
            return shared.isClosed
        }
        if isClosed { body() }
    }

    // MARK: on the event loop

    private func perform(_ body: @escaping @Sendable (RemoteCommandSession) -> Void) {
        if loop.inEventLoop { body(self) } else { loop.execute { body(self) } }
    }

    private func join(_ descriptors: CommandDescriptors) {
        let state = state.value
        guard !shared.withLock({ $0.isClosed }), !state.hasTold else {
            for descriptor in descriptors.all { closeDescriptor(descriptor) }
            return
        }
        let streams = state.streams
        if let terminal = descriptors.terminal {
            start(DescriptorPump.Kind.both, terminal, source: streams.stdin, target: streams.stdout)
        }
        if let stdin = descriptors.stdin {
            if let source = streams.stdin {
                start(.output, stdin, source: source, target: nil)
            } else {
                closeDescriptor(stdin)
            }
        }
        if let stdout = descriptors.stdout { start(.input, stdout, source: nil, target: streams.stdout) }
        if let stderr = descriptors.stderr { start(.input, stderr, source: nil, target: streams.stderr) }
        if descriptors.terminal == nil, descriptors.stdin == nil { streams.stdin?.ignore() }
        tellIfOver()
    }

    private func start(_ kind: DescriptorPump.Kind, _ descriptor: Int32, source: SubStream?, target: SubStream?) {
        let state = state.value
        let isOutput = kind != .output
        if isOutput { state.openOutputs += 1 }
        let pump = DescriptorPump(
            kind, source: source, target: target,
            onReadEnd: { [weak self] in
                guard isOutput, let self else { return }
                state.openOutputs -= 1
                self.tellIfOver()
            })
        state.pumps.append(pump)
        pump.start(descriptor, on: loop)
    }

    private func tellIfOver() {
        let state = state.value
        guard let outcome = state.outcome, state.openOutputs <= 0, !state.hasTold else { return }
        state.hasTold = true
        state.streams.end(with: outcome)
        release()
    }

    func resized(_ bytes: ByteBuffer) {
        for size in state.value.resizes.read(bytes) {
            let body = shared.withLock { shared in
                if shared.onResize == nil { shared.size = size }
                return shared.onResize
            }
            body?(size)
        }
    }

    /// The connection is gone.
    func disconnected() { release() }

    private func release() {
        let state = state.value
        state.hasTold = true
        for pump in state.pumps { pump.close() }
        state.pumps = []
        let bodies = shared.withLock { shared in
            shared.isClosed = true
            shared.onResize = nil
            defer { shared.onClose = [] }
            return shared.onClose
        }
        for body in bodies { body() }
    }
}
