import NIOCore

/// The server's end of SPDY/3.1, as far as Kubernetes' streams need it: the client opens streams, each of which both
/// sides write, end and reset.
///
/// There are no windows: the library that all clients use neither sends nor heeds updates, so that a side that waited for
/// one would wait for ever. Backpressure is the connection's.
final class SPDYConnection: ChannelInboundHandler, ChannelOutboundHandler, StreamCarrier {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Streams of a connection at a time; kubectl has two for each connection that it forwards.
    private static let streamCount = 1024
    /// For the client to hang up when all has been said.
    private static let closeLimit = TimeAmount.seconds(2)

    let loop: any EventLoop
    /// A stream was opened; false refuses it.
    private var onStream: ((SubStream) -> Bool)?
    private var onClose: (() -> Void)?
    private var context: ChannelHandlerContext?
    private var parser = SPDYParser()
    private let writer = SPDYHeaderWriter()
    private var pending: ByteBuffer?
    private var streams: [UInt32: SubStream] = [:]
    /// Streams of which the peer has ended its side.
    private var halfClosed: Set<UInt32> = []
    private var lastStream: UInt32 = 0
    private var gate = ReadGate()
    private var isClosing = false
    private var hasEnded = false
    private var closeTimer: Scheduled<Void>?

    init(loop: any EventLoop, onStream: @escaping (SubStream) -> Bool, onClose: @escaping () -> Void) {
        self.loop = loop
        self.onStream = onStream
        self.onClose = onClose
    }

    // MARK: the channel's side

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        ended()
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    private func ended() {
        guard !hasEnded else { return }
        hasEnded = true
        closeTimer?.cancel()
        let all = streams.values
        streams = [:]
        for stream in all { stream.detach() }
        let onClose = self.onClose
        self.onClose = nil
        onStream = nil
        onClose?()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasEnded else { return }
        var bytes = unwrapInboundIn(data)
        if var pending {
            self.pending = nil
            pending.writeBuffer(&bytes)
            bytes = pending
        }
        do {
            while let event = try parser.next(&bytes) { try take(event, context) }
            if bytes.readableBytes > 0 { pending = bytes }
        } catch {
            context.writeAndFlush(
                wrapOutboundOut(SPDYFrames.goAway(lastStream: lastStream, isViolation: true)), promise: nil)
            context.close(promise: nil)
        }
    }

    private func take(_ event: SPDYParser.Event, _ context: ChannelHandlerContext) throws(SPDYViolation) {
        switch event {
        case .opened(let id, let headers, let isLast):
            try open(id, headers, context)
            if isLast { peerFinished(id) }
        case .headers(let id, let isLast): if isLast { peerFinished(id) }
        case .data(let id, let bytes, let isLast):
            // Data of a stream that has been reset meanwhile is on its way.
            if !isClosing, bytes.readableBytes > 0 { streams[id]?.take(bytes) }
            if isLast { peerFinished(id) }
        case .reset(let id): forget(id)
        case .ping(let number):
            // Ours would be even; we send none.
            if number & 1 == 1 { context.writeAndFlush(wrapOutboundOut(SPDYFrames.ping(number)), promise: nil) }
        case .goAway: if streams.isEmpty { context.close(promise: nil) }
        case .ignored: break
        }
    }

    private func open(_ id: UInt32, _ headers: SPDYHeaderList, _ context: ChannelHandlerContext) throws(SPDYViolation) {
        guard id & 1 == 1, id > lastStream else { throw SPDYViolation("stream \(id) cannot be opened") }
        lastStream = id
        let stream = SubStream(id: id, headers: headers, carrier: self)
        guard !isClosing, streams.count < Self.streamCount, let onStream else { return refuse(id, context) }
        let reply = SPDYFrames.reply(id, try writer.write([]))
        streams[id] = stream
        context.writeAndFlush(wrapOutboundOut(reply), promise: nil)
        if !onStream(stream) {
            forget(id)
            refuse(id, context)
        }
    }

    private func refuse(_ id: UInt32, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(SPDYFrames.reset(id, .refused)), promise: nil)
    }

    private func peerFinished(_ id: UInt32) {
        guard let stream = streams[id] else { return }
        halfClosed.insert(id)
        if stream.isFinished {
            // Nothing is to come from either side; what is kept is still delivered.
            streams[id] = nil
            halfClosed.remove(id)
        }
        stream.peerFinished()
    }

    private func forget(_ id: UInt32) {
        halfClosed.remove(id)
        streams.removeValue(forKey: id)?.detach()
    }

    func read(context: ChannelHandlerContext) { if isClosing || gate.admits() { context.read() } }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        for stream in streams.values { stream.writabilityChanged() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    // MARK: StreamCarrier

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func send(_ bytes: ByteBuffer, on stream: SubStream) { write(bytes, of: stream, isLast: false) }

    func finish(_ stream: SubStream) {
        write(ByteBuffer(), of: stream, isLast: true)
        if halfClosed.remove(stream.id) != nil { streams[stream.id] = nil }
    }

    private func write(_ bytes: ByteBuffer, of stream: SubStream, isLast: Bool) {
        guard let context, streams[stream.id] === stream else { return }
        let frame = SPDYFrames.data(stream.id, bytes, isLast: isLast, context.channel.allocator)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }

    func holds(_ change: Int, of stream: SubStream) {
        if gate.changed(from: stream.waitingBytes - change, to: stream.waitingBytes) { context?.read() }
    }

    /// Our streams have ended: the client hangs up. It has no word for a connection that ends well but this.
    func close() {
        guard !isClosing, let context else { return }
        isClosing = true
        let channel = context.channel
        let connection = NIOLoopBound(self, eventLoop: loop)
        let sent = loop.makePromise(of: Void.self)
        // It counts from when the client has been sent all.
        sent.futureResult.whenSuccess {
            connection.value.closeTimer = channel.eventLoop.scheduleTask(in: Self.closeLimit) {
                channel.close(promise: nil)
            }
        }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: sent)
        context.read()
    }

    func abort() { context?.close(promise: nil) }
}
