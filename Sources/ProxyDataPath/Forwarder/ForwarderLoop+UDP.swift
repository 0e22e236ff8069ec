import Glibc
import Kernel

/// Datagrams: each client has a session, and with it a socket to its backend, so that answers find back.
extension ForwarderLoop {
    /// From clients.
    func receive(_ listener: Listener, _ id: Int) {
        for _ in 0..<Self.acceptTurn {
            var peer = sockaddr_in()
            let count = SocketCalls.receive(listener.socket, datagram, Self.datagramBytes, from: &peer)
            // An error that an earlier answer met (ECONNREFUSED) has been taken off by asking.
            if count == -Int(EAGAIN) { return }
            guard count >= 0 else { continue }
            forward(count, SocketAddress(peer), listener, id)
        }
    }

    private func forward(_ count: Int, _ client: SocketAddress, _ listener: Listener, _ id: Int) {
        // Once more with another backend, where the first refuses.
        for _ in 0..<2 {
            guard let index = sessions.find(client, listener: id) ?? open(client, listener, id) else { return }
            sessions.touch(index, at: now)
            let sent = send(sessions.slab[index].socket, datagram, count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
            if sent >= 0 || errno != ECONNREFUSED { return }
            endSession(index)
        }
    }

    private func open(_ client: SocketAddress, _ listener: Listener, _ id: Int) -> Int? {
        guard let backend = services[listener.service]?.choose(for: client.address, at: now) else { return nil }
        if freeDescriptors < 1 {
            // The one that was silent for longest makes room.
            guard let oldest = sessions.oldestIndex else { return nil }
            endSession(oldest)
        }
        let socket = SocketCalls.connect(backend, SocketCalls.datagramType)
        guard socket >= 0 else { return nil }
        freeDescriptors -= 1
        let index = sessions.insert(
            UDPSession(
                socket: socket, listener: Int32(id), service: Int32(listener.service), client: client,
                backend: backend, last: now))
        do throws(KernelError) {
            try epoll.add(socket, .readable, data: Self.data(.session, index, sessions.slab.generation(index)))
        } catch {
            endSession(index)
            return nil
        }
        return index
    }

    /// From a backend.
    func answer(_ index: Int) {
        let session = sessions.slab[index]
        guard let listener = listeners[Int(session.listener)] else { return endSession(index) }
        for _ in 0..<Self.acceptTurn {
            let count = recv(session.socket, datagram, Self.datagramBytes, Int32(MSG_DONTWAIT))
            if count < 0 {
                // Nobody listens there (any more): the client's next datagram finds another backend.
                if errno == ECONNREFUSED { endSession(index) }
                return
            }
            sessions.touch(index, at: now)
            SocketCalls.send(listener.socket, datagram, count, to: session.client)
        }
    }

    func endSession(_ index: Int) {
        close(sessions.slab[index].socket)
        sessions.remove(index)
        freeDescriptors += 1
    }

    func expireSessions() {
        while let last = sessions.oldest, let index = sessions.oldestIndex, now &- last >= Self.sessionNanos {
            endSession(index)
        }
    }

    /// Those whose backend has gone.
    func dropSessions(of service: Int, besides backends: [SocketAddress]) {
        guard sessions.count > 0 else { return }
        let kept = Set(backends)
        for index in sessions.indices(where: { Int($0.service) == service && !kept.contains($0.backend) }) {
            endSession(index)
        }
    }

    func dropSessions(from listener: Int) {
        for index in sessions.indices(where: { Int($0.listener) == listener }) { endSession(index) }
    }
}
