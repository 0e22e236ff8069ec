import CLinux
import Glibc
import Synchronization

/// A thread that waits for descriptors and calls back. Callbacks run on that thread, one after the other, and must not
/// block.
public final class EpollLoop: Sendable {
    /// Names a registration; never used twice.
    public struct Token: Sendable, Hashable {
        fileprivate let number: UInt64
    }

    private struct Registration {
        let descriptor: Int32
        let callback: @Sendable (EpollEvents) -> Void
    }
    private struct Timer {
        let token: UInt64
        let deadline: UInt64
        let callback: @Sendable () -> Void
    }
    private struct State {
        var next: UInt64 = 1
        var registrations: [UInt64: Registration] = [:]
        /// Sorted by deadline, the last first out.
        var timers: [Timer] = []
        var posted: [@Sendable () -> Void] = []
        var isStopping = false
    }

    private let epoll: Epoll
    private let wakeUp: FileDescriptor
    private let state = Mutex(State())

    /// Starts the thread; its name is cut to 15 bytes.
    public init(name: String) throws(KernelError) {
        epoll = try Epoll()
        wakeUp = try FileDescriptor(result: swl_eventfd(), "create", "eventfd")
        try epoll.add(wakeUp.raw, .readable, data: 0)
        try KernelThread.start(name: name) { [self] in run() }
    }

    /// Calls back whenever the descriptor becomes what is asked for (level-triggered unless asked otherwise). The caller
    /// keeps the descriptor open until `cancel` has returned.
    public func watch(
        _ descriptor: Int32, _ events: EpollEvents = .readable, _ callback: @escaping @Sendable (EpollEvents) -> Void
    ) throws(KernelError) -> Token {
        let number = state.withLock { state in
            let number = state.next
            state.next += 1
            state.registrations[number] = Registration(descriptor: descriptor, callback: callback)
            return number
        }
        do throws(KernelError) {
            try epoll.add(descriptor, events, data: number)
        } catch {
            state.withLock { _ = $0.registrations.removeValue(forKey: number) }
            throw error
        }
        return Token(number: number)
    }

    /// Changes what a watched descriptor is waited for.
    public func change(_ token: Token, _ events: EpollEvents) {
        guard let descriptor = state.withLock({ $0.registrations[token.number]?.descriptor }) else { return }
        // Gone in between is fine: then nobody waits any more.
        try? epoll.modify(descriptor, events, data: token.number)
    }

    /// Ends a registration; no callback begins after this returns. (One may still run on the loop's thread.)
    public func cancel(_ token: Token) {
        let registration = state.withLock { $0.registrations.removeValue(forKey: token.number) }
        guard let registration else { return }
        // A descriptor that is closed has left the instance by itself.
        try? epoll.delete(registration.descriptor)
    }

    /// Calls back once, after that time on the monotonic clock.
    @discardableResult
    public func after(_ delay: Duration, _ callback: @escaping @Sendable () -> Void) -> Token {
        let (seconds, attoseconds) = delay.components
        let nanos = max(0, seconds) &* 1_000_000_000 &+ max(0, attoseconds) / 1_000_000_000
        let deadline = Self.monotonicNanos() &+ UInt64(nanos)
        let number = state.withLock { state in
            let number = state.next
            state.next += 1
            let timer = Timer(token: number, deadline: deadline, callback: callback)
            var low = 0
            var high = state.timers.count
            while low < high {
                let middle = (low + high) / 2
                if state.timers[middle].deadline > deadline { low = middle + 1 } else { high = middle }
            }
            state.timers.insert(timer, at: low)
            return number
        }
        poke()
        return Token(number: number)
    }

    /// Ends a timer that has not fired.
    public func cancelTimer(_ token: Token) {
        state.withLock { $0.timers.removeAll { $0.token == token.number } }
    }

    /// Runs something on the loop's thread.
    public func post(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.posted.append(body) }
        poke()
    }

    /// Ends the thread soon; callbacks that have not begun never do.
    public func stop() {
        state.withLock { $0.isStopping = true }
        poke()
    }

    private func poke() {
        var one: UInt64 = 1
        // EAGAIN: the counter is full, so that the thread wakes anyway.
        _ = write(wakeUp.raw, &one, 8)
    }

    static func monotonicNanos() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
    }

    private func run() {
        withUnsafeTemporaryAllocation(of: EpollEvent.self, capacity: 64) { events in
            while true {
                let (isStopping, timeout) = state.withLock { state -> (Bool, Int32) in
                    guard !state.isStopping else { return (true, 0) }
                    guard state.posted.isEmpty else { return (false, 0) }
                    guard let next = state.timers.last else { return (false, -1) }
                    let now = Self.monotonicNanos()
                    // Rounded up: waking a millisecond early would spin.
                    return (false, next.deadline <= now ? 0 : Int32(clamping: (next.deadline - now) / 1_000_000 + 1))
                }
                if isStopping { return }
                let count: Int
                do throws(KernelError) {
                    count = try epoll.wait(events, timeoutMs: timeout)
                } catch {
                    fatalError("\(error)")  // EBADF or EINVAL: can only be our bug
                }
                for event in events.prefix(count) {
                    if event.data == 0 {
                        var counter: UInt64 = 0
                        _ = read(wakeUp.raw, &counter, 8)
                        continue
                    }
                    let callback = state.withLock { $0.registrations[event.data]?.callback }
                    callback?(event.kinds)
                }
                runDueTimers()
                let posted = state.withLock { state in
                    let posted = state.posted
                    state.posted = []
                    return posted
                }
                for body in posted { body() }
            }
        }
    }

    private func runDueTimers() {
        let now = Self.monotonicNanos()
        while true {
            let due = state.withLock { state -> Timer? in
                guard let last = state.timers.last, last.deadline <= now else { return nil }
                return state.timers.removeLast()
            }
            guard let due else { return }
            due.callback()
        }
    }
}
