import DequeModule
import NIOCore

/// Who takes what comes on a stream. Called on the event loop.
protocol StreamReceiver: AnyObject {
    func received(_ bytes: ByteBuffer)
    /// The peer's side has ended: no more bytes come.
    func peerEnded()
    /// The connection takes bytes again.
    func becameWritable()
    /// The peer has reset the stream, or the connection is gone: nothing comes or goes any more. The last call.
    func lost()
}

/// One of the streams of a connection. Belongs to the connection's event loop.
///
/// What comes is kept while there is no receiver or it has paused, and counted, so that the connection is not read from
/// when it is much.
final class SubStream {
    let id: UInt32
    let headers: [(name: String, value: String)]
    private weak var carrier: (any StreamCarrier)?
    private var receiver: (any StreamReceiver)?
    private var waiting: Deque<ByteBuffer> = []
    private(set) var waitingBytes = 0
    private var isPaused = false
    private var isDelivering = false
    private var hasPeerEnded = false
    private var hasToldEnd = false
    /// Our side.
    private(set) var isFinished = false

    init(id: UInt32, headers: [(name: String, value: String)] = [], carrier: any StreamCarrier) {
        self.id = id
        self.headers = headers
        self.carrier = carrier
    }

    /// The first value of that header; names ignore case.
    func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name.lowercased() }?.value }

    // MARK: the receiver's side

    /// Hands over what has come and will come.
    func connect(_ receiver: any StreamReceiver) {
        self.receiver = receiver
        deliver()
    }

    /// Throws away what has come and will come.
    func ignore() {
        receiver = nil
        isPaused = false
        isIgnored = true
        drop()
    }
    private var isIgnored = false

    func pause() { isPaused = true }

    func resume() {
        isPaused = false
        deliver()
    }

    var isWritable: Bool { carrier?.isWritable ?? false }

    func send(_ bytes: ByteBuffer) {
        guard !isFinished, bytes.readableBytes > 0 else { return }
        carrier?.send(bytes, on: self)
    }

    /// Ends our side.
    func finish() {
        guard !isFinished else { return }
        isFinished = true
        carrier?.finish(self)
    }

    // MARK: the carrier's side

    func take(_ bytes: ByteBuffer) {
        guard !hasPeerEnded, !isIgnored else { return }
        if let receiver, !isPaused, waiting.isEmpty, !isDelivering { return receiver.received(bytes) }
        waiting.append(bytes)
        waitingBytes += bytes.readableBytes
        carrier?.holds(bytes.readableBytes, of: self)
    }

    func peerFinished() {
        guard !hasPeerEnded else { return }
        hasPeerEnded = true
        deliver()
    }

    func writabilityChanged() { if isWritable { receiver?.becameWritable() } }

    /// The stream was reset, or the connection is gone: nothing is kept any more, and the receiver is let go of.
    func detach() {
        hasPeerEnded = true
        isFinished = true
        drop()
        let receiver = self.receiver
        self.receiver = nil
        receiver?.lost()
    }

    private func drop() {
        let bytes = waitingBytes
        waiting = []
        waitingBytes = 0
        if bytes > 0 { carrier?.holds(-bytes, of: self) }
    }

    private func deliver() {
        guard !isDelivering else { return }
        isDelivering = true
        defer { isDelivering = false }
        while let receiver, !isPaused, let bytes = waiting.popFirst() {
            waitingBytes -= bytes.readableBytes
            carrier?.holds(-bytes.readableBytes, of: self)
            receiver.received(bytes)
        }
        guard let receiver, hasPeerEnded, waiting.isEmpty, !hasToldEnd else { return }
        hasToldEnd = true
        receiver.peerEnded()
    }
}
