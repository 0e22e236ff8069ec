import KubeAPI
import NIOCore

/// What a server of grpc.health.v1 has answered.
public enum GRPCHealth: Sendable, Equatable {
    /// `HealthCheckResponse.status`: 1 is SERVING.
    case status(Int)
    /// The call has failed, with gRPC's code.
    case failed(code: Int, message: String)
}

extension Dialer {
    /// Calls `grpc.health.v1.Health/Check` in plain HTTP/2. `timeout` covers all of it.
    /// - Parameter service: empty for the server as a whole.
    public func checkHealth(host: String, port: Int, service: String, agent: String, timeout: Duration)
        async throws(DialError) -> GRPCHealth
    {
        let authority = "\(host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host):\(port)"
        let opening = UnaryCall.opening(
            path: "/grpc.health.v1.Health/Check", authority: authority, agent: agent,
            message: HealthMessage.request(service: service))
        let deadline = NIODeadline.now() + .nanoseconds(timeout.nanos)
        let answer = try await ask(host: host, port: port, timeout: timeout, DialCancellation()) { channel, promise in
            try channel.pipeline.syncOperations.addHandler(
                CallHandler(opening: opening, deadline: deadline, promise: promise))
        }
        guard answer.code == 0 else { return .failed(code: answer.code, message: answer.message) }
        guard let status = HealthMessage.status(in: answer.body) else {
            return .failed(code: 13, message: "the answer cannot be decoded")
        }
        return .status(status)
    }
}

/// The two messages of grpc.health.v1, each of one field.
enum HealthMessage {
    /// `string service = 1`
    static func request(service: String) -> [UInt8] {
        let bytes = Array(service.utf8)
        guard !bytes.isEmpty else { return [] }
        var length: [UInt8] = []
        var rest = bytes.count
        while rest >= 0x80 {
            length.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        return [0x0a] + length + [UInt8(rest)] + bytes
    }

    /// `ServingStatus status = 1`: left out where it is 0. Nil for what is no such message.
    static func status(in bytes: [UInt8]) -> Int? {
        guard !bytes.isEmpty else { return 0 }
        guard bytes[0] == 0x08, bytes.count == 2, bytes[1] < 0x80 else { return nil }
        return Int(bytes[1])
    }
}

/// Moves the bytes of one call. Belongs to its event loop.
private final class CallHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let opening: [UInt8]
    private let deadline: NIODeadline
    private var promise: EventLoopPromise<UnaryCall.Answer>?
    private var timer: Scheduled<Void>?
    private var call = UnaryCall()
    private var hasBegun = false

    init(opening: [UInt8], deadline: NIODeadline, promise: EventLoopPromise<UnaryCall.Answer>) {
        self.opening = opening
        self.deadline = deadline
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        hasBegun = true
        let loop = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: deadline) {
            let (handler, context) = loop.value
            handler.fail(.timedOut, context)
        }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: opening)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard promise != nil else { return }
        var replies: [UInt8] = []
        let progress = call.receive(unwrapInboundIn(data).readableBytesView, replies: &replies)
        if !replies.isEmpty { context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: replies)), promise: nil) }
        switch progress {
        case .waiting: break
        case .malformed(let words): fail(.malformed(words), context)
        case .answered(let answer):
            timer?.cancel()
            promise?.succeed(answer)
            promise = nil
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(Dialer.cause(error), context) }

    func channelInactive(context: ChannelHandlerContext) {
        fail(.closed, context)
        context.fireChannelInactive()
    }

    /// A connection that never came about is told by whoever tried to make it.
    func handlerRemoved(context: ChannelHandlerContext) { if hasBegun { fail(.closed, context) } }

    private func fail(_ cause: DialError.Cause, _ context: ChannelHandlerContext) {
        guard let promise else { return }
        self.promise = nil
        timer?.cancel()
        // Before the other side has shown that it speaks HTTP/2 there is no connection in gRPC's sense.
        promise.fail(DialError(call.hasHeard ? .answer : .connection, cause))
        context.close(promise: nil)
    }
}
