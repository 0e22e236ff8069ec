import KubeAPI
import Logging
import NIOCore
import NIOPosix

/// Passes a request for another protocol on to another server and joins the two connections when that server agrees:
/// bytes go between them as they are, no faster than the slower takes them.
public struct UpgradeRelay: Sendable {
    private let loops: EventLoops
    private let tls: ClientTLS?

    private static let connectLimit = TimeAmount.seconds(10)
    /// For the server's answer, and for the client to be told.
    private static let answerLimit = TimeAmount.seconds(30)

    /// Without `tls` the other server is spoken to in the clear.
    public init(loops: EventLoops, tls: ClientTLS?) {
        self.loops = loops
        self.tls = tls
    }

    /// Asks the other server, and answers the client as it does. Returns at once.
    ///
    /// - Parameters:
    ///   - target: path and query as they stand on the wire.
    ///   - headers: what the two ends settle by them, `Connection` and `Upgrade` among it.
    public func pass(
        _ method: String, host: String, port: Int, target: String, headers: [(String, String)],
        to responder: any HTTPResponder
    ) {
        let authority = "\(host.contains(":") ? "[\(host)]" : host):\(port)"
        let request = Self.request(method, authority, target, headers)
        let tls = tls
        let bootstrap = ClientBootstrap(group: loops.group)
            .connectTimeout(Self.connectLimit)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let verdict = ServerVerdict()
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(tls.makeHandler(host: host, verdict: verdict))
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        RelayedAnswer(request: request, responder: responder, verdict: verdict))
                }
            }
        SocketTuning.apply(to: bootstrap).connect(host: host, port: port).whenComplete { result in
            switch result {
            case .success(let channel):
                // Nobody tells when the client goes before it is told.
                channel.eventLoop.scheduleTask(in: Self.answerLimit) {
                    channel.pipeline.fireUserInboundEventTriggered(RelayedAnswer.LimitReached())
                }
            case .failure(let error):
                RelayedAnswer.fail(responder, "cannot connect to \(authority): \(describe(error))")
            }
        }
    }

    private static func request(
        _ method: String, _ authority: String, _ target: String, _ headers: [(String, String)]
    ) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeString("\(method) \(target) HTTP/1.1\r\nHost: \(authority)\r\n")
        for (name, value) in headers where name.lowercased() != "host" {
            // Parsed once already; what could end the line has been refused then.
            buffer.writeString("\(name): \(value)\r\n")
        }
        buffer.writeString("Content-Length: 0\r\n\r\n")
        return buffer
    }
}

