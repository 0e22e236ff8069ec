import KubeAPI
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// Closes a connection whose caller has been cancelled, however far it is.
final class DialCancellation: Sendable {
    private struct State {
        var channels: [any Channel] = []
        var isCancelled = false
    }
    private let state = Mutex(State())

    func take(_ channel: any Channel) {
        let isLate = state.withLock { state in
            state.channels.append(channel)
            return state.isCancelled
        }
        if isLate { channel.close(promise: nil) }
    }

    func cancel() {
        let channels = state.withLock { state in
            state.isCancelled = true
            defer { state.channels = [] }
            return state.channels
        }
        for channel in channels { channel.close(promise: nil) }
    }
}

/// Sends one GET and keeps the promise by its answer. Belongs to its event loop.
final class GetHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let head: HTTPRequestHead
    private let bodyLimit: Int
    private let deadline: NIODeadline
    private var promise: EventLoopPromise<DialAnswer>?
    private var timer: Scheduled<Void>?
    private var stage = DialError.Stage.answer
    private var answer: DialAnswer?
    private var hasBegun = false

    init(head: HTTPRequestHead, bodyLimit: Int, deadline: NIODeadline, promise: EventLoopPromise<DialAnswer>) {
        self.head = head
        self.bodyLimit = bodyLimit
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
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            // 100 Continue and its like precede the answer.
            guard head.status.code >= 200 || head.status == .switchingProtocols else { return }
            answer = DialAnswer(status: Int(head.status.code), headers: head.headers.map { ($0.name, $0.value) })
            stage = .body
            if head.status == .switchingProtocols { succeed(context) }
        case .body(let bytes):
            let room = bodyLimit - (answer?.body.count ?? 0)
            answer?.body.append(contentsOf: bytes.readableBytesView.prefix(max(0, room)))
            // Somebody who never ends has said enough.
            if bytes.readableBytes > room { succeed(context) }
        case .end: succeed(context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A peer that closes without TLS's farewell has closed.
        if case NIOSSLError.uncleanShutdown = error { return }
        fail(Dialer.cause(error), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(.closed, context)
        context.fireChannelInactive()
    }

    /// A connection that never came about is told by whoever tried to make it.
    func handlerRemoved(context: ChannelHandlerContext) { if hasBegun { fail(.closed, context) } }

    private func succeed(_ context: ChannelHandlerContext) {
        guard let promise, let answer else { return }
        self.promise = nil
        timer?.cancel()
        promise.succeed(answer)
        context.close(promise: nil)
    }

    private func fail(_ cause: DialError.Cause, _ context: ChannelHandlerContext) {
        guard let promise else { return }
        self.promise = nil
        timer?.cancel()
        promise.fail(DialError(stage, cause))
        context.close(promise: nil)
    }
}
