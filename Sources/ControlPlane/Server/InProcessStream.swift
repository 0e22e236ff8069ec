import DequeModule
import KubeAPI
import Synchronization
import Transport

/// An answer of unknown length between a handler and a task of this process: the same frames that sockets get, in a
/// bounded queue.
final class InProcessStream: HTTPStream {
    /// Frames that wait before the stream counts as full. Writers of watches look before each frame, and go on from the
    /// watch cache's ring when there is room again.
    private static let roomyCount = 128
    /// Beyond this the reader is given up: writers do not look.
    private static let maxCount = 4096

    private enum End { case open, finished, aborted }

    private struct State {
        var frames = Deque<Frame>()
        var end = End.open
        var waiter: CheckedContinuation<Frame?, any Error>?
        var onClose: [@Sendable () -> Void] = []
        var onWritable: (@Sendable () -> Void)?
        /// Somebody has seen the stream full and is owed a call.
        var owesWritable = false
    }
    private let state = Mutex(State())

    // MARK: - The handler's side

    @discardableResult func write(_ frame: Frame) -> Bool {
        if frame.bytes.isEmpty { return true }
        let (isTaken, waiter, isOver) = state.withLock {
            state -> (Bool, CheckedContinuation<Frame?, any Error>?, Bool) in
            guard state.end == .open else { return (false, nil, false) }
            if let waiter = state.waiter {
                state.waiter = nil
                return (true, waiter, false)
            }
            guard state.frames.count < Self.maxCount else { return (false, nil, true) }
            state.frames.append(frame)
            return (true, nil, false)
        }
        waiter?.resume(returning: frame)
        if isOver { abort() }
        return isTaken
    }

    var isWritable: Bool {
        state.withLock { state in
            guard state.end == .open else { return false }
            if state.frames.count < Self.roomyCount { return true }
            state.owesWritable = true
            return false
        }
    }

    func onClose(_ body: @escaping @Sendable () -> Void) {
        let isClosed = state.withLock { state in
            if state.end == .open { state.onClose.append(body) }
            return state.end != .open
        }
        if isClosed { body() }
    }

    func onWritable(_ body: @escaping @Sendable () -> Void) {
        state.withLock { if $0.end == .open { $0.onWritable = body } }
    }

    func finish() { end(.finished, dropsFrames: false) }
    func abort() { end(.aborted, dropsFrames: true) }

    private func end(_ end: End, dropsFrames: Bool) {
        let (waiter, bodies) = state.withLock { state in
            let none: (CheckedContinuation<Frame?, any Error>?, [@Sendable () -> Void]) = (nil, [])
            guard state.end == .open else { return none }
            state.end = end
            if dropsFrames { state.frames = [] }
            defer {
                state.waiter = nil
                state.onClose = []
                state.onWritable = nil
            }
            return (state.waiter, state.onClose)
        }
        if end == .aborted {
            waiter?.resume(throwing: Self.broken)
        } else {
            waiter?.resume(returning: nil)
        }
        for body in bodies { body() }
    }

    private static let broken = APIConnectionError("the answer broke off: it was read too slowly, or its source failed")

    // MARK: - The reader's side

    /// The next frame; nil at the end. For one reader.
    func next() async throws -> Frame? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (result, onWritable) = state.withLock {
                    state -> (Result<Frame?, any Error>?, (@Sendable () -> Void)?) in
                    if let frame = state.frames.popFirst() {
                        // Called when half of the queue is free, so that a fill is worth its call.
                        guard state.owesWritable, state.frames.count <= Self.roomyCount / 2 else {
                            return (.success(frame), nil)
                        }
                        state.owesWritable = false
                        return (.success(frame), state.onWritable)
                    }
                    switch state.end {
                    case .open:
                        state.waiter = continuation
                        return (nil, nil)
                    case .finished: return (.success(nil), nil)
                    case .aborted: return (.failure(Self.broken), nil)
                    }
                }
                onWritable?()
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            finish()
        }
    }
}
