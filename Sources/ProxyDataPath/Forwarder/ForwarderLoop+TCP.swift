import Glibc
import Kernel

/// Connections over TCP.
extension ForwarderLoop {
    mutating func accept(_ id: Int) {
        let turn = listeners[id].turn
        for taken in 0..<turn {
            let client = ForwardingCalls.accept(
                listeners[id].socket, peer, capacity: MemoryLayout<sockaddr_in6>.size)
            if client < 0 {
                if client == -EMFILE || client == -ENFILE { refuseOne(listeners[id].socket) }
                if client == -EINTR || client == -ECONNABORTED { continue }
                // An attempt for nothing costs as much as a small message: fewer at once the next time.
                listeners[id].turn = max(1, taken)
                return
            }
            serve(client, SocketAddress(peer), id)
        }
        listeners[id].turn = min(turn * 2, Int32(ForwarderLimits.acceptTurn))
    }

    private mutating func serve(_ client: Int32, _ address: SocketAddress, _ id: Int) {
        guard let pool = pool(for: address, at: id) else {
            counts.refusedBySource &+= 1
            return SocketCalls.reset(client)
        }
        guard pool >= 0 else {
            // Its policy keeps it on this node, where there is no endpoint.
            counts.unreachable &+= 1
            return SocketCalls.reset(client)
        }
        // What is over the bound is refused, not left waiting.
        guard shared.budget.takeConnection() else { return refuse(client) }
        guard let index = relays.insert(Relay(client: client, pool: pool)) else {
            shared.budget.giveConnection()
            return refuse(client)
        }
        counts.accepted &+= 1
        relays[index].lastSeconds = nowSeconds
        guard connect(index, for: address) else { return giveUp(index) }
        // What the client has sent already goes on at once; what comes later is told by the watch.
        relays[index].up.canRead = true
        guard watch(client, .client, index, armed: false), advance(index) else { return end(index, isReset: true) }
    }

    private mutating func refuse(_ client: Int32) {
        counts.refusedByLimit &+= 1
        SocketCalls.reset(client)
        if let count = refusals.add(.limit, nowSeconds: nowSeconds) { shared.onRefusal(.limit, count) }
    }

    /// No endpoint could be reached.
    private mutating func giveUp(_ index: Int) {
        counts.unreachable &+= 1
        end(index, isReset: true)
        if let count = refusals.add(.unreachable, nowSeconds: nowSeconds) { shared.onRefusal(.unreachable, count) }
    }

    /// Takes one waiting connection with the descriptor that is kept for this, and resets it.
    private mutating func refuseOne(_ socket: Int32) {
        guard spare >= 0 else { return }
        close(spare)
        let client = ForwardingCalls.accept(socket, peer, capacity: MemoryLayout<sockaddr_in6>.size)
        if client >= 0 { refuse(client) }
        spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
    }

    private func watch(_ socket: Int32, _ kind: Kind, _ index: Int, armed: Bool) -> Bool {
        let data = Self.data(kind, index, relays.generation(index))
        do throws(KernelError) {
            let kinds: EpollEvents = [.readable, .peerClosed, .edgeTriggered]
            try epoll.add(socket, armed ? kinds.union(.writable) : kinds, data: data)
            return true
        } catch {
            return false  // the caller resets the connection
        }
    }

    /// Has epoll tell when a socket that was full can be written to again. Asked for once, when it is first needed: small
    /// messages never do.
    private mutating func arm(_ index: Int) -> Bool {
        let generation = relays.generation(index)
        let kinds: EpollEvents = [.readable, .writable, .peerClosed, .edgeTriggered]
        do throws(KernelError) {
            if !relays[index].down.canWrite, !relays[index].isClientArmed {
                relays[index].isClientArmed = true
                try epoll.modify(relays[index].client, kinds, data: Self.data(.client, index, generation))
            }
            if !relays[index].up.canWrite, !relays[index].isServerArmed, relays[index].isOpen {
                relays[index].isServerArmed = true
                try epoll.modify(relays[index].server, kinds, data: Self.data(.server, index, generation))
            }
            return true
        } catch {
            return false
        }
    }

    // MARK: reaching an endpoint

    /// Begins to connect to an endpoint, to others where it fails at once; false where none is left.
    private mutating func connect(_ index: Int, for client: SocketAddress?) -> Bool {
        while relays[index].attempts < ForwarderLimits.attempts {
            guard let pool = poolIndex(relays[index].pool), let choice = choose(index, pool, for: client),
                let place = pools[pool].address(choice)
            else { return false }
            if relays[index].attempts > 0 { counts.failovers &+= 1 }
            relays[index].attempts += 1
            relays[index].backend = choice
            let (server, isOpen) = SocketCalls.connect(place, SocketCalls.streamType)
            guard server >= 0 else {
                // Out of ports or descriptors: no fault of the endpoint's, and the same with the next.
                if server == -EMFILE || server == -ENFILE || server == -ENOMEM { return false }
                if server != -EADDRNOTAVAIL { pools[pool].avoid(choice, nowMs: nowMs) }
                continue
            }
            relays[index].server = server
            relays[index].backendKey = place.addressKey
            relays[index].isOpen = isOpen
            relays[index].isServerArmed = !isOpen
            relays[index].up.canWrite = isOpen
            guard watch(server, .server, index, armed: !isOpen) else { return false }
            if !isOpen {
                let deadline = nowMs &+ shared.limits.connectTimeoutMs
                relays[index].deadlineMs = deadline
                connecting.append((index, relays.generation(index), deadline))
            }
            return true
        }
        return false
    }

