import Glibc
import NIOCore
import NIOPosix

/// Joins an open descriptor (a pipe, a terminal, a connected socket) with streams of a connection, on the connection's
/// event loop: what one side has is read only as fast as the other takes it.
final class DescriptorPump: ChannelDuplexHandler, StreamReceiver {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    enum Kind {
        /// Only read, only written, both (a terminal).
        case input, output, both
        /// Both, and each direction ends by itself.
        case socket
    }

    private let kind: Kind
    /// Whose bytes are written to the descriptor.
    private let source: SubStream?
    /// Where the descriptor's bytes go.
    private let target: SubStream?
    /// The descriptor has no more bytes, or is closed.
    private var onReadEnd: (() -> Void)?
    private var onClose: (() -> Void)?
    private var context: ChannelHandlerContext?
    /// A channel has been made of the descriptor, and will close it.
    private var isTakenOver = false
    private var owesRead = false
    private var hasReadEnded = false
    private var hasSourceEnded = false
    private var writesInFlight = 0
    /// The owner has closed it before there was a channel.
    private var isCancelled = false

    init(
        _ kind: Kind, source: SubStream?, target: SubStream?, onReadEnd: @escaping () -> Void = {},
        onClose: @escaping () -> Void = {}
    ) {
        self.kind = kind
        self.source = source
        self.target = target
        self.onReadEnd = onReadEnd
        self.onClose = onClose
    }

    /// Takes the descriptor over and begins. On the event loop.
    func start(_ descriptor: Int32, on loop: any EventLoop) {
        let pump = NIOLoopBound(self, eventLoop: loop)
        let initialize: @Sendable (any Channel) -> EventLoopFuture<Void> = { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(pump.value) }
        }
        let channel: EventLoopFuture<any Channel>
        switch kind {
        case .socket:
            channel = ClientBootstrap(group: loop)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .channelInitializer(initialize)
                .withConnectedSocket(descriptor)
        case .input, .output, .both:
            let bootstrap = NIOPipeBootstrap(group: loop).channelInitializer(initialize)
            channel =
                switch kind {
                case .input: bootstrap.takingOwnershipOfDescriptor(input: descriptor).map { $0 }
                case .output: bootstrap.takingOwnershipOfDescriptor(output: descriptor).map { $0 }
                default: bootstrap.takingOwnershipOfDescriptor(inputOutput: descriptor).map { $0 }
                }
        }
        channel.whenFailure { _ in
            // A channel that was made has closed it.
            if !pump.value.isTakenOver { Glibc.close(descriptor) }
            pump.value.ended()
        }
    }

    /// Lets go of the descriptor.
    func close() {
        isCancelled = true
        if context?.channel.isActive == true { context?.close(promise: nil) }
    }

    // MARK: the descriptor's side

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        isTakenOver = true
    }

    func channelActive(context: ChannelHandlerContext) {
        // NIO still works on the channel's registration: what closes it (a stream that has ended already) has to wait.
        let pump = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { pump.value.begin() }
        context.fireChannelActive()
    }

    private func begin() {
        guard let context else { return }
        if isCancelled { return context.close(promise: nil) }
        source?.connect(self)
        // A stream that only sends hears of room by its receiver.
        if let target, target !== source { target.connect(Room(self)) }
    }

    func read(context: ChannelHandlerContext) {
        if target?.isWritable ?? true { context.read() } else { owesRead = true }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { target?.send(unwrapInboundIn(data)) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { readEnded() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { source?.resume() } else { source?.pause() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A terminal whose other side is closed reads EIO; a program that has ended takes no input.
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        ended()
        context.fireChannelInactive()
    }

    private func readEnded() {
        guard !hasReadEnded else { return }
        hasReadEnded = true
        let onReadEnd = self.onReadEnd
        self.onReadEnd = nil
        onReadEnd?()
        closeIfOver()
    }

    private func ended() {
        readEnded()
        source?.ignore()
        let onClose = self.onClose
        self.onClose = nil
        onClose?()
    }

    // MARK: the stream's side

    func received(_ bytes: ByteBuffer) {
        guard let context, source != nil else { return }
        writesInFlight += 1
        let pump = NIOLoopBound(self, eventLoop: context.eventLoop)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenComplete { _ in pump.value.written() }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: written)
    }

    private func written() {
        writesInFlight -= 1
        if hasSourceEnded { endOutput() }
    }

    func peerEnded() {
        guard source != nil else { return }
        hasSourceEnded = true
        endOutput()
    }

    /// The program's input ends when all of it is written.
    private func endOutput() {
        guard writesInFlight == 0, let context else { return }
        switch kind {
        case .output: context.close(promise: nil)
        case .socket:
            if hasReadEnded { context.close(promise: nil) } else { context.close(mode: .output, promise: nil) }
        // A terminal has one end for both directions; what is typed says where input ends.
        case .input, .both: break
        }
    }

    private func closeIfOver() {
        if kind == .socket, hasSourceEnded, writesInFlight == 0 { context?.close(promise: nil) }
    }

    func becameWritable() {
        guard owesRead, let context else { return }
        owesRead = false
        context.read()
    }

    func lost() { close() }

    /// What the stream tells that takes the descriptor's bytes. Nothing comes on it.
    private final class Room: StreamReceiver {
        private weak var pump: DescriptorPump?
        init(_ pump: DescriptorPump) { self.pump = pump }
        func received(_ bytes: ByteBuffer) {}
        func peerEnded() {}
        func becameWritable() { pump?.becameWritable() }
        func lost() { pump?.close() }
    }
}
