import Glibc
import Kernel
import Logging

/// A socket on which clients arrive, and whom it serves.
struct ForwarderListener: BitwiseCopyable {
    var socket: Int32 = -1
    var isStream = true
    /// Endpoints for all clients, or for those outside where there is a pool for those of the cluster.
    var pool: Int32 = -1
    var clusterPool: Int32 = -1
    /// Whom it serves, where not everybody.
    var sources = ClientRanges([])
    var isOpenToAll = true
    /// Connections that are taken at once: more than one only where more came the last time.
    var turn: Int32 = 1
}

/// A thread that forwards: one epoll instance, and plain tables that nobody else touches. Everything it is told comes
/// as commands. It is a struct in the memory of its thread, so that no access to it is counted or checked.
struct ForwarderLoop: ~Copyable {
    enum Command: Sendable {
        case setPool(Int32, backends: [SocketAddress], affinitySeconds: Int32, affinityKey: Int32)
        case removePool(Int32)
        /// The loop owns the socket from then on.
        case open(listener: Int, socket: Int32, isStream: Bool, audience: Audience)
        case update(listener: Int, audience: Audience)
        case close(listener: Int)
        case count(ConnectionCount)
        /// Answers by one byte into that descriptor when all before is done.
        case answer(Int32)
        case stop
    }

    /// What an event is about, in the low bits of its data.
    enum Kind: UInt64 {
        case wakeUp, listener, client, server, flow
    }

    let epoll: Epoll
    let mailbox: ForwarderMailbox
    let shared: ForwarderShared
    let counters: ForwarderCounters
    let events: UnsafeMutableBufferPointer<EpollEvent>
    /// A datagram, and the address of whoever is asked about.
    let datagram: UnsafeMutableRawPointer
    let peer: UnsafeMutableRawPointer
    var pools = PlainTable(empty: EndpointPool())
    var listeners = PlainTable(empty: ForwarderListener())
    var relays: Slab<Relay>
    var pump: RelayPump
    var flows: UDPFlows
    /// Relays that had more to do than their turn allowed.
    var queue: [(index: Int, generation: UInt32)] = []
    var turn: [(index: Int, generation: UInt32)] = []
    /// In the order of their deadlines: all have the same time.
    var connecting: [(index: Int, generation: UInt32, deadlineMs: UInt32)] = []
    var connectingHead = 0
    /// Closed for a moment to be able to accept, and refuse, where there is no other.
    var spare: Int32
    var counts = ForwarderCounts()
    var spin: AdaptiveSpin
    var random: UInt64
    var now: UInt64 = 0
    var nowMs: UInt32 = 0
    var nowSeconds: UInt32 = 0
    var nextSweepSeconds: UInt32 = 0
    var refusals = RefusalLog()
    var isStopping = false

    /// - Parameter epoll: waits for the mailbox already (`makeEpoll`).
    init(
        epoll: consuming Epoll, mailbox: ForwarderMailbox, shared: ForwarderShared, counters: ForwarderCounters
    ) {
        self.epoll = epoll
        self.mailbox = mailbox
        self.shared = shared
        self.counters = counters
        let limits = shared.limits
        events = .allocate(capacity: 256)
        datagram = .allocate(byteCount: ForwarderLimits.datagramBytes, alignment: 4096)
        peer = .allocate(byteCount: MemoryLayout<sockaddr_in6>.size, alignment: 8)
        relays = Slab(capacity: max(1, limits.connections))
        pump = RelayPump(budget: shared.budget, fullReadsBeforeSplice: limits.fullReadsBeforeSplice)
        flows = UDPFlows(capacity: limits.flowsPerLoop)
        spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
        spin = AdaptiveSpin(limitNanos: limits.spinNanos)
        random = .random(in: 1...(.max))
    }

    static func makeEpoll(for mailbox: ForwarderMailbox) throws(KernelError) -> Epoll {
        let epoll = try Epoll()
        try epoll.add(mailbox.readEnd, .readable, data: Kind.wakeUp.rawValue)
        return epoll
    }

