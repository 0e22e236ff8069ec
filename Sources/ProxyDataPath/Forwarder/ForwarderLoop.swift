import Glibc
import Kernel

/// The thread that forwards: one epoll instance, and plain tables that nobody else touches. Everything it is told comes
/// as commands.
final class ForwarderLoop {
    enum Command: Sendable {
        case setService(Int, backends: [SocketAddress], affinitySeconds: Int?)
        case removeService(Int)
        /// The loop owns the socket from then on.
        case open(listener: Int, socket: Int32, service: Int, isStream: Bool)
        case close(listener: Int)
        /// Answers by one byte into that descriptor when all before is done.
        case answer(Int32)
        case stop
    }

    struct Listener {
        let socket: Int32
        let service: Int
        let isStream: Bool
    }

    /// What an event is about, in the low bits of its data.
    enum Kind: UInt64 {
        case wakeUp, listener, client, server, session
    }

    static let connectTimeoutNanos: UInt64 = 5_000_000_000
    /// Other backends that are tried where one can't be reached.
    static let attemptLimit: UInt8 = 3
    static let sessionNanos: UInt64 = 60_000_000_000
    /// Taken from one listener before others have their turn.
    static let acceptTurn = 64
    /// The largest datagram that there is.
    static let datagramBytes = 64 << 10

    let epoll: Epoll
    let mailbox: ForwarderMailbox
    var services: [Int: ForwarderService] = [:]
    var listeners: [Int: Listener] = [:]
    var relays = Slab<Relay>()
    var pump = RelayPump()
    var sessions = UDPSessions()
    let datagram = UnsafeMutableRawPointer.allocate(byteCount: ForwarderLoop.datagramBytes, alignment: 64)
    /// Relays that had more to do than their turn allowed.
    var queue: [(index: Int, generation: UInt32)] = []
    /// In the order of their deadlines: all have the same time.
    var connecting: [(index: Int, generation: UInt32, deadline: UInt64)] = []
    var connectingHead = 0
    /// Descriptors that may still be opened.
    var freeDescriptors: Int
    /// Closed for a moment to be able to accept, and refuse, where there is no other.
    var spare: Int32
    var now: UInt64 = 0
    var isStopping = false

    init(mailbox: ForwarderMailbox, descriptorLimit: Int) throws(KernelError) {
        epoll = try Epoll()
        self.mailbox = mailbox
        freeDescriptors = descriptorLimit
        spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
        try epoll.add(mailbox.readEnd, .readable, data: Kind.wakeUp.rawValue)
    }

    deinit { datagram.deallocate() }

    static func data(_ kind: Kind, _ index: Int, _ generation: UInt32 = 0) -> UInt64 {
        kind.rawValue | UInt64(index) << 4 | UInt64(generation) << 32
    }

    func run() {
        withUnsafeTemporaryAllocation(of: EpollEvent.self, capacity: 256) { events in
            while !isStopping {
                let count: Int
                do throws(KernelError) {
                    count = try epoll.wait(events, timeoutMs: timeout)
                } catch {
                    fatalError("\(error)")  // EBADF or EINVAL: can only be our bug
                }
                now = monotonicNanos()
                for event in events.prefix(count) { handle(event) }
                runQueue()
                endLateConnects()
                expireSessions()
            }
        }
        closeAll()
    }

    private var timeout: Int32 {
        if !queue.isEmpty { return 0 }
        var next = UInt64.max
        if connectingHead < connecting.count { next = connecting[connectingHead].deadline }
        if let last = sessions.oldest { next = min(next, last &+ Self.sessionNanos) }
        guard next != .max else { return -1 }
        let now = monotonicNanos()
        return next <= now ? 0 : Int32(clamping: (next - now) / 1_000_000 + 1)
    }

    private func handle(_ event: EpollEvent) {
        let index = Int(event.data >> 4 & 0xfff_ffff)
        let generation = UInt32(event.data >> 32)
        switch Kind(rawValue: event.data & 15) {
        case .wakeUp: obey()
        case .listener:
            guard let listener = listeners[index] else { return }
            if listener.isStream { accept(listener) } else { receive(listener, index) }
        case .client:
            if relays.generation(index) == generation { handleClient(index, event.kinds) }
        case .server:
            if relays.generation(index) == generation { handleServer(index, event.kinds) }
        case .session:
            if sessions.slab.generation(index) == generation { answer(index) }
        case nil: return
        }
    }

    // MARK: commands

    private func obey() {
        for command in mailbox.take() {
            switch command {
            case .setService(let id, let backends, let seconds):
                services[id, default: ForwarderService()].backends = backends
                services[id]?.affinityNanos = seconds.map { UInt64($0) * 1_000_000_000 }
                dropSessions(of: id, besides: backends)
            case .removeService(let id):
                services[id] = nil
                dropSessions(of: id, besides: [])
            case .open(let id, let socket, let service, let isStream):
                listeners[id] = Listener(socket: socket, service: service, isStream: isStream)
                freeDescriptors -= 1
                // Level-triggered: what one turn leaves comes again.
                do throws(KernelError) {
                    try epoll.add(socket, .readable, data: Self.data(.listener, id))
                } catch {
                    // Out of memory for watches: nobody is served, which is what a full machine says.
                    close(listener: id)
                }
            case .close(let id): close(listener: id)
            case .answer(let descriptor):
                var byte: UInt8 = 1
                _ = write(descriptor, &byte, 1)
            case .stop: isStopping = true
            }
        }
    }

    private func close(listener id: Int) {
        guard let listener = listeners.removeValue(forKey: id) else { return }
        if !listener.isStream { dropSessions(from: id) }
        Glibc.close(listener.socket)
        freeDescriptors += 1
    }

    private func closeAll() {
        for id in Array(listeners.keys) { close(listener: id) }
        sessions.removeAll { Glibc.close($0) }
        if spare >= 0 { Glibc.close(spare) }
    }
}
