import Glibc
import Kernel

/// Connections over TCP.
extension ForwarderLoop {
    func accept(_ listener: Listener) {
        for _ in 0..<Self.acceptTurn {
            var peer = sockaddr_in()
            let client = SocketCalls.accept(listener.socket, &peer)
            if client < 0 {
                if client == -EMFILE || client == -ENFILE { refuseOne(listener.socket) }
                if client == -EINTR || client == -ECONNABORTED { continue }
                return
            }
            // A connection takes two descriptors. What is over the bound is refused, not left waiting.
            guard freeDescriptors >= 2 else {
                SocketCalls.reset(client)
                continue
            }
            freeDescriptors -= 2
            let address = peer.sin_addr.s_addr
            let index = relays.insert(
                Relay(client: client, server: -1, service: Int32(listener.service), clientAddress: address))
            if !watch(client, .client, index) || !connect(index) { end(index, isReset: true) }
        }
    }

    /// Takes one waiting connection with the descriptor that is kept for this, and resets it.
    private func refuseOne(_ socket: Int32) {
        guard spare >= 0 else { return }
        close(spare)
        var peer = sockaddr_in()
        let client = SocketCalls.accept(socket, &peer)
        if client >= 0 { SocketCalls.reset(client) }
        spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
    }

    private func watch(_ socket: Int32, _ kind: Kind, _ index: Int) -> Bool {
        let data = Self.data(kind, index, relays.generation(index))
        do throws(KernelError) {
            try epoll.add(socket, [.readable, .writable, .peerClosed, .edgeTriggered], data: data)
            return true
        } catch {
            return false  // the caller resets the connection
        }
    }

    /// Begins to connect to a backend that was not just tried; false where there is none, or no attempt left.
    private func connect(_ index: Int) -> Bool {
        let service = Int(relays[index].service)
        while relays[index].attempts < Self.attemptLimit {
            let failed = relays[index].attempts == 0 ? nil : relays[index].backend
            guard
                let backend = services[service]?.choose(for: relays[index].clientAddress, at: now, besides: failed)
            else { return false }
            relays[index].attempts += 1
            relays[index].backend = backend
            let server = SocketCalls.connect(backend, SocketCalls.streamType)
            guard server >= 0 else { continue }
            relays[index].server = server
            guard watch(server, .server, index) else { return false }
            relays[index].deadline = now &+ Self.connectTimeoutNanos
            connecting.append((index, relays.generation(index), relays[index].deadline))
            return true
        }
        return false
    }

    func handleClient(_ index: Int, _ kinds: EpollEvents) {
        relays[index].note(kinds, ofClient: true)
        if relays[index].isOpen {
            run(index)
        } else if kinds.contains(.hangUp) || kinds.contains(.error) {
            // Gone before its backend has answered.
            end(index, isReset: true)
        }
    }

    func handleServer(_ index: Int, _ kinds: EpollEvents) {
        if !relays[index].isOpen {
            guard !kinds.isDisjoint(with: [.writable, .error, .hangUp]) else { return }
            guard SocketCalls.pendingError(relays[index].server) == 0 else { return tryAnother(index) }
            relays[index].isOpen = true
        }
        relays[index].note(kinds, ofClient: false)
        run(index)
    }

    private func tryAnother(_ index: Int) {
        close(relays[index].server)
        relays[index].server = -1
        if !connect(index) { end(index, isReset: true) }
    }

    private func run(_ index: Int) {
        switch pump.run(&relays[index]) {
        case .waits: break
        case .hasMore:
            guard !relays[index].isQueued else { return }
            relays[index].isQueued = true
            queue.append((index, relays.generation(index)))
        case .ended: end(index, isReset: false)
        case .failed: end(index, isReset: true)
        }
    }

    func runQueue() {
        guard !queue.isEmpty else { return }
        let turn = queue
        queue.removeAll(keepingCapacity: true)
        for (index, generation) in turn where relays.generation(index) == generation {
            relays[index].isQueued = false
            run(index)
        }
    }

    func endLateConnects() {
        while connectingHead < connecting.count {
            let entry = connecting[connectingHead]
            let isPast = relays.generation(entry.index) != entry.generation || relays[entry.index].isOpen
            guard isPast || entry.deadline <= now else { break }
            connectingHead += 1
            // A second attempt of the same relay stands further behind with a time of its own.
            if !isPast, relays[entry.index].deadline == entry.deadline { tryAnother(entry.index) }
        }
        guard connectingHead == connecting.count || connectingHead > 1024 else { return }
        connecting.removeFirst(connectingHead)
        connectingHead = 0
    }

    /// Closes both sides; with a reset where one of them was lost, so that the other learns of it.
    func end(_ index: Int, isReset: Bool) {
        pump.release(&relays[index])
        for socket in [relays[index].client, relays[index].server] where socket >= 0 {
            if isReset { SocketCalls.reset(socket) } else { close(socket) }
        }
        relays.remove(index)
        freeDescriptors += 2
    }
}
