import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// One connection of the client: carries one exchange at a time. Its state belongs to its event loop.
final class ClientConnection: ChannelDuplexHandler, @unchecked Sendable {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPClientRequestPart

    private let channel: any Channel
    private var exchange: ClientExchange?
    private var keepsAlive = true
    private var failure: (any Error)?
    private var holdsRead = false
    private var idleTimer: Scheduled<Void>?
    private var onIdleEnd: (() -> Void)?

    private let verdict: ServerVerdict

    init(channel: any Channel, verdict: ServerVerdict) {
        self.channel = channel
        self.verdict = verdict
    }

    var loop: any EventLoop { channel.eventLoop }
    /// May be asked from any thread; may be outdated a moment later.
    var isOpen: Bool { channel.isActive }

    func isOver(_ channel: any Channel) -> Bool { self.channel === channel }

    /// What ended it before its first exchange; on the event loop.
    var end: (cause: (any Error)?, refusal: String?) { (failure, verdict.refusal) }

    func close() { channel.close(promise: nil) }

    // MARK: the exchange's side, on the event loop

    /// False: the connection has ended, nothing was written.
    func begin(_ exchange: ClientExchange, head: HTTPRequestHead, body: [UInt8]) -> Bool {
        idleTimer?.cancel()
        idleTimer = nil
        onIdleEnd = nil
        guard channel.isActive, self.exchange == nil, keepsAlive else { return false }
        self.exchange = exchange
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        if !body.isEmpty {
            channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
        }
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        return true
    }

    func resumeReading() {
        guard holdsRead else { return }
        holdsRead = false
        channel.read()
    }

    /// Closes after `timeout` without a request; `onEnd` is called when the connection ends while idle.
    func rest(for timeout: TimeAmount, onEnd: @escaping () -> Void) {
        onIdleEnd = onEnd
        let channel = channel
        idleTimer = loop.scheduleTask(in: timeout) { channel.close(promise: nil) }
        resumeReading()
    }

    // MARK: the channel's side

    func read(context: ChannelHandlerContext) {
        if exchange?.isFull == true { holdsRead = true } else { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let exchange else {
            // An answer that nobody asked for.
            context.close(promise: nil)
            return
        }
        switch unwrapInboundIn(data) {
        case .head(let head):
            // 100 Continue and its like precede the answer.
            guard head.status.code >= 200 else {
                if head.status == .switchingProtocols { context.close(promise: nil) }
                return
            }
            keepsAlive = head.isKeepAlive
            exchange.received(head)
        case .body(let bytes):
            exchange.received(Array(bytes.readableBytesView))
        case .end:
            self.exchange = nil
            exchange.completed(canReuse: keepsAlive && channel.isActive)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if failure == nil { failure = error }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        keepsAlive = false
        idleTimer?.cancel()
        idleTimer = nil
        let onIdleEnd = self.onIdleEnd
        self.onIdleEnd = nil
        onIdleEnd?()
        let exchange = self.exchange
        self.exchange = nil
        exchange?.failed(failure, refusal: verdict.refusal)
        context.fireChannelInactive()
    }
}
