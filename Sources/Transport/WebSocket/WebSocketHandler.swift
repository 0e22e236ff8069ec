import NIOCore

/// A message that a server sends over a WebSocket.
struct WebSocketMessage {
    /// The message's first byte, where `bytes` does not hold it.
    var prefix: UInt8?
    var bytes: ByteBuffer
}

/// A piece of a message that a client sends.
struct WebSocketPiece {
    var bytes: ByteBuffer
    var isFirst: Bool
}

/// The server's end of a WebSocket: frames to pieces of messages, messages to frames, pings and the closing handshake.
final class WebSocketHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = WebSocketPiece
    typealias OutboundIn = WebSocketMessage
    typealias OutboundOut = ByteBuffer

    private var parser = WebSocketParser()
    private var pending: ByteBuffer?
    /// Nothing may be sent after a close.
    private var hasSentClose = false
    private var hasFailed = false
    private var closeTimer: Scheduled<Void>?

    /// For the peer's answer to our close.
    private static let closeLimit = TimeAmount.seconds(2)

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasFailed else { return }
        var bytes = unwrapInboundIn(data)
        if var pending {
            self.pending = nil
            pending.writeBuffer(&bytes)
            bytes = pending
        }
        do {
            while let event = try parser.next(&bytes) { take(event, context) }
            if bytes.readableBytes > 0 { pending = bytes }
        } catch {
            hasFailed = true
            send(WebSocketFrames.close(.protocolError, error.text, context.channel.allocator), context)
            context.close(promise: nil)
        }
    }

    private func take(_ event: WebSocketParser.Event, _ context: ChannelHandlerContext) {
        switch event {
        case .data(let bytes, let isFirst):
            context.fireChannelRead(wrapInboundOut(WebSocketPiece(bytes: bytes, isFirst: isFirst)))
        case .ping(let payload): send(WebSocketFrames.pong(payload, context.channel.allocator), context)
        case .pong: break
        case .close:
            // The answer to ours, or the beginning of theirs.
            if !hasSentClose { send(WebSocketFrames.close(.normal, "", context.channel.allocator), context) }
            hasSentClose = true
            context.close(promise: nil)
        }
    }

    private func send(_ frame: ByteBuffer, _ context: ChannelHandlerContext) {
        guard !hasSentClose else { return }
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !hasSentClose else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        let message = unwrapOutboundIn(data)
        let frame = WebSocketFrames.message(message.bytes, prefix: message.prefix, context.channel.allocator)
        context.write(wrapOutboundOut(frame), promise: promise)
    }

    /// `StreamClosing` begins the closing handshake; the peer has a moment to answer.
    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is StreamClosing else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        promise?.succeed(())
        guard !hasSentClose else { return }
        hasSentClose = true
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        let channel = context.channel
        let sent = context.eventLoop.makePromise(of: Void.self)
        // A client that pages through its output may take its time until it gets there.
        sent.futureResult.whenSuccess {
            handler.value.closeTimer = channel.eventLoop.scheduleTask(in: Self.closeLimit) {
                channel.close(promise: nil)
            }
        }
        context.writeAndFlush(
            wrapOutboundOut(WebSocketFrames.close(.normal, "", context.channel.allocator)), promise: sent)
        context.read()
    }

    func handlerRemoved(context: ChannelHandlerContext) { closeTimer?.cancel() }
}

/// Asks the handlers below to end the connection in their protocol's way, after what has been sent.
struct StreamClosing {}

/// Carries plain bytes in the binary messages of a WebSocket, cut anyhow: `SPDY/3.1+portforward.k8s.io`.
final class WebSocketTunnel: ChannelDuplexHandler {
    typealias InboundIn = WebSocketPiece
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = WebSocketMessage

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.fireChannelRead(wrapInboundOut(unwrapInboundIn(data).bytes))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        context.write(wrapOutboundOut(WebSocketMessage(bytes: unwrapOutboundIn(data))), promise: promise)
    }
}
