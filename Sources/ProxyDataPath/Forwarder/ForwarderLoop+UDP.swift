import Glibc
import Kernel

/// Datagrams: each client has a flow, and with it a socket to its backend, so that answers find back.
extension ForwarderLoop {
    /// From clients.
    mutating func receive(_ id: Int) {
        for _ in 0..<ForwarderLimits.acceptTurn {
            let count = SocketCalls.receive(listeners[id].socket, datagram, ForwarderLimits.datagramBytes, from: peer)
            // An error that an earlier answer met (ECONNREFUSED) has been taken off by asking.
            if count == -Int(EAGAIN) { return }
            guard count >= 0 else { continue }
            forward(count, SocketAddress(peer), id)
        }
    }

    private mutating func forward(_ count: Int, _ client: SocketAddress, _ id: Int) {
        // Once more with another backend, where the first refuses.
        var failed: Int32 = -1
        for _ in 0..<2 {
            guard let index = flows.find(client, listener: Int32(id)) ?? open(client, id, besides: failed) else {
                return
            }
            flows.touch(index, nowMs: nowMs)
            let sent = send(flows.slab[index].socket, datagram, count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
            if sent >= 0 { counts.datagrams &+= 1 }
            if sent >= 0 || errno != ECONNREFUSED { return }
            if let pool = poolIndex(flows.slab[index].pool) {
                failed = pools[pool].index(of: flows.slab[index].backend) ?? -1
                pools[pool].avoid(failed, nowMs: nowMs)
            }
            endFlow(index)
        }
    }

    private mutating func open(_ client: SocketAddress, _ id: Int, besides failed: Int32) -> Int? {
        guard let number = pool(for: client, at: id) else {
            counts.refusedBySource &+= 1
            return nil
        }
        guard let pool = poolIndex(number), let choice = choose(pool, for: client, besides: failed),
            let backend = pools[pool].address(choice)
        else { return nil }
        while flows.isFull || !shared.budget.take(1) {
            // The one that was silent for longest makes room.
            guard let oldest = flows.oldestIndex else { return nil }
            endFlow(oldest)
            counts.flowsEvicted &+= 1
        }
        let (socket, _) = SocketCalls.connect(backend, SocketCalls.datagramType)
        guard socket >= 0 else {
            shared.budget.give(1)
            return nil
        }
        let flow = UDPFlow(
            socket: socket, listener: Int32(id), pool: number, client: client, backend: backend, lastMs: nowMs)
        guard let index = flows.insert(flow) else { return nil }  // there is room: it was made
        counts.flowsOpened &+= 1
        do throws(KernelError) {
            try epoll.add(socket, .readable, data: Self.data(.flow, index, flows.slab.generation(index)))
        } catch {
            endFlow(index)
            return nil
        }
        return index
    }

    private mutating func choose(_ pool: Int, for client: SocketAddress, besides failed: Int32) -> Int32? {
        if pools[pool].affinitySeconds > 0 {
            return shared.affinity.choose(
                for: client, in: pools[pool], nowMs: nowMs, nowSeconds: nowSeconds, besides: failed)
        }
        if failed >= 0 { return pools[pool].choose(after: failed, nowMs: nowMs) }
        return pools[pool].choose(nextRandom(), nowMs: nowMs)
    }

    /// From a backend.
    mutating func answer(_ index: Int) {
        let flow = flows.slab[index]
        let listener = listeners[Int(flow.listener)].socket
        for _ in 0..<ForwarderLimits.acceptTurn {
            let count = recv(flow.socket, datagram, ForwarderLimits.datagramBytes, Int32(MSG_DONTWAIT))
            if count < 0 {
                // Nobody listens there (any more): the client's next datagram finds another backend.
                if errno == ECONNREFUSED { endFlow(index) }
                return
            }
            flows.touch(index, nowMs: nowMs)
            counts.datagrams &+= 1
            SocketCalls.send(listener, datagram, count, to: flow.client)
        }
    }

    mutating func endFlow(_ index: Int) {
        close(flows.slab[index].socket)
        flows.remove(index)
        shared.budget.give(1)
    }

    mutating func expireFlows() {
        while let index = flows.oldestIndex {
            guard nowMs &- flows.slab[index].lastMs >= shared.limits.flowIdleMs else { return }
            endFlow(index)
        }
    }

    /// Those whose backend has gone.
    mutating func dropFlows(of pool: Int32, besides backends: [SocketAddress]) {
        guard flows.count > 0 else { return }
        let kept = Set(backends)
        for index in flows.indices(where: { $0.pool == pool && !kept.contains($0.backend) }) { endFlow(index) }
    }

    mutating func dropFlows(from listener: Int) {
        for index in flows.indices(where: { Int($0.listener) == listener }) { endFlow(index) }
    }
}
