import CLinux

/// What a descriptor is waited for, or what it became, as the bits of epoll.
public struct EpollEvents: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let readable = EpollEvents(rawValue: UInt32(SWL_EPOLLIN))
    public static let writable = EpollEvents(rawValue: UInt32(SWL_EPOLLOUT))
    public static let error = EpollEvents(rawValue: UInt32(SWL_EPOLLERR))
    public static let hangUp = EpollEvents(rawValue: UInt32(SWL_EPOLLHUP))
    /// The peer has sent its last byte.
    public static let peerClosed = EpollEvents(rawValue: UInt32(SWL_EPOLLRDHUP))
    public static let edgeTriggered = EpollEvents(rawValue: UInt32(SWL_EPOLLET))
    public static let exclusive = EpollEvents(rawValue: UInt32(SWL_EPOLLEXCLUSIVE))
    public static let oneShot = EpollEvents(rawValue: UInt32(SWL_EPOLLONESHOT))
}

/// One event as the kernel hands it out: plain, so that hot loops can keep a buffer of them.
public typealias EpollEvent = swl_epoll_event

extension swl_epoll_event {
    /// What happened.
    public var kinds: EpollEvents { EpollEvents(rawValue: events) }
}

/// An epoll instance, bare: for loops that keep their own tables. `EpollLoop` is the one with a thread and callbacks.
public struct Epoll: ~Copyable, Sendable {
    private let instance: FileDescriptor

    public init() throws(KernelError) {
        instance = try FileDescriptor(result: swl_epoll_create(), "create", "epoll instance")
    }

    /// Waits for the descriptor from now on; `data` comes back with its events.
    public borrowing func add(_ descriptor: Int32, _ events: EpollEvents, data: UInt64) throws(KernelError) {
        try check(swl_epoll_add(instance.raw, descriptor, events.rawValue, data), "wait for", descriptor)
    }

    public borrowing func modify(_ descriptor: Int32, _ events: EpollEvents, data: UInt64) throws(KernelError) {
        try check(swl_epoll_modify(instance.raw, descriptor, events.rawValue, data), "change the wait for", descriptor)
    }

    public borrowing func delete(_ descriptor: Int32) throws(KernelError) {
        try check(swl_epoll_delete(instance.raw, descriptor), "stop waiting for", descriptor)
    }

    /// Fills the buffer (256 events at most) and returns how many there are. Zero after the time or a signal; a negative
    /// time waits for ever.
    public borrowing func wait(_ buffer: UnsafeMutableBufferPointer<EpollEvent>, timeoutMs: Int32)
        throws(KernelError) -> Int
    {
        let count = swl_epoll_wait(instance.raw, buffer.baseAddress, Int32(clamping: buffer.count), timeoutMs)
        guard count >= 0 else { throw KernelError("wait for", "events", code: -count) }
        return Int(count)
    }

    private borrowing func check(_ result: Int32, _ operation: String, _ descriptor: Int32) throws(KernelError) {
        guard result >= 0 else { throw KernelError(operation, "descriptor \(descriptor)", code: -result) }
    }
}
