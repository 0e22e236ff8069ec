import DequeModule
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// One request and its answer, between the event loop that receives it and the task that reads it.
final class ClientExchange: Sendable {
    private struct State {
        var head: HTTPResponseHead?
        var chunks: Deque<[UInt8]> = []
        var bufferedBytes = 0
        /// All of the answer is there: nothing ends the exchange any more.
        var hasArrived = false
        /// And the connection has been put back: the reader may be told.
        var isComplete = false
        var error: (any Error)?
        var headWaiter: CheckedContinuation<HTTPResponseHead, any Error>?
        var chunkWaiter: CheckedContinuation<[UInt8]?, any Error>?
        var hasWritten = false
        var timer: Scheduled<Void>?

        /// The reader's next step, where there is one.
        mutating func next() -> Result<[UInt8]?, any Error>? {
            if let chunk = chunks.popFirst() {
                bufferedBytes -= chunk.count
                return .success(chunk)
            }
            if let error { return .failure(error) }
            return isComplete ? .success(nil) : nil
        }
    }
    private let state = Mutex(State())

    private let connection: ClientConnection
    private let loop: any EventLoop
    private let pool: ConnectionPool
    private let key: ConnectionPool.Key
    private let idleTimeout: Duration
    /// `GET host:port/path`, for messages.
    private let subject: String

    /// What the reader has not taken yet beyond this stops reading from the socket.
    private static let bufferBytes = 256 << 10

    init(
        connection: ClientConnection, loop: any EventLoop, pool: ConnectionPool, key: ConnectionPool.Key,
        idleTimeout: Duration, subject: String
    ) {
        self.connection = connection
        self.loop = loop
        self.pool = pool
        self.key = key
        self.idleTimeout = idleTimeout
        self.subject = subject
    }

    var hasWrittenNothing: Bool { state.withLock { !$0.hasWritten } }
    var isFull: Bool { state.withLock { $0.bufferedBytes >= Self.bufferBytes } }

    // MARK: the task's side

    func start(head: HTTPRequestHead, body: [UInt8], deadline: NIODeadline) {
        loop.execute { [self] in
            let timer = loop.scheduleTask(deadline: deadline) { self.timedOut() }
            let isOver = state.withLock { state in
                state.timer = timer
                state.hasWritten = state.error == nil
                return state.error != nil
            }
            // Cancelled before it began.
            if isOver {
                timer.cancel()
                connection.close()
                return
            }
            guard connection.begin(self, head: head, body: body) else {
                state.withLock { $0.hasWritten = false }
                connection.close()
                return failed(connection.end.cause, refusal: connection.end.refusal)
            }
        }
    }

    func head() async throws -> HTTPResponseHead {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<HTTPResponseHead, any Error>? = state.withLock { state in
                    if let head = state.head { return .success(head) }
                    if let error = state.error { return .failure(error) }
                    state.headWaiter = continuation
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            cancel()
        }
    }

    /// Nil at the end. For one reader.
    func nextChunk() async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (result, mustResume) = state.withLock { state -> (Result<[UInt8]?, any Error>?, Bool) in
                    let wasFull = state.bufferedBytes >= Self.bufferBytes
                    if let result = state.next() { return (result, wasFull && state.bufferedBytes < Self.bufferBytes) }
                    if state.chunkWaiter != nil {
                        return (.failure(TransportError(.connectionLost, "\(subject): read by two at a time")), false)
                    }
                    state.chunkWaiter = continuation
                    return (nil, false)
                }
                if mustResume { loop.execute { self.connection.resumeReading() } }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            cancel()
        }
    }

    func clearDeadline() {
        state.withLock { state in
            defer { state.timer = nil }
            return state.timer
        }?.cancel()
    }

    /// Breaks the connection off, unless the answer is complete.
    func cancel() {
        if end(CancellationError()) { connection.close() }
    }

    // MARK: the connection's side, on the event loop

    func received(_ head: HTTPResponseHead) {
        let waiter = state.withLock { state in
            state.head = head
            defer { state.headWaiter = nil }
            return state.headWaiter
        }
        waiter?.resume(returning: head)
    }

    func received(_ chunk: [UInt8]) {
        guard !chunk.isEmpty else { return }
        let waiter = state.withLock { state in
            if let waiter = state.chunkWaiter {
                state.chunkWaiter = nil
                return Optional(waiter)
            }
            if state.error == nil {
                state.chunks.append(chunk)
                state.bufferedBytes += chunk.count
            }
            return nil
        }
        waiter?.resume(returning: chunk)
    }

    func completed(canReuse: Bool) {
        let (timer, isWanted) = state.withLock { state in
            state.hasArrived = true
            defer { state.timer = nil }
            return (state.timer, state.error == nil)
        }
        timer?.cancel()
        if canReuse && isWanted {
            let connection = connection
            let pool = pool
            let key = key
            connection.rest(for: .nanoseconds(idleTimeout.nanos)) { pool.remove(connection, key) }
            if !pool.put(connection, key) { connection.close() }
        } else {
            connection.close()
        }
        // Only now: who has the whole answer and asks again must find the connection in the pool.
        let waiter = state.withLock { state in
            state.isComplete = true
            defer { state.chunkWaiter = nil }
            return state.chunkWaiter
        }
        waiter?.resume(returning: nil)
    }

    /// `refusal` says why the server's certificate was refused.
    func failed(_ cause: (any Error)?, refusal: String? = nil) {
        if let refusal {
            end(TransportError(.untrustedServer, "\(subject): the server cannot be trusted: \(refusal)"))
            return
        }
        let text = cause.map { Self.text($0) } ?? "the server closed the connection"
        end(TransportError(.connectionLost, "\(subject): \(text)"))
    }

    private func timedOut() {
        if end(TransportError(.timedOut, "\(subject): timed out")) { connection.close() }
    }

    /// True where it was not over before.
    @discardableResult private func end(_ error: any Error) -> Bool {
        let (isFirst, headWaiter, chunkWaiter, timer) = state.withLock { state in
            guard state.error == nil, !state.hasArrived else {
                return (
                    false, CheckedContinuation<HTTPResponseHead, any Error>?.none,
                    CheckedContinuation<[UInt8]?, any Error>?.none, Scheduled<Void>?.none
                )
            }
            state.error = error
            defer {
                state.headWaiter = nil
                state.chunkWaiter = nil
                state.timer = nil
            }
            return (true, state.headWaiter, state.chunkWaiter, state.timer)
        }
        timer?.cancel()
        headWaiter?.resume(throwing: error)
        chunkWaiter?.resume(throwing: error)
        return isFirst
    }

    private static func text(_ error: any Error) -> String {
        switch error {
        case let error as NIOSSLError:
            if case .handshakeFailed(let cause) = error { return "TLS handshake failed: \(cause)" }
            return "TLS: \(error)"
        case is HTTPParserError: return "the answer is not HTTP/1.1: \(error)"
        default: return describe(error)
        }
    }
}