    private mutating func choose(_ index: Int, _ pool: Int, for client: SocketAddress?) -> Int32? {
        let failed = relays[index].attempts > 0 ? relays[index].backend : -1
        if pools[pool].affinitySeconds > 0, let client = client ?? SocketCalls.peer(of: relays[index].client) {
            return shared.affinity.choose(
                for: client, in: pools[pool], nowMs: nowMs, nowSeconds: nowSeconds, besides: failed)
        }
        if failed >= 0 { return pools[pool].choose(after: failed, nowMs: nowMs) }
        return pools[pool].choose(nextRandom(), nowMs: nowMs)
    }

    /// The endpoint did not answer, or refused. The client has not had a byte of it, nor it one of the client's.
    private mutating func tryAnother(_ index: Int) {
        close(relays[index].server)
        relays[index].server = -1
        if let pool = poolIndex(relays[index].pool) { pools[pool].avoid(relays[index].backend, nowMs: nowMs) }
        guard connect(index, for: nil) else { return giveUp(index) }
        if !advance(index) { end(index, isReset: true) }
    }

    mutating func endLateConnects() {
        while connectingHead < connecting.count {
            let entry = connecting[connectingHead]
            let isPast = relays.generation(entry.index) != entry.generation || relays[entry.index].isOpen
            guard isPast || Int32(bitPattern: entry.deadlineMs &- nowMs) <= 0 else { break }
            connectingHead += 1
            // A second attempt of the same relay stands further behind with a time of its own.
            if !isPast, relays[entry.index].deadlineMs == entry.deadlineMs { tryAnother(entry.index) }
        }
        guard connectingHead > 0, connectingHead == connecting.count || connectingHead > 4096 else { return }
        connecting.removeFirst(connectingHead)
        connectingHead = 0
    }

    // MARK: events

    mutating func handleClient(_ index: Int, _ kinds: EpollEvents) {
        relays[index].note(kinds, ofClient: true)
        if !relays[index].isOpen, kinds.contains(.error) {
            // Gone before its endpoint has answered.
            return end(index, isReset: true)
        }
        if !advance(index) { end(index, isReset: true) }
    }

    mutating func handleServer(_ index: Int, _ kinds: EpollEvents) {
        if !relays[index].isOpen {
            guard !kinds.isDisjoint(with: [.writable, .error, .hangUp]) else { return }
            guard SocketCalls.pendingError(relays[index].server) == 0 else { return tryAnother(index) }
            relays[index].isOpen = true
        }
        relays[index].note(kinds, ofClient: false)
        if !advance(index) { end(index, isReset: true) }
    }

    /// Moves what can be moved; false for a connection that is lost. It may have ended when this returns.
    private mutating func advance(_ index: Int) -> Bool {
        relays[index].lastSeconds = nowSeconds
        guard relays[index].isOpen else { return pump.readAhead(&relays[index]) != .failed }
        switch pump.run(&relays[index]) {
        case .waits: break
        case .hasMore:
            guard !relays[index].isQueued else { break }
            relays[index].isQueued = true
            queue.append((index, relays.generation(index)))
        case .ended:
            end(index, isReset: false)
            return true
        case .failed: return false
        }
        if relays[index].up.canWrite, relays[index].down.canWrite { return true }
        return arm(index)
    }

    mutating func runQueue() {
        guard !queue.isEmpty else { return }
        swap(&turn, &queue)
        for (index, generation) in turn where relays.generation(index) == generation {
            relays[index].isQueued = false
            if !advance(index) { end(index, isReset: true) }
        }
        turn.removeAll(keepingCapacity: true)
    }

    /// Closes both sides; with a reset where one of them was lost, so that the other learns of it.
    mutating func end(_ index: Int, isReset: Bool) {
        pump.release(&relays[index])
        let (client, server) = (relays[index].client, relays[index].server)
        if isReset {
            SocketCalls.reset(client)
            if server >= 0 { SocketCalls.reset(server) }
        } else {
            close(client)
            close(server)
        }
        relays.remove(index)
        shared.budget.giveConnection()
    }

    // MARK: idle connections

    /// Now and then, while there are connections: ends those over which nothing passes any more, and has the kernel
    /// look after the endpoints of those that are silent.
    mutating func sweep() {
        guard relays.count > 0 else { return }
        guard Int32(bitPattern: nextSweepSeconds &- nowSeconds) <= 0 else { return }
        nextSweepSeconds = nowSeconds &+ shared.limits.sweepSeconds
        for index in 0..<relays.highest where relays.isUsed(index) {
            let silent = nowSeconds &- relays[index].lastSeconds
            let isHalfClosed = relays[index].up.hasEnded || relays[index].down.hasEnded
            if silent >= (isHalfClosed ? shared.limits.halfClosedSeconds : shared.limits.idleSeconds) {
                counts.idleEnds &+= 1
                end(index, isReset: true)
            } else if silent >= ForwarderLimits.keepAliveAfterSeconds, !relays[index].isKeptAlive,
                relays[index].isOpen
            {
                relays[index].isKeptAlive = true
                SocketCalls.keepAlive(relays[index].server)
            }
        }
    }
}
