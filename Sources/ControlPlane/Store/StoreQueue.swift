import DequeModule
import Glibc

/// What waits for the store's thread. Blocking on one side by design: the store has a thread of its own, and a
/// condition variable wakes it in a few microseconds.
final class StoreQueue<Element: Sendable>: @unchecked Sendable {
    // Both at stable addresses, as pthread wants; `elements` and `isClosed` are touched under the mutex alone.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var elements = Deque<Element>()
    private var isClosed = false

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// False when the queue is closed.
    func append(_ element: Element) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if isClosed { return false }
        elements.append(element)
        if elements.count == 1 { pthread_cond_signal(condition) }
        return true
    }

    /// Waits for something and takes at most `limit` elements; nil once closed and empty.
    func take(limit: Int) -> [Element]? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while elements.isEmpty {
            if isClosed { return nil }
            pthread_cond_wait(condition, mutex)
        }
        let count = min(limit, elements.count)
        let batch = Array(elements.prefix(count))
        elements.removeFirst(count)
        return batch
    }

    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    var count: Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return elements.count
    }
}

/// Through procfs, because glibc's module hides pthread_setname_np. A thread without its name works as well.
private func nameThread(_ name: String) {
    let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    let bytes = Array(name.utf8.prefix(15))
    _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
}

/// Starts a joinable thread of that name (at most 15 bytes are shown).
func startThread(named name: String, _ body: @escaping @Sendable () -> Void) -> pthread_t? {
    final class Body {
        let name: String
        let run: @Sendable () -> Void
        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(Body(name, body)).toOpaque()
    let code = pthread_create(
        &thread, nil,
        { argument in
            guard let argument else { return nil }
            let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
            nameThread(body.name)
            body.run()
            return nil
        }, argument)
    if code != 0 {
        Unmanaged<Body>.fromOpaque(argument).release()
        return nil
    }
    return thread
}
