import Glibc
import Kernel
import KubeAPI

/// Whom a listener serves, and by which endpoints.
struct Audience: Sendable, Equatable {
    /// Endpoints for all clients, or for those outside the cluster where `clusterPool` is given.
    var pool: Int32
    var clusterPool: Int32 = -1
    /// Clients that are served; nil for all.
    var sources: [CIDR]?
}

/// What all loops share. Nothing of it is asked for a message.
final class ForwarderShared: Sendable {
    let limits: ForwarderLimits
    let budget: DescriptorBudget
    let affinity = AffinityTable()
    /// Where clients are those of the cluster: its pods, and this node.
    // Safe: never changed after it is made; lives in memory that is freed with this object.
    nonisolated(unsafe) let clusterRanges: ClientRanges
    /// Told when connections are refused: how many, and why. Once in a while.
    let onRefusal: @Sendable (RefusalLog.Reason, Int) -> Void

    init(
        limits: ForwarderLimits, clusterRanges: [CIDR],
        onRefusal: @escaping @Sendable (RefusalLog.Reason, Int) -> Void
    ) {
        self.limits = limits
        budget = DescriptorBudget(descriptors: limits.descriptors, connections: limits.connections)
        self.clusterRanges = ClientRanges(clusterRanges)
        self.onRefusal = onRefusal
    }

    deinit {
        var ranges = clusterRanges
        ranges.free()
    }
}

extension ForwarderLoop {
    /// Pool numbers carry a generation above these bits: one that comes again is not taken for the one before.
    static let poolIndexBits: Int32 = 20
    static let poolIndexMask: Int32 = (1 << poolIndexBits) - 1

    mutating func obey() {
        let commands = mailbox.take()
        for (position, command) in commands.enumerated() {
            switch command {
            case .setPool(let number, let backends, let seconds, let key):
                let index = Int(number & Self.poolIndexMask)
                pools.reach(index)
                if pools[index].number != number { pools[index].free() }
                pools[index].number = number
                pools[index].affinitySeconds = seconds
                pools[index].affinityKey = key
                pools[index].replace(backends)
                dropFlows(of: number, besides: backends)
            case .removePool(let number):
                let index = Int(number & Self.poolIndexMask)
                guard index < pools.count, pools[index].number == number else { continue }
                pools[index].free()
                pools[index].number = -1
                dropFlows(of: number, besides: [])
            case .open(let id, let socket, let isStream, let audience):
                listeners.reach(id)
                listeners[id] = ForwarderListener(socket: socket, isStream: isStream)
                serve(id, audience)
                // Level-triggered: what one turn leaves comes again.
                do throws(KernelError) {
                    try epoll.add(socket, .readable, data: Self.data(.listener, id))
                } catch {
                    // Out of memory for watches: nobody is served, which is what a full machine says.
                    close(listener: id)
                }
            case .update(let id, let audience): if id < listeners.count { serve(id, audience) }
            case .close(let id): close(listener: id)
            case .count(let count):
                for index in 0..<relays.highest where relays.isUsed(index) { count.add(relays[index]) }
            case .answer(let descriptor):
                var byte: UInt8 = 1
                _ = write(descriptor, &byte, 1)
            case .stop:
                // Who waits for the end is answered when all is closed.
                isStopping = true
                return mailbox.post(Array(commands[(position + 1)...]))
            }
        }
    }

    private mutating func serve(_ id: Int, _ audience: Audience) {
        listeners[id].sources.free()
        listeners[id].sources = ClientRanges(audience.sources ?? [])
        listeners[id].isOpenToAll = audience.sources == nil
        listeners[id].pool = audience.pool
        listeners[id].clusterPool = audience.clusterPool
    }

    private mutating func close(listener id: Int) {
        guard id < listeners.count, listeners[id].socket >= 0 else { return }
        if !listeners[id].isStream { dropFlows(from: id) }
        Glibc.close(listeners[id].socket)
        listeners[id].sources.free()
        listeners[id] = ForwarderListener()
        shared.budget.give(1)
    }

    mutating func closeAll() {
        for id in 0..<listeners.count { close(listener: id) }
        for index in 0..<relays.highest where relays.isUsed(index) { end(index, isReset: true) }
        while let index = flows.oldestIndex { endFlow(index) }
        for index in 0..<pools.count { pools[index].free() }
        if spare >= 0 { Glibc.close(spare) }
        counts.connections = 0
        counts.flows = 0
        counters.publish(&counts)
    }

    /// The pool for a client of that listener; nil for one that is refused.
    func pool(for client: SocketAddress, at id: Int) -> Int32? {
        guard listeners[id].isOpenToAll || listeners[id].sources.contains(client) else { return nil }
        guard listeners[id].clusterPool >= 0, shared.clusterRanges.contains(client) else { return listeners[id].pool }
        return listeners[id].clusterPool
    }

    /// Where a pool is in the table; nil where it has gone.
    func poolIndex(_ number: Int32) -> Int? {
        let index = Int(number & Self.poolIndexMask)
        return number >= 0 && index < pools.count && pools[index].number == number ? index : nil
    }
}