/// The other server's side: its answer, then its bytes.
private final class RelayedAnswer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct LimitReached: Sendable {}

    private enum State {
        case head
        /// The answer is no change of protocol: its body is collected until the server hangs up or has sent all.
        case refusal(status: Int, type: String, length: Int?)
        /// It agrees; the client is being told.
        case switching
        case joined
    }

    private static let headBytes = 32 << 10
    private static let bodyBytes = 64 << 10

    private let request: ByteBuffer
    private let responder: any HTTPResponder
    private let verdict: ServerVerdict
    private var state = State.head
    private var received = ByteBuffer()
    private var context: ChannelHandlerContext?

    init(request: ByteBuffer, responder: any HTTPResponder, verdict: ServerVerdict) {
        self.request = request
        self.responder = responder
        self.verdict = verdict
    }

    static func fail(_ responder: any HTTPResponder, _ reason: String) {
        let error = StatusError.internalError("error dialing backend: \(reason)")
        responder.respond(
            status: error.code, headers: [("Content-Type", "application/json")], body: error.json.serialized())
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(request), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if case .joined = state {
            context.fireChannelRead(wrapInboundOut(bytes))
            return
        }
        received.writeBuffer(&bytes)
        if case .head = state { readHead(context) }
        if case .switching = state, received.readableBytes > Self.bodyBytes { return end(context, "it says too much") }
        if case .refusal(_, _, let length) = state, received.readableBytes >= min(length ?? .max, Self.bodyBytes) {
            refuse(context)
        }
    }
    private func readHead(_ context: ChannelHandlerContext) {
        let view = received.readableBytesView
        let end: [UInt8] = [13, 10, 13, 10]
        guard let start = view.indices.first(where: { view[$0...].starts(with: end) }) else {
            if received.readableBytes > Self.headBytes { self.end(context, "its answer cannot be read") }
            return
        }
        let text = String(decoding: view[..<start], as: UTF8.self)
        received.moveReaderIndex(to: start + end.count)
        let lines = text.split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, let status = Int(words[1]) else { return self.end(context, "its answer is not HTTP") }
        let headers: [(String, String)] = lines.dropFirst().compactMap { line in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (String(line[..<colon]), String(line[line.index(after: colon)...].drop { $0 == " " }))
        }
        func header(_ name: String) -> String? { headers.first { $0.0.lowercased() == name }?.1 }
        guard status == 101 else {
            state = .refusal(
                status: status, type: header("content-type") ?? "text/plain",
                length: header("content-length").flatMap(Int.init))
            return
        }
        let settled: Set<String> = [
            "upgrade", "x-stream-protocol-version", "sec-websocket-accept", "sec-websocket-protocol",
        ]
        state = .switching
        let backend = context.channel
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        responder.upgrade(
            ProtocolSwitch(headers: headers.filter { settled.contains($0.0.lowercased()) }) { client in
                try client.pipeline.syncOperations.addHandler(RelayEnd(to: backend))
                backend.eventLoop.execute { handler.value.join(client, on: backend) }
            })
    }

    private func join(_ client: any Channel, on backend: any Channel) {
        guard backend.isActive, let context,
            (try? backend.pipeline.syncOperations.addHandler(RelayEnd(to: client))) != nil
        else {
            // It has hung up meanwhile.
            client.close(promise: nil)
            return backend.close(promise: nil)
        }
        state = .joined
        if received.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(received)) }
        received = ByteBuffer()
    }

    private func refuse(_ context: ChannelHandlerContext) {
        guard case .refusal(let status, let type, _) = state else { return }
        responder.respond(
            status: status, headers: [("Content-Type", type)],
            body: Array(received.readableBytesView.prefix(Self.bodyBytes)))
        context.close(promise: nil)
    }

    private func end(_ context: ChannelHandlerContext, _ reason: String) {
        Self.fail(responder, reason)
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is LimitReached {
            if case .joined = state { return }
            return end(context, "it did not answer in time")
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .head = state { Self.fail(responder, verdict.refusal ?? "\(error)") }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch state {
        case .head: Self.fail(responder, verdict.refusal ?? "it closed the connection")
        case .refusal: refuse(context)
        case .switching, .joined: break
        }
        context.fireChannelInactive()
    }
}

/// One of two connections that are joined: what it reads, the other writes.
private final class RelayEnd: ChannelInboundHandler, ChannelOutboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    /// Bytes that the other connection has not taken; beyond it, this one is not read.
    private static let flightBytes = 256 << 10

    private let other: any Channel
    private var inFlight = 0
    private var owesRead = false

    init(to other: any Channel) { self.other = other }

    func read(context: ChannelHandlerContext) {
        if inFlight < Self.flightBytes { context.read() } else { owesRead = true }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        let count = bytes.readableBytes
        inFlight += count
        let end = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        // The other may belong to another thread.
        other.writeAndFlush(bytes).hop(to: context.eventLoop).whenComplete { _ in
            let (handler, context) = end.value
            handler.taken(count, context)
        }
    }

    private func taken(_ count: Int, _ context: ChannelHandlerContext) {
        inFlight -= count
        guard owesRead, inFlight < Self.flightBytes else { return }
        owesRead = false
        context.read()
    }

    func channelInactive(context: ChannelHandlerContext) {
        // After what it still has to write.
        other.writeAndFlush(ByteBuffer()).whenComplete { [other] _ in other.close(promise: nil) }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
