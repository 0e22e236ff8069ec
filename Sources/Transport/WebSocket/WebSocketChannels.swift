import NIOCore

/// Streams as channels of a WebSocket (`v4.channel.k8s.io`, `v5.channel.k8s.io`): the first byte of each message is the
/// channel's number. With v5, a message of 255 and a channel's number ends the client's side of that channel.
final class WebSocketChannels: ChannelInboundHandler, ChannelOutboundHandler, StreamCarrier {
    typealias InboundIn = WebSocketPiece
    typealias OutboundIn = WebSocketMessage
    typealias OutboundOut = WebSocketMessage

    private(set) var streams: [SubStream] = []
    let loop: any EventLoop
    private let knowsEnds: Bool
    private var onClose: (() -> Void)?
    private var context: ChannelHandlerContext?
    private var gate = ReadGate()
    /// Of the message that is being read.
    private var channel: UInt8 = 0
    private var isClosing = false
    private static let endChannel: UInt8 = 255

    /// - Parameters:
    ///   - knowsEnds: of v5.
    ///   - onClose: the connection has gone; streams have been told.
    init(count: Int, knowsEnds: Bool, loop: any EventLoop, onClose: @escaping () -> Void) {
        self.knowsEnds = knowsEnds
        self.loop = loop
        self.onClose = onClose
        streams = (0..<count).map { SubStream(id: UInt32($0), carrier: self) }
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        ended()
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    private var hasEnded = false
    private func ended() {
        guard !hasEnded else { return }
        hasEnded = true
        for stream in streams { stream.detach() }
        let onClose = self.onClose
        self.onClose = nil
        onClose?()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let piece = unwrapInboundIn(data)
        var bytes = piece.bytes
        if piece.isFirst { channel = bytes.readInteger() ?? 0 }
        guard !isClosing, bytes.readableBytes > 0 else { return }
        if channel == Self.endChannel {
            if knowsEnds, let number: UInt8 = bytes.readInteger() { stream(number)?.peerFinished() }
        } else {
            stream(channel)?.take(bytes)
        }
    }

    /// Channels that nobody serves are ignored, as in Kubernetes.
    private func stream(_ number: UInt8) -> SubStream? {
        Int(number) < streams.count ? streams[Int(number)] : nil
    }

    func read(context: ChannelHandlerContext) { if isClosing || gate.admits() { context.read() } }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        for stream in streams { stream.writabilityChanged() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    // MARK: StreamCarrier

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func send(_ bytes: ByteBuffer, on stream: SubStream) {
        let message = WebSocketMessage(prefix: UInt8(truncatingIfNeeded: stream.id), bytes: bytes)
        context?.writeAndFlush(wrapOutboundOut(message), promise: nil)
    }

    /// An empty message: tells a client that the connection stands.
    func greet(_ stream: SubStream) { send(ByteBuffer(), on: stream) }

    /// There is no word for it in this direction.
    func finish(_ stream: SubStream) {}

    func holds(_ change: Int, of stream: SubStream) {
        if gate.changed(from: stream.waitingBytes - change, to: stream.waitingBytes) { context?.read() }
    }

    func close() {
        guard !isClosing else { return }
        isClosing = true
        context?.triggerUserOutboundEvent(StreamClosing(), promise: nil)
        if gate.owesRead { context?.read() }
    }

    func abort() { context?.close(promise: nil) }
}
