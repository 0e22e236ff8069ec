import CLinux
import Glibc
import Synchronization

/// Plain threads: for loops of our own, and for calls that block.
public enum KernelThread {
    /// Starts a detached thread; its name is cut to 15 bytes.
    public static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(KernelError) {
        final class Box {
            let body: @Sendable () -> Void
            let name: String
            init(_ body: @escaping @Sendable () -> Void, _ name: String) {
                self.body = body
                self.name = name
            }
        }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 256 << 10)
        let box = Unmanaged.passRetained(Box(body, String(name.prefix(15))))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { context in
                guard let context else { return nil }
                let box = Unmanaged<Box>.fromOpaque(context).takeRetainedValue()
                swl_name_thread(box.name)
                box.body()
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw KernelError("start thread", name, code: code)
        }
    }
}

/// A few threads for calls that block for milliseconds (namespaces, mounts, cgroups, fsync): Swift's own pool has as few
/// threads as the machine has processors, and a blocked one is missed by everybody.
///
/// Work may change its thread's namespaces as long as it changes them back.
public final class WorkerThreads: Sendable {
    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var head = 0
        var isStopping = false
    }
    /// A pthread condition: the standard library has none.
    private final class Signal: @unchecked Sendable {
        // Safe: both live as long as this object, at fixed addresses, and are only handed to pthread calls.
        let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        var state = State()
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
        func next() -> (@Sendable () -> Void)? {
            pthread_mutex_lock(lock)
            defer { pthread_mutex_unlock(lock) }
            while state.head == state.jobs.count {
                if state.isStopping { return nil }
                pthread_cond_wait(condition, lock)
            }
            let job = state.jobs[state.head]
            state.head += 1
            if state.head == state.jobs.count {
                state.jobs.removeAll(keepingCapacity: state.jobs.count < 64)
                state.head = 0
            }
            return job
        }
        func add(_ job: @escaping @Sendable () -> Void) {
            pthread_mutex_lock(lock)
            state.jobs.append(job)
            pthread_cond_signal(condition)
            pthread_mutex_unlock(lock)
        }
        func stop() {
            pthread_mutex_lock(lock)
            state.isStopping = true
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(lock)
        }
    }
    private let signal = Signal()

    public init(name: String, count: Int) throws(KernelError) {
        for index in 0..<count {
            try KernelThread.start(name: "\(name)-\(index)") { [signal] in
                while let job = signal.next() { job() }
            }
        }
    }

    deinit { signal.stop() }

    /// Ends the threads after what is queued.
    public func stop() { signal.stop() }

    /// Runs the work on one of the threads.
    public func run<Value: Sendable, Failure: Error>(
        _ work: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            signal.add {
                do throws(Failure) {
                    continuation.resume(returning: .success(try work()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    /// Runs both parts, at once where a thread is idle, and one after the other where none is. For one of the threads:
    /// the caller blocks.
    public func both<First, Second: Sendable>(
        _ first: () -> First, and second: @escaping @Sendable () -> Second
    ) -> (First, Second) {
        let part = SidePart(second)
        // Whoever comes first does it, so that nobody waits for a thread that waits itself.
        signal.add { part.run() }
        let value = first()
        return (value, part.wait())
    }

    /// Runs the work some time, without anybody waiting.
    public func post(_ work: @escaping @Sendable () -> Void) { signal.add(work) }
}

/// A piece of work that is done once, by the first who comes to it.
private final class SidePart<Value: Sendable>: @unchecked Sendable {
    private let body: @Sendable () -> Value
    // Safe: only touched under the lock, which lives at a fixed address as long as this object.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isBegun = false
    private var value: Value?

    init(_ body: @escaping @Sendable () -> Value) {
        self.body = body
        pthread_mutex_init(lock, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(condition)
        lock.deallocate()
        condition.deallocate()
    }

    /// Does it, unless somebody has begun.
    func run() {
        pthread_mutex_lock(lock)
        let isMine = !isBegun
        isBegun = true
        pthread_mutex_unlock(lock)
        guard isMine else { return }
        let result = body()
        pthread_mutex_lock(lock)
        value = result
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(lock)
    }

    /// Waits for its end.
    func wait() -> Value {
        run()
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while true {
            if let value { return value }
            pthread_cond_wait(condition, lock)
        }
    }
}
