import NIOCore
import Synchronization

/// One request's answer on its connection: hops to the event loop once, and directly where the caller is on it.
final class ServerExchange: HTTPResponder, HTTPStream {
    private enum Phase: UInt8, AtomicRepresentable { case waiting, streaming, ended }

    private struct Callbacks {
        var onClose: [@Sendable () -> Void] = []
        var onWritable: (@Sendable () -> Void)?
        var isClosed = false
    }

    private let connection: ServerConnection
    private let loop: any EventLoop
    private let mailbox: LoopMailbox
    private let backlogLimit: Int
    let isHead: Bool
    /// False for HTTP/1.0, which knows no chunks.
    let isChunked: Bool

    private let phase = Atomic<Phase>(.waiting)
    private let callbacks = Mutex(Callbacks())
    /// Jobs in the mailbox: while there are any, all others must queue behind them.
    private let queuedJobs = Atomic<Int>(0)
    /// Bytes of frames in the mailbox.
    private let queuedBytes = Atomic<Int>(0)
    /// Bytes in the socket's own buffer when last looked at.
    private let bufferedBytes = Atomic<Int>(0)
    private let isChannelWritable = Atomic<Bool>(true)
    /// Somebody has seen the stream not writable and is owed a call.
    private let owesWritable = Atomic<Bool>(false)

    /// A stream with less in the mailbox counts as writable.
    private static let writableBytes = 64 << 10

    init(
        connection: ServerConnection, loop: any EventLoop, mailbox: LoopMailbox, backlogLimit: Int, isHead: Bool,
        isChunked: Bool
    ) {
        self.connection = connection
        self.loop = loop
        self.mailbox = mailbox
        self.backlogLimit = backlogLimit
        self.isHead = isHead
        self.isChunked = isChunked
    }

    // MARK: HTTPResponder

    func respond(status: Int, headers: [(String, String)], body: [UInt8]) {
        guard phase.compareExchange(expected: .waiting, desired: .ended, ordering: .acquiringAndReleasing).exchanged
        else { return }
        perform { $0.connection.respond($0, status: status, headers: headers, body: body) }
    }

    func stream(status: Int, headers: [(String, String)]) -> any HTTPStream {
        if phase.compareExchange(expected: .waiting, desired: .streaming, ordering: .acquiringAndReleasing).exchanged {
            perform { $0.connection.startStream($0, status: status, headers: headers) }
        }
        return self
    }

    func upgrade(_ change: ProtocolSwitch) {
        guard phase.compareExchange(expected: .waiting, desired: .ended, ordering: .acquiringAndReleasing).exchanged
        else { return }
        perform { $0.connection.upgrade($0, change) }
    }

    // MARK: HTTPStream

    @discardableResult func write(_ frame: Frame) -> Bool {
        guard phase.load(ordering: .acquiring) == .streaming else { return false }
        if frame.bytes.isEmpty || isHead { return true }
        let size = frame.bytes.count
        let queued = queuedBytes.add(size, ordering: .relaxed).newValue
        guard queued &+ bufferedBytes.load(ordering: .relaxed) <= backlogLimit else {
            queuedBytes.subtract(size, ordering: .relaxed)
            abort()
            return false
        }
        if loop.inEventLoop && queuedJobs.load(ordering: .acquiring) == 0 {
            if deliver(frame, isQueued: false) { flush() }
        } else {
            queuedJobs.add(1, ordering: .acquiringAndReleasing)
            mailbox.post(.write(self, frame))
        }
        return phase.load(ordering: .relaxed) == .streaming
    }

    var isWritable: Bool {
        guard phase.load(ordering: .acquiring) == .streaming else { return false }
        if isRoomy { return true }
        owesWritable.store(true, ordering: .sequentiallyConsistent)
        // The room may have come between the two.
        return isRoomy
    }

    private var isRoomy: Bool {
        isChannelWritable.load(ordering: .sequentiallyConsistent)
            && queuedBytes.load(ordering: .sequentiallyConsistent) < Self.writableBytes
    }

    func onClose(_ body: @escaping @Sendable () -> Void) {
        let isClosed = callbacks.withLock { callbacks in
            if !callbacks.isClosed { callbacks.onClose.append(body) }
            return callbacks.isClosed
        }
        if isClosed { body() }
    }

    func onWritable(_ body: @escaping @Sendable () -> Void) {
        callbacks.withLock { if !$0.isClosed { $0.onWritable = body } }
    }

    func finish() {
        guard phase.compareExchange(expected: .streaming, desired: .ended, ordering: .acquiringAndReleasing).exchanged
        else { return }
        perform {
            $0.connection.finishStream($0)
            $0.closed()
        }
    }

    func abort() {
        guard phase.exchange(.ended, ordering: .acquiringAndReleasing) != .ended else { return }
        perform { $0.connection.abort($0) }
    }

    // MARK: on the event loop

    private func perform(_ body: @escaping @Sendable (ServerExchange) -> Void) {
        if loop.inEventLoop && queuedJobs.load(ordering: .acquiring) == 0 { return body(self) }
        queuedJobs.add(1, ordering: .acquiringAndReleasing)
        mailbox.post(
            .run {
                self.queuedJobs.subtract(1, ordering: .acquiringAndReleasing)
                body(self)
            })
    }

    /// Writes a frame without flushing; false where the connection has gone.
    func deliver(_ frame: Frame, isQueued: Bool = true) -> Bool {
        if isQueued { queuedJobs.subtract(1, ordering: .acquiringAndReleasing) }
        queuedBytes.subtract(frame.bytes.count, ordering: .sequentiallyConsistent)
        return connection.write(frame, of: self)
    }

    func flush() {
        guard let buffered = connection.flush(self) else { return }
        bufferedBytes.store(buffered, ordering: .relaxed)
        if buffered > backlogLimit { abort() }
        callWhenWritable()
    }

    func channelWritabilityChanged(_ isWritable: Bool, buffered: Int) {
        bufferedBytes.store(buffered, ordering: .relaxed)
        isChannelWritable.store(isWritable, ordering: .sequentiallyConsistent)
        callWhenWritable()
    }

    private func callWhenWritable() {
        guard owesWritable.load(ordering: .sequentiallyConsistent), isRoomy else { return }
        owesWritable.store(false, ordering: .sequentiallyConsistent)
        let body = callbacks.withLock { $0.onWritable }
        body?()
    }

    /// The connection has ended, or the answer is complete.
    func closed() {
        phase.store(.ended, ordering: .releasing)
        let bodies = callbacks.withLock { callbacks in
            callbacks.isClosed = true
            callbacks.onWritable = nil
            defer { callbacks.onClose = [] }
            return callbacks.onClose
        }
        for body in bodies { body() }
    }
}
