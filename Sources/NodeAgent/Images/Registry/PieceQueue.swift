import Glibc

/// A stream of bytes from a task that fetches it to a thread that works on it. Bounded: a slow thread holds up the
/// fetching, not the memory.
final class PieceQueue: @unchecked Sendable {
    /// What waits for the thread beyond this makes the task wait.
    private static let bound = 1 << 20

    // Safe: only touched under the lock, which lives at a fixed address as long as this object.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var pieces: [[UInt8]] = []
    private var head = 0
    private var bytes = 0
    private var isFinished = false
    /// Why the task has given up.
    private var failure: (any Error)?
    /// Why the thread takes no more.
    private var refusal: (any Error)?
    private var producer: CheckedContinuation<Void, Never>?

    init() {
        pthread_mutex_init(lock, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(condition)
        lock.deallocate()
        condition.deallocate()
    }

    private func locked<Value>(_ body: () throws -> Value) rethrows -> Value {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return try body()
    }

    // MARK: the task's side

    /// Adds a piece. Throws what the thread has ended by.
    /// - Returns: whether the thread has enough; then `room` is to be awaited.
    func put(_ piece: [UInt8]) throws -> Bool {
        try locked {
            if let refusal { throw refusal }
            pieces.append(piece)
            bytes += piece.count
            pthread_cond_signal(condition)
            return bytes >= Self.bound
        }
    }

    /// Waits until the thread has taken most of what is there. It always does, or ends.
    func room() async {
        await withCheckedContinuation { continuation in
            let isOver = locked {
                guard bytes >= Self.bound / 2, refusal == nil else { return true }
                producer = continuation
                return false
            }
            if isOver { continuation.resume() }
        }
    }

    /// Ends the stream; with an error where it is not complete.
    func finish(_ error: (any Error)? = nil) {
        locked {
            isFinished = true
            failure = error
            pthread_cond_signal(condition)
        }
    }

    // MARK: the thread's side

    /// The next piece; nil at the end. Blocks.
    func next() throws -> [UInt8]? {
        var waiting: CheckedContinuation<Void, Never>?
        defer { waiting?.resume() }
        return try locked {
            while head == pieces.count {
                if let failure { throw failure }
                if isFinished { return nil }
                pthread_cond_wait(condition, lock)
            }
            let piece = pieces[head]
            pieces[head] = []
            head += 1
            if head == pieces.count {
                pieces.removeAll(keepingCapacity: true)
                head = 0
            }
            bytes -= piece.count
            if bytes < Self.bound / 2 {
                waiting = producer
                producer = nil
            }
            return piece
        }
    }

    /// Takes no more.
    func refuse(_ error: any Error) {
        let waiting = locked {
            refusal = error
            pieces = []
            head = 0
            bytes = 0
            defer { producer = nil }
            return producer
        }
        waiting?.resume()
    }
}
