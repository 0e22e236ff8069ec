import KubeAPI
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// The answer to a call with one message each way.
public struct GRPCReply: Sendable {
    public let message: [UInt8]
    /// An earlier attempt broke off, and the server may have acted on it, too.
    public let isRepeated: Bool
}

/// A client of gRPC: one connection to one of several servers that are the same to it.
///
/// It connects when somebody calls, goes on with the next server where one fails, backs off where all do, and keeps
/// calls that no server has seen until their deadlines. What it calls back runs on its own thread and must not block.
public final class GRPCChannel: @unchecked Sendable {
    // `calls` and everything behind it belong to the loop.
    private let loops: EventLoops
    private let loop: any EventLoop
    private let mailbox: LoopMailbox
    private let core: NIOLoopBound<GRPCChannelCore>
    private let isClosed = Atomic<Bool>(false)

    /// - Parameter messageLimit: of one answer, in bytes.
    public static func open(
        _ endpoints: [GRPCEndpoint], tls: ClientTLS?, agent: String, messageLimit: Int
    ) async -> GRPCChannel {
        await open(endpoints, tls: tls, agent: agent, messageLimit: messageLimit, pace: GRPCPace())
    }

    static func open(
        _ endpoints: [GRPCEndpoint], tls: ClientTLS?, agent: String, messageLimit: Int, pace: GRPCPace
    ) async -> GRPCChannel {
        let loops = EventLoops(count: 1)
        let loop = loops.group.next()
        let made = loop.submit {
            let core = GRPCChannelCore(
                loop: loop, endpoints: endpoints, tls: tls, agent: agent, messageLimit: messageLimit, pace: pace)
            core.begin()
            return NIOLoopBound(core, eventLoop: loop)
        }
        do {
            return GRPCChannel(loops: loops, loop: loop, core: try await made.get())
        } catch {
            preconditionFailure("a loop of our own has not run what it was given: \(error)")
        }
    }

    private init(loops: EventLoops, loop: any EventLoop, core: NIOLoopBound<GRPCChannelCore>) {
        self.loops = loops
        self.loop = loop
        self.core = core
        mailbox = loops.mailbox(of: loop)
    }

    /// Calls with one message each way. `timeout` covers connecting and all attempts. `isRepeatable`: it does no harm to
    /// send it again when nobody knows what became of it.
    public func call(
        _ path: String, _ message: [UInt8], timeout: Duration, isRepeatable: Bool,
        completion: @escaping @Sendable (Result<GRPCReply, GRPCError>) -> Void
    ) {
        if isClosed.load(ordering: .acquiring) {
            return completion(.failure(GRPCError(.cancelled, "the client is closed", isUnsent: true)))
        }
        let deadline = NIODeadline.now() + .nanoseconds(timeout.nanos)
        run { [self] in
            core.value.unary(path, message, deadline, isRepeatable, completion)
        }
    }

    public func call(
        _ path: String, _ message: [UInt8], timeout: Duration, isRepeatable: Bool = true
    ) async throws(GRPCError) -> [UInt8] {
        let result = await withCheckedContinuation { continuation in
            call(path, message, timeout: timeout, isRepeatable: isRepeatable) { continuation.resume(returning: $0) }
        }
        return try result.get().message
    }

    /// Opens a call in which both sides send what they like, with a first message. It waits for a connection as long as
    /// it takes.
    /// - Parameter onEnd: nil where the server has ended it well.
    public func open(
        _ path: String, headers: [(name: String, value: String)], first message: [UInt8],
        onMessage: @escaping @Sendable ([UInt8]) -> Void, onEnd: @escaping @Sendable (GRPCError?) -> Void
    ) -> GRPCStream {
        let stream = GRPCStream(self)
        run { [self] in
            stream.call = core.value.stream(path, headers, message, onMessage, onEnd)
        }
        return stream
    }

    fileprivate func send(_ message: [UInt8], on stream: GRPCStream) {
        run { [self] in if let call = stream.call { core.value.send(message, on: call) } }
    }

    fileprivate func cancel(_ stream: GRPCStream) {
        run { [self] in if let call = stream.call { core.value.cancel(call) } }
    }

    /// Leaves the server in use for the next one: it has said that it can't serve.
    public func moveOn() { run { [self] in core.value.moveOn() } }

    /// Runs `body` on the channel's thread, at once if that is where we are; not at all once the channel is closed.
    public func run(_ body: @escaping @Sendable () -> Void) {
        if loop.inEventLoop { return body() }
        if !isClosed.load(ordering: .acquiring) { mailbox.post(.run(body)) }
    }

    /// Runs `body` on the channel's thread after a while; not at all if the channel is closed before.
    public func run(after delay: Duration, _ body: @escaping @Sendable () -> Void) {
        if !isClosed.load(ordering: .acquiring) { loop.scheduleTask(in: .nanoseconds(delay.nanos), body) }
    }

    /// Ends all calls and the connection.
    public func close() async {
        if isClosed.exchange(true, ordering: .acquiringAndReleasing) { return }
        let closed = loop.submit { [self] in core.value.close() }
        try? await closed.get()  // the loop runs until the next line
        await loops.shutdown()
    }
}

/// An open call.
public final class GRPCStream: @unchecked Sendable {
    private let channel: GRPCChannel
    /// Belongs to the channel's loop.
    fileprivate var call: GRPCCall?

    fileprivate init(_ channel: GRPCChannel) { self.channel = channel }

    public func send(_ message: [UInt8]) { channel.send(message, on: self) }

    /// Ends it from our side; its end is called with `cancelled`.
    public func cancel() { channel.cancel(self) }
}
