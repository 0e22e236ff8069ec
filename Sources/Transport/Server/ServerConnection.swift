import DequeModule
import KubeAPI
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL

/// One connection of a server: collects requests, hands them to the handler one at a time, writes the answers.
///
/// All state belongs to the channel's event loop; other threads only hold the reference, and come back through
/// `ServerExchange`. That is what `@unchecked Sendable` rests on.
final class ServerConnection: ChannelDuplexHandler, @unchecked Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private enum State {
        /// The client's certificate is being verified; requests wait.
        case authenticating
        case idle
        case receivingBody
        /// The handler has the request; its answer has not begun.
        case answering
        case streaming
        /// Answered with `Connection: close`: input is thrown away until the peer has read the answer.
        case lingering
        /// Another protocol has the connection: handlers behind this one, which lets everything pass.
        case upgraded
        case closed
    }

    private let server: HTTPServer
    private let mailbox: LoopMailbox
    private let tls: ServerTLS.Material?
    private let sslHandler: NIOSSLServerHandler?
    private let limits: ServerLimits

    /// Stands before this handler until the connection is upgraded.
    var decoder: ByteToMessageHandler<HTTPRequestDecoder>?
    private var context: ChannelHandlerContext?
    private var state = State.idle
    private var peer: PeerIdentity
    /// Parts of further requests that came while one is being answered.
    private var waiting: Deque<HTTPServerRequestPart> = []
    private var holdsRead = false
    private var isDraining = false
    private var isReading = false
    private var needsFlush = false
    /// The peer's bytes could not be parsed: answer what came before, then close.
    private var parseFailure: StatusError?

    private var head: HTTPRequestHead?
    private var target: RequestTarget?
    private var body: [UInt8] = []
    /// Bytes of the request in hand that count for all connections.
    private var heldBytes = 0
    private var exchange: ServerExchange?
    private var keepsAlive = false
    /// The request in hand is the last that the parser reads; what follows it is for the next protocol, if it is.
    private var asksForUpgrade = false
    private var isShuttingDown = false
    private var hasIdentifiedPeer: Bool
    private let presented: PresentedChain

    private var deadline: NIODeadline?
    private var timer: Scheduled<Void>?
    private var timerDue = NIODeadline.distantFuture

    init(
        server: HTTPServer, mailbox: LoopMailbox, tls: ServerTLS.Material?, sslHandler: NIOSSLServerHandler?,
        presented: PresentedChain, peer: PeerIdentity
    ) {
        self.server = server
        self.mailbox = mailbox
        self.tls = tls
        self.sslHandler = sslHandler
        self.presented = presented
        limits = server.limits
        self.peer = peer
        hasIdentifiedPeer = tls?.verifier == nil
    }

    // MARK: life

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        setDeadline(limits.headTimeout)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        ended()
        self.context = nil
    }

    private func ended() {
        guard state != .closed else { return }
        state = .closed
        timer?.cancel()
        timer = nil
        waiting = []
        body = []
        decoder = nil
        releaseBytes()
        let exchange = self.exchange
        self.exchange = nil
        server.connectionEnded(self)
        exchange?.closed()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case HTTPParserError.headerOverflow:
            fail(
                StatusError(
                    code: 431, reason: "RequestHeaderFieldsTooLarge",
                    message: "the request's headers exceed \(limits.headBytes) bytes"))
        case is HTTPParserError, is ByteToMessageDecoderError:
            fail(.badRequest("the request is not valid HTTP/1.1"))
        default:
            // Resets and failed handshakes are the peer's affair.
            server.log.debug("connection failed", metadata: ["peer": "\(peer.address)", "err": "\(error)"])
            context.close(promise: nil)
        }
    }

    /// Ends idle connections at once, others after their answer.
    func shutDown() {
        isShuttingDown = true
        keepsAlive = false
        switch state {
        case .idle, .receivingBody, .authenticating, .lingering, .upgraded: context?.close(promise: nil)
        case .streaming: exchange?.finish()
        case .answering, .closed: break
        }
    }

    func closeNow() { context?.close(promise: nil) }

    // MARK: reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if state == .upgraded {
            context.fireChannelRead(data)
            return
        }
        isReading = true
        let part = unwrapInboundIn(data)
        switch state {
        case .lingering, .closed:
            return
        case .idle, .receivingBody:
            if waiting.isEmpty, mayConsume { consume(part) } else { waiting.append(part) }
        case .authenticating, .answering, .streaming:
            waiting.append(part)
        case .upgraded:
            break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if state == .idle, !isReading, timerDue > .now() + .nanoseconds(limits.headTimeout.nanos) {
            // Bytes came that are not a whole head yet: from here on it is up to the peer to be quick.
            setDeadline(limits.headTimeout)
        }
        isReading = false
        if needsFlush {
            needsFlush = false
            context.flush()
        }
        context.fireChannelReadComplete()
    }

    /// Holds reading back while there are requests in hand, so that a peer cannot fill our memory by pipelining. The
    /// end of the connection is noticed all the same.
    func read(context: ChannelHandlerContext) {
        // Before an upgrade the decoder would keep whatever comes.
        if waiting.isEmpty, !(asksForUpgrade && state == .answering) { context.read() } else { holdsRead = true }
    }

    /// A request is begun when the answers before it are with the kernel: a peer that asks on and on without reading
    /// must not make us hold all answers.
    private var mayConsume: Bool {
        state == .receivingBody || state == .idle && context?.channel.isWritable == true
    }

    private func drainWaiting() {
        guard !isDraining else { return }
        isDraining = true
        while mayConsume, let part = waiting.popFirst() { consume(part) }
        isDraining = false
        if waiting.isEmpty {
            if let parseFailure, state == .idle || state == .receivingBody {
                self.parseFailure = nil
                fail(parseFailure)
            }
            if holdsRead {
                holdsRead = false
                context?.read()
            }
        }
    }

    private func consume(_ part: HTTPServerRequestPart) {
        switch part {
        case .head(let head): begin(head)
        case .body(let bytes): append(bytes)
        case .end: dispatch()
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        self.head = head
        // HTTP/1.0 connections are not kept: nobody needs it, and its rules for proxies are murky.
        let isCurrent = head.version == .http1_1
        keepsAlive = isCurrent && head.isKeepAlive && !isShuttingDown
        if HTTPServerRequest.asksForUpgrade(head.headers) {
            // The parser ends with such a request, so that the connection must too.
            asksForUpgrade = true
            keepsAlive = false
            hasUnreadInput = true
        }
        state = .receivingBody
        guard isCurrent || head.version == .http1_0 else {
            return fail(
                StatusError(code: 505, reason: "", message: "HTTP version not supported: only HTTP/1.1 is served"))
        }
        guard let target = RequestTarget(head.uri) else {
            return fail(.badRequest("invalid request target: \(head.uri.prefix(200))"))
        }
        let hosts = head.headers["host"].count
        guard hosts == 1 || hosts == 0 && !isCurrent else {
            return fail(.badRequest(hosts == 0 ? "missing required Host header" : "too many Host headers"))
        }
        self.target = target
        if let length = head.headers.first(name: "content-length") {
            guard let length = Int(length) else { return fail(.badRequest("invalid Content-Length")) }
            guard length <= limits.bodyBytes else { return failTooLarge() }
            // The peer's word is worth a small reservation.
            body.reserveCapacity(min(length, 64 << 10))
        }
        if head.headers.contains(name: "expect") {
            guard head.headers["expect"].allSatisfy({ $0.lowercased() == "100-continue" }) else {
                return fail(
                    StatusError(code: 417, reason: "ExpectationFailed", message: "only 100-continue can be expected"))
            }
            if isCurrent, let context {
                var buffer = context.channel.allocator.buffer(capacity: 32)
                buffer.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
                context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
            }
        }
        setDeadline(limits.bodyTimeout)
    }

    private func append(_ bytes: ByteBuffer) {
        guard state == .receivingBody else { return }
        guard body.count &+ bytes.readableBytes <= limits.bodyBytes else { return failTooLarge() }
        guard server.hold(bytes.readableBytes) else { return failBusy() }
        heldBytes += bytes.readableBytes
        body.append(contentsOf: bytes.readableBytesView)
    }

    private func releaseBytes() {
        if heldBytes > 0 { server.release(heldBytes) }
        heldBytes = 0
    }

    private func dispatch() {
        guard state == .receivingBody, let head, let target, let context else { return }
        if !hasIdentifiedPeer { return identifyPeer() }
        self.head = nil
        self.target = nil
        let request = HTTPServerRequest(
            method: head.method.rawValue, target: target, fields: head.headers, body: body, peer: peer,
            asksForUpgrade: asksForUpgrade)
        body = []
        let exchange = ServerExchange(
            connection: self, loop: context.eventLoop, mailbox: mailbox, backlogLimit: limits.streamBacklogBytes,
            isHead: head.method == .HEAD, isChunked: head.version == .http1_1)
        self.exchange = exchange
        state = .answering
        setDeadline(limits.answerTimeout)
        server.handler.handle(request, exchange)
    }

    // MARK: who is it

    /// Runs once per connection, when the handshake is over and the first request is there.
    private func identifyPeer() {
        hasIdentifiedPeer = true
        guard let verifier = tls?.verifier, let leaf = sslHandler?.peerCertificate, let context else {
            return dispatch()
        }
        let chain: [[UInt8]]
        do {
            chain = try [leaf.toDERBytes()] + presented.certificates.dropFirst().prefix(8).map { try $0.toDERBytes() }
        } catch {
            peer.certificateError = "\(error)"
            return dispatch()
        }
        state = .authenticating
        let loop = context.eventLoop
        // One task per connection; requests never need one.
        Task {
            let outcome = await verifier.verify(chain: chain, for: .client)
            loop.execute { self.identified(outcome, der: chain[0]) }
        }
    }

    private func identified(_ outcome: CertificateVerifier.Outcome, der: [UInt8]) {
        guard state == .authenticating else { return }
        switch outcome {
        case .trusted(let certificate): peer.certificate = ClientCertificate(certificate, der: der)
        case .refused(let reason):
            peer.certificateError = reason
            server.log.debug(
                "client certificate refused", metadata: ["peer": "\(peer.address)", "err": "\(reason)"])
        }
        state = .receivingBody
        dispatch()
        drainWaiting()
    }

    // MARK: answering, called by the exchange on the event loop

    func respond(_ exchange: ServerExchange, status: Int, headers: [(String, String)], body: [UInt8]) {
        guard exchange === self.exchange, state == .answering, let context else { return }
        let closes = mustClose(headers)
        let mayHaveBody = status >= 200 && status != 204 && status != 304
        var buffer = context.channel.allocator.buffer(capacity: 512 + (body.count <= 16 << 10 ? body.count : 0))
        let framing: ResponseHead.Framing =
            !mayHaveBody || exchange.isHead && body.isEmpty ? .none : .length(body.count)
        ResponseHead.write(status: status, headers: headers, framing: framing, closes: closes, into: &buffer)
        if mayHaveBody && !exchange.isHead {
            if body.count <= 16 << 10 {
                buffer.writeBytes(body)
            } else {
                context.write(wrapOutboundOut(buffer), promise: nil)
                buffer = ByteBuffer(bytes: body)
            }
        }
        complete(with: buffer, closes: closes)
        exchange.closed()
    }

    /// Answers 101 and puts the other protocol's handlers behind this one, which stays: the server knows and closes the
    /// connection by it.
    func upgrade(_ exchange: ServerExchange, _ change: ProtocolSwitch) {
        guard exchange === self.exchange, state == .answering, let context else { return }
        guard asksForUpgrade, !isShuttingDown, let decoder else {
            return respond(
                exchange, status: 400, headers: [("Content-Type", "text/plain; charset=utf-8")],
                body: Array("unable to upgrade: the request does not ask for it\n".utf8))
        }
        state = .upgraded
        self.exchange = nil
        self.decoder = nil
        deadline = nil
        timer?.cancel()
        timer = nil
        timerDue = .distantFuture
        releaseBytes()
        var buffer = context.channel.allocator.buffer(capacity: 512)
        ResponseHead.writeSwitch(headers: change.headers, into: &buffer)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        do {
            if context.channel.remoteAddress?.port != nil { try SocketTuning.letPeerPause(context.channel) }
            try change.install(context.channel)
        } catch {
            server.log.warning("cannot upgrade a connection", metadata: ["err": "\(error)"])
            context.close(promise: nil)
            return exchange.closed()
        }
        // What the decoder has kept comes to the new handlers, before anything that is read later.
        context.pipeline.syncOperations.removeHandler(decoder, promise: nil)
        exchange.closed()
        if holdsRead {
            holdsRead = false
            context.read()
        }
    }

    func startStream(_ exchange: ServerExchange, status: Int, headers: [(String, String)]) {
        guard exchange === self.exchange, state == .answering, let context else { return }
        state = .streaming
        deadline = nil
        if !exchange.isChunked { keepsAlive = false }
        var buffer = context.channel.allocator.buffer(capacity: 512)
        let framing: ResponseHead.Framing = exchange.isHead ? .none : exchange.isChunked ? .chunked : .untilClose
        keepsAlive = !mustClose(headers)
        ResponseHead.write(status: status, headers: headers, framing: framing, closes: !keepsAlive, into: &buffer)
        context.write(wrapOutboundOut(buffer), promise: nil)
        flush()
    }

    func write(_ frame: Frame, of exchange: ServerExchange) -> Bool {
        guard exchange === self.exchange, state == .streaming, let context else { return false }
        let bytes = exchange.isChunked ? frame.chunk : ByteBuffer(bytes: frame.bytes)
        context.write(wrapOutboundOut(bytes), promise: nil)
        return true
    }

    /// Bytes that the socket has not taken yet; nil where the stream has ended.
    func flush(_ exchange: ServerExchange) -> Int? {
        guard exchange === self.exchange, state == .streaming else { return nil }
        flush()
        return bufferedBytes
    }

    func finishStream(_ exchange: ServerExchange) {
        guard exchange === self.exchange, state == .streaming, let context else { return }
        var buffer = context.channel.allocator.buffer(capacity: 8)
        if exchange.isChunked && !exchange.isHead { buffer.writeStaticString("0\r\n\r\n") }
        complete(with: buffer, closes: !keepsAlive)
    }

    func abort(_ exchange: ServerExchange) {
        guard exchange === self.exchange else { return }
        // With a reset, so that the peer does not take what it has for everything.
        context?.close(promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if state == .streaming {
            exchange?.channelWritabilityChanged(context.channel.isWritable, buffered: bufferedBytes)
        } else if context.channel.isWritable, state != .upgraded {
            drainWaiting()
        }
        context.fireChannelWritabilityChanged()
    }

    private var bufferedBytes: Int {
        // Socket channels all have the option; what lacks it (a test's channel) has no socket to wait for.
        (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    private func mustClose(_ headers: [(String, String)]) -> Bool {
        !keepsAlive || headers.contains { $0.0.lowercased() == "connection" && $0.1.lowercased() == "close" }
    }

    private func flush() {
        // Answers to pipelined requests leave together.
        if isReading { needsFlush = true } else { context?.flush() }
    }

    /// Writes the end of an answer and goes on to the next request, or closes.
    private func complete(with buffer: ByteBuffer, closes: Bool) {
        guard let context else { return }
        exchange = nil
        releaseBytes()
        guard closes || isShuttingDown else {
            if buffer.readableBytes > 0 { context.write(wrapOutboundOut(buffer), promise: nil) }
            flush()
            state = .idle
            setDeadline(limits.idleTimeout)
            return drainWaiting()
        }
        state = .lingering
        waiting = []
        setDeadline(.seconds(60))
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenComplete { _ in self.closeAfterAnswer() }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: written)
        if holdsRead {
            holdsRead = false
            context.read()
        }
    }

    /// The answer is with the kernel. Closing a socket that still has unread input resets it and may take the answer
    /// back from the peer, so input that is under way is drained first.
    private func closeAfterAnswer() {
        guard state == .lingering, let context else { return }
        guard hasUnreadInput else {
            context.close(promise: nil)
            return
        }
        context.close(mode: .output, promise: nil)
        setDeadline(.seconds(2))
    }

    /// The request in hand was refused before its end, or what follows it cannot be read.
    private var hasUnreadInput = false

    // MARK: refusing

    private func failTooLarge() {
        fail(
            .tooLarge("Request entity too large: limit is \(limits.bodyBytes)"))
    }

    /// All connections together hold what they may.
    private func failBusy() {
        fail(
            StatusError(
                code: 429, reason: "TooManyRequests", message: "Too many requests, please try again later.",
                details: ["retryAfterSeconds": 1]))
    }

    /// Answers with a Status and closes.
    private func fail(_ error: StatusError) {
        guard let context else { return }
        switch state {
        case .idle, .receivingBody, .authenticating:
            break
        case .answering, .streaming:
            parseFailure = error
            keepsAlive = false
            return
        case .lingering, .upgraded, .closed:
            context.close(promise: nil)
            return
        }
        hasUnreadInput = true
        body = []
        waiting = []
        let json = error.json.serialized()
        var buffer = context.channel.allocator.buffer(capacity: 512 + json.count)
        var headers = [("Content-Type", "application/json")]
        if let seconds = error.details["retryAfterSeconds"].int { headers.append(("Retry-After", String(seconds))) }
        ResponseHead.write(
            status: error.code, headers: headers, framing: .length(json.count), closes: true, into: &buffer)
        if head?.method != .HEAD { buffer.writeBytes(json) }
        complete(with: buffer, closes: true)
    }

    // MARK: deadlines

    /// One timer per connection, re-armed only when it fires or must fire earlier: a busy connection sets deadlines
    /// all the time without touching the loop's heap.
    private func setDeadline(_ timeout: Duration) {
        let due = NIODeadline.now() + .nanoseconds(timeout.nanos)
        deadline = due
        if due < timerDue { arm(due) }
    }

    private func arm(_ due: NIODeadline) {
        guard let context else { return }
        timer?.cancel()
        timerDue = due
        timer = context.eventLoop.scheduleTask(deadline: due) { self.timerFired() }
    }

    private func timerFired() {
        timer = nil
        timerDue = .distantFuture
        guard let deadline, state != .closed else { return }
        guard deadline <= .now() else { return arm(deadline) }
        self.deadline = nil
        switch state {
        case .receivingBody:
            fail(StatusError(code: 408, reason: "Timeout", message: "the request's body did not arrive in time"))
        case .answering:
            keepsAlive = false
            exchange?.respond(
                status: 504, headers: [("Content-Type", "application/json")],
                body: StatusError(
                    code: 504, reason: "Timeout",
                    message: "Timeout: request did not complete within the allotted timeout"
                ).json.serialized())
        case .streaming, .upgraded:
            break
        case .idle, .authenticating, .lingering, .closed:
            context?.close(promise: nil)
        }
    }
}

extension Duration {
    /// Whole nanoseconds, saturating.
    var nanos: Int64 {
        let (seconds, attoseconds) = components
        let (product, isOver) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isSumOver) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return isOver || isSumOver ? (seconds < 0 ? .min : .max) : sum
    }
}