    deinit {
        events.deallocate()
        datagram.deallocate()
        peer.deallocate()
    }

    static func data(_ kind: Kind, _ index: Int, _ generation: UInt32 = 0) -> UInt64 {
        kind.rawValue | UInt64(index) << 4 | UInt64(generation) << 32
    }

    /// Forwards until it is told to stop.
    mutating func run() {
        // Writing to a lost socket is told by the call: splice has no flag to keep the signal away.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        tick()
        while !isStopping {
            let count = waitForEvents()
            for index in 0..<count { handle(events[index]) }
            if isStopping { break }
            runQueue()
            endLateConnects()
            expireFlows()
            sweep()
            if count > 0 { publish() }
        }
        closeAll()
        mailbox.end()
    }

    // MARK: waiting

    private mutating func waitForEvents() -> Int {
        if !queue.isEmpty {
            let count = wait(timeoutMs: 0)
            tick()
            return count
        }
        if spin.isWorthwhile {
            let end = now &+ spin.limitNanos
            repeat {
                let count = wait(timeoutMs: 0)
                tick()
                if count > 0 {
                    spin.found()
                    return count
                }
                // Whoever waits for this processor is perhaps whom we wait for.
                sched_yield()
            } while now < end
            spin.foundNothing()
        }
        let timeout = timeoutMs
        let before = now
        let count = wait(timeoutMs: timeout)
        tick()
        if count > 0 { spin.slept(now &- before) }
        return count
    }

    private func wait(timeoutMs: Int32) -> Int {
        do throws(KernelError) {
            return try epoll.wait(events, timeoutMs: timeoutMs)
        } catch {
            fatalError("\(error)")  // EBADF or EINVAL: can only be our bug
        }
    }

    private mutating func tick() {
        now = monotonicNanos()
        nowMs = UInt32(truncatingIfNeeded: now / 1_000_000)
        nowSeconds = UInt32(truncatingIfNeeded: now / 1_000_000_000)
    }

    /// Until the next thing that happens by itself; -1 for never.
    private var timeoutMs: Int32 {
        var next = Int32.max
        if connectingHead < connecting.count {
            next = min(next, Int32(bitPattern: connecting[connectingHead].deadlineMs &- nowMs))
        }
        if let index = flows.oldestIndex {
            next = min(next, Int32(bitPattern: flows.slab[index].lastMs &+ shared.limits.flowIdleMs &- nowMs))
        }
        if relays.count > 0 {
            let seconds = Int32(bitPattern: nextSweepSeconds &- nowSeconds)
            next = min(next, max(0, seconds) * 1000 + 1)
        }
        return next == .max ? -1 : max(0, next) + 1
    }

    private mutating func handle(_ event: EpollEvent) {
        let index = Int(event.data >> 4 & 0xfff_ffff)
        let generation = UInt32(truncatingIfNeeded: event.data >> 32)
        switch Kind(rawValue: event.data & 15) {
        case .client: if relays.generation(index) == generation { handleClient(index, event.kinds) }
        case .server: if relays.generation(index) == generation { handleServer(index, event.kinds) }
        case .flow: if flows.slab.generation(index) == generation { answer(index) }
        case .listener:
            guard index < listeners.count, listeners[index].socket >= 0 else { return }
            if listeners[index].isStream { accept(index) } else { receive(index) }
        case .wakeUp: obey()
        case nil: return
        }
    }

    /// Shows the counts to others.
    private mutating func publish() {
        counts.connections = UInt64(relays.count)
        counts.bytes = pump.bytesMoved
        counts.flows = UInt64(flows.count)
        counts.pipes = UInt64(pump.pipes.openCount)
        counts.blocks = UInt64(pump.blocks.usedCount)
        counters.publish(&counts)
    }

    /// splitmix64: choices among endpoints need no more.
    mutating func nextRandom() -> UInt64 {
        random &+= 0x9e37_79b9_7f4a_7c15
        var value = random
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
