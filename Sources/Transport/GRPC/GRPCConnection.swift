import NIOCore

/// Whoever made a connection, and hears what becomes of it. On the connection's event loop.
protocol GRPCConnectionOwner: AnyObject {
    /// The other side speaks HTTP/2.
    func isReady(_ connection: GRPCConnection)
    /// It takes no more calls (GOAWAY, or its numbers are used up).
    func isDraining(_ connection: GRPCConnection)
    /// It takes further calls than before.
    func hasRoom(_ connection: GRPCConnection)
    /// A call has ended here: nil is well.
    func ended(_ call: GRPCCall, _ error: GRPCError?)
    /// The connection is gone, and all its calls have ended.
    func isGone(_ connection: GRPCConnection, _ why: GRPCError)
}

/// One HTTP/2 connection that carries calls (RFC 9113, and gRPC's use of it). Belongs to its event loop.
///
/// Written by hand over the frames that there are: what a client of gRPC needs is a small part of HTTP/2, and servers in
/// Go send a ping after each data frame, which libraries count as an attack.
final class GRPCConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What we let the server send ahead, in bytes: of one stream, of all together.
    static let streamWindow = 4 << 20
    static let connectionWindow = 16 << 20
    /// What everybody has before settings say otherwise.
    private static let defaultWindow = 65535
    private static let maxStreamNumber: UInt32 = 0x7fff_fff0
    private static let windowLimit = 0x7fff_ffff

    let endpoint: GRPCEndpoint
    let pace: GRPCPace
    private let agent: String
    private weak var owner: (any GRPCConnectionOwner)?
    private var context: ChannelHandlerContext?
    let verdict = ServerVerdict()

    private(set) var calls: [UInt32: GRPCCall] = [:]
    private var nextStream: UInt32 = 1
    private(set) var isReady = false
    private(set) var isDraining = false
    private var hasBegun = false
    private var isOver = false
    private var failure: (any Error)?
    private var end: GRPCError?

    // What the server allows.
    private var maxStreams = Int.max
    private var initialWindow = GRPCConnection.defaultWindow
    private var maxFrame = HTTP2Frame.payloadLimit
    private var sendWindow = GRPCConnection.defaultWindow
    /// Streams with something to send that no window has room for.
    private var blocked: Set<UInt32> = []

    // Being received.
    private var inbound = ByteBuffer()
    var decoder = HeaderDecoder()
    var block: [UInt8] = []
    var blockStream: UInt32 = 0
    var blockEndsStream = false
    private var unreturned = 0

    private var outgoing = ByteBuffer()
    private var isFlushScheduled = false

    // Is anybody there?
    private let begunAt: NIODeadline
    private(set) var lastReceived: NIODeadline
    private var pingSentAt: NIODeadline?
    private var lastPing: NIODeadline

    init(endpoint: GRPCEndpoint, agent: String, pace: GRPCPace, owner: any GRPCConnectionOwner) {
        self.endpoint = endpoint
        self.agent = agent
        self.pace = pace
        self.owner = owner
        begunAt = .now()
        lastReceived = begunAt
        lastPing = begunAt
    }

    /// Whether a call may begin now.
    var hasRoom: Bool { isReady && !isDraining && !isOver && calls.count < maxStreams }

    // MARK: - Calls

    func start(_ call: GRPCCall, now: NIODeadline = .now()) {
        call.stream = nextStream
        call.sendWindow = initialWindow
        call.startedAt = now
        calls[nextStream] = call
        var fields: [(name: String, value: String)] = [
            (":method", "POST"), (":scheme", endpoint.isTLS ? "https" : "http"), (":path", call.path),
            (":authority", endpoint.authority), ("te", "trailers"), ("content-type", "application/grpc"),
            ("user-agent", agent),
        ]
        if let deadline = call.deadline {
            fields.append(("grpc-timeout", "\(max(1, (deadline - now).nanoseconds / 1_000_000))m"))
        }
        write(
            HTTP2Frame.Kind.headers, flags: HTTP2Frame.Flag.endHeaders, stream: nextStream,
            HeaderEncoder.block(fields + call.headers)[...])
        nextStream += 2
        pump(call)
        if nextStream > Self.maxStreamNumber { drain() }
    }

    func send(_ message: [UInt8], on call: GRPCCall) {
        guard calls[call.stream] === call else { return }
        call.append(message)
        pump(call)
    }

    /// Ends a call from our side.
    func abandon(_ call: GRPCCall, _ error: GRPCError) {
        guard calls[call.stream] === call else { return }
        reset(call.stream, HTTP2Frame.Code.cancel)
        finish(call, error)
    }

    /// Sends as much of a call as the windows have room for.
    private func pump(_ call: GRPCCall) {
        while !call.pending.isEmpty {
            let room = min(sendWindow, call.sendWindow, maxFrame)
            guard room > 0 else {
                blocked.insert(call.stream)
                return
            }
            let piece = call.pending.prefix(room)
            let isLast = piece.count == call.pending.count && call.isHalfClosed
            write(
                HTTP2Frame.Kind.data, flags: isLast ? HTTP2Frame.Flag.endStream : 0, stream: call.stream, piece)
            call.sent(piece.count)
            sendWindow -= piece.count
            call.sendWindow -= piece.count
        }
        blocked.remove(call.stream)
    }

    private func pumpBlocked() {
        for stream in blocked.sorted() {
            guard sendWindow > 0 else { return }
            if let call = calls[stream] { pump(call) } else { blocked.remove(stream) }
        }
    }

    func finish(_ call: GRPCCall, _ error: GRPCError?) {
        let wasFull = calls.count >= maxStreams
        calls[call.stream] = nil
        blocked.remove(call.stream)
        owner?.ended(call, error)
        if isDraining, calls.isEmpty {
            close(GRPCError(.unavailable, "the connection was drained"))
        } else if wasFull {
            owner?.hasRoom(self)
        }
    }

    // MARK: - Life

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        hasBegun = true
        outgoing.writeBytes(HTTP2Frame.preface)
        var settings: [UInt8] = []
        for (name, value) in [
            (HTTP2Frame.Setting.enablePush, 0), (HTTP2Frame.Setting.initialWindow, Self.streamWindow),
        ] {
            settings += [UInt8(name >> 8), UInt8(name & 0xff)]
            settings += Self.number(UInt32(value))
        }
        write(HTTP2Frame.Kind.settings, settings[...])
        write(HTTP2Frame.Kind.windowUpdate, Self.number(UInt32(Self.connectionWindow - Self.defaultWindow))[...])
        context.fireChannelActive()
    }

    /// Calls end as unavailable: whether the server has acted on them is not known.
    func close(_ why: GRPCError) {
        if isOver { return }
        end = end ?? why
        let context = context
        // A channel that was never active does not say that it has ended.
        if context == nil || !hasBegun { over() }
        context?.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = failure ?? error
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        over()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        // Why a connection did not come about is known to whoever tried to make it.
        if hasBegun { over() }
    }

    private func over() {
        if isOver { return }
        isOver = true
        let why = end ?? ending
        for call in calls.values.sorted(by: { $0.stream < $1.stream }) {
            calls[call.stream] = nil
            owner?.ended(call, GRPCError(.unavailable, why.message))
        }
        owner?.isGone(self, why)
    }

    /// Why the connection has ended by itself. That the sides do not trust each other will not pass.
    private var ending: GRPCError {
        if let refusal = verdict.refusal { return GRPCError(.unauthenticated, refusal) }
        guard let failure else { return GRPCError(.unavailable, "the connection was closed") }
        let cause = Dialer.cause(failure)
        if case .tls = cause { return GRPCError(.unauthenticated, "TLS: \(cause.words)") }
        return GRPCError(.unavailable, cause.words)
    }

    private func drain() {
        if isDraining { return }
        isDraining = true
        owner?.isDraining(self)
        if calls.isEmpty { close(GRPCError(.unavailable, "the connection was drained")) }
    }

    /// Four times a second: deadlines, and whether the other side is still there. A stopped process keeps its
    /// connections open.
    func tick(_ now: NIODeadline) {
        if isOver { return }
        guard isReady else {
            if now - begunAt > pace.connect { close(GRPCError(.unavailable, "no HTTP/2 settings came in time")) }
            return
        }
        var isAsking = false
        for call in calls.values {
            guard let deadline = call.deadline else { continue }
            isAsking = isAsking || now - call.startedAt >= pace.quietWhileAsked
            if deadline <= now { abandon(call, GRPCError(.deadlineExceeded, "context deadline exceeded")) }
        }
        if let pingSentAt {
            if now - pingSentAt >= pace.pingAnswer {
                close(GRPCError(.unavailable, "the server has not answered a ping in time"))
            }
            return
        }
        let quiet = now - lastReceived
        let isDue = quiet >= (isAsking ? pace.quietWhileAsked : pace.quiet)
        if isDue, !calls.isEmpty, now - lastPing >= pace.betweenPings {
            pingSentAt = now
            lastPing = now
            write(HTTP2Frame.Kind.ping, [UInt8](repeating: 0x5c, count: 8)[...])
        }
    }

    // MARK: - Frames out

    static func number(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 0xff), UInt8(value >> 8 & 0xff), UInt8(value & 0xff)]
    }

    func reset(_ stream: UInt32, _ code: UInt32) {
        write(HTTP2Frame.Kind.reset, stream: stream, Self.number(code)[...])
    }

    func write(_ kind: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: ArraySlice<UInt8>) {
        guard let context, !isOver else { return }
        let count = UInt32(payload.count)
        outgoing.writeInteger(count << 8 | UInt32(kind))
        outgoing.writeInteger(flags)
        outgoing.writeInteger(stream)
        outgoing.writeBytes(payload)
        if isFlushScheduled { return }
        isFlushScheduled = true
        // Once for all that the loop writes in this round.
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { bound.value.flush() }
    }

    private func flush() {
        isFlushScheduled = false
        guard let context, outgoing.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(outgoing), promise: nil)
        outgoing = ByteBuffer()
    }

    // MARK: - Frames in

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastReceived = .now()
        var bytes = unwrapInboundIn(data)
        if inbound.readableBytes == 0 { inbound = bytes } else { inbound.writeBuffer(&bytes) }
        while !isOver, end == nil, takeFrame() {}
        if inbound.readableBytes == 0 { inbound.clear() } else { inbound.discardReadBytes() }
        if unreturned >= Self.connectionWindow / 2 {
            write(HTTP2Frame.Kind.windowUpdate, Self.number(UInt32(unreturned))[...])
            unreturned = 0
        }
    }

    /// False when there is no complete one.
    private func takeFrame() -> Bool {
        let start = inbound.readerIndex
        guard let head: UInt32 = inbound.getInteger(at: start), let flags: UInt8 = inbound.getInteger(at: start + 4),
            let number: UInt32 = inbound.getInteger(at: start + 5)
        else { return false }
        let count = Int(head >> 8)
        guard count <= HTTP2Frame.payloadLimit else {
            violation("a frame of \(count) bytes")
            return false
        }
        guard inbound.readableBytes >= HTTP2Frame.headSize + count else { return false }
        let kind = UInt8(head & 0xff)
        // The first is always settings.
        guard isReady || kind == HTTP2Frame.Kind.settings else {
            violation("it does not speak HTTP/2: the first frame is of type \(kind)")
            return false
        }
        inbound.moveReaderIndex(forwardBy: HTTP2Frame.headSize)
        let stream = number & 0x7fff_ffff
        if kind == HTTP2Frame.Kind.data {
            data(stream, flags, count)
        } else {
            take(kind, flags, stream, inbound.readBytes(length: count) ?? [])
        }
        return true
    }

    private func data(_ stream: UInt32, _ flags: UInt8, _ count: Int) {
        var content = inbound.readSlice(length: count) ?? ByteBuffer()
        unreturned += count
        if flags & HTTP2Frame.Flag.padded != 0 {
            guard let padding: UInt8 = content.readInteger(), Int(padding) <= content.readableBytes else {
                return violation("padding exceeds the frame")
            }
            content.moveWriterIndex(to: content.writerIndex - Int(padding))
        }
        guard let call = calls[stream] else { return }
        call.unreturned += count
        let failure: GRPCError? = content.withUnsafeReadableBytes { bytes in
            do throws(GRPCError) {
                try call.assembler.take(bytes) { message in if calls[stream] === call { call.onMessage(message) } }
                return nil
            } catch {
                return error
            }
        }
        if let failure {
            reset(stream, HTTP2Frame.Code.cancel)
            return finish(call, failure)
        }
        guard calls[stream] === call else { return }
        if flags & HTTP2Frame.Flag.endStream != 0 {
            finish(call, GRPCError(.internal, "the server closed the stream without sending trailers"))
        } else if call.unreturned >= Self.streamWindow / 2 {
            write(HTTP2Frame.Kind.windowUpdate, stream: stream, Self.number(UInt32(call.unreturned))[...])
            call.unreturned = 0
        }
    }

    /// The other side breaks the protocol.
    func violation(_ what: String) {
        write(HTTP2Frame.Kind.goAway, (Self.number(0) + Self.number(HTTP2Frame.Code.protocolError))[...])
        flush()
        close(GRPCError(.unavailable, "http2: \(what)"))
    }

    func took(settings payload: [UInt8]) {
        var rest = payload[...]
        while rest.count >= 6 {
            let start = rest.startIndex
            let name = UInt16(rest[start]) << 8 | UInt16(rest[start + 1])
            let value = Int(rest[(start + 2)..<(start + 6)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
            rest = rest.dropFirst(6)
            switch name {
            case HTTP2Frame.Setting.maxStreams: maxStreams = value
            case HTTP2Frame.Setting.maxFrame: maxFrame = max(HTTP2Frame.payloadLimit, min(value, 1 << 20))
            case HTTP2Frame.Setting.initialWindow:
                guard value <= Self.windowLimit else { return violation("a window of \(value)") }
                for call in calls.values { call.sendWindow += value - initialWindow }
                initialWindow = value
            default: break
            }
        }
        write(HTTP2Frame.Kind.settings, flags: HTTP2Frame.Flag.acknowledgement, [])
        if isReady {
            pumpBlocked()
            owner?.hasRoom(self)
        } else {
            isReady = true
            owner?.isReady(self)
        }
    }

    func took(windowUpdate increment: Int, stream: UInt32) {
        guard increment > 0 else { return violation("a window update of 0") }
        if stream == 0 {
            sendWindow += increment
            guard sendWindow <= Self.windowLimit else { return violation("a window beyond its limit") }
            pumpBlocked()
        } else if let call = calls[stream] {
            call.sendWindow += increment
            pump(call)
        }
    }

    func took(pingAnswer: Bool) { if pingAnswer { pingSentAt = nil } }

    func took(goAway last: UInt32, code: UInt32, words: String) {
        let error = GRPCError(
            .unavailable,
            "the server is going away\(code == 0 ? "" : " (code \(code)\(words.isEmpty ? "" : ": \(words)"))")",
            isUnsent: true)
        let refused = calls.values.filter { $0.stream > last }.sorted { $0.stream < $1.stream }
        isDraining = true
        owner?.isDraining(self)
        for call in refused { finish(call, error) }
        if calls.isEmpty { close(error) }
    }
}
