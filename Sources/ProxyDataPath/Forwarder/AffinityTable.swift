import Synchronization

/// Which endpoint a client was given, for services with affinity: shared by all loops, as a client's next connection may
/// come to another one. Asked once for each connection, never for a message.
final class AffinityTable: Sendable {
    /// Clients that are remembered, for all services. Beyond, those whose time is over go; where there are none, nobody
    /// new is remembered, and gets an endpoint by its address, which is the same as long as the endpoints are.
    static let limit = 262_144

    private struct Key: Hashable {
        let service: Int32
        let bits: UInt128
    }
    private struct Entry {
        var backend: SocketAddress
        var lastSeconds: UInt32
        var seconds: UInt32
    }
    private let limit: Int
    private let entries = Mutex<[Key: Entry]>([:])

    init(limit: Int = AffinityTable.limit) { self.limit = limit }

    var count: Int { entries.withLock(\.count) }

    /// The endpoint of that client in the pool: what it had, where that is still there, else one by its address.
    /// `failed` is not given again where there is another.
    func choose(
        for client: SocketAddress, in pool: EndpointPool, nowMs: UInt32, nowSeconds: UInt32, besides failed: Int32 = -1
    ) -> Int32? {
        entries.withLock { entries in
            let key = Key(service: pool.affinityKey, bits: client.bits)
            if let entry = entries[key], nowSeconds &- entry.lastSeconds < entry.seconds,
                let index = pool.index(of: entry.backend), index != failed
            {
                entries[key]?.lastSeconds = nowSeconds
                return index
            }
            let chosen =
                failed >= 0
                ? pool.choose(after: failed, nowMs: nowMs) : pool.choose(Self.hash(client), nowMs: nowMs)
            guard let index = chosen, let backend = pool.address(index) else { return nil }
            if entries.count >= limit, entries[key] == nil {
                entries = entries.filter { nowSeconds &- $0.value.lastSeconds < $0.value.seconds }
            }
            if entries.count < limit || entries[key] != nil {
                entries[key] = Entry(
                    backend: backend, lastSeconds: nowSeconds, seconds: UInt32(clamping: pool.affinitySeconds))
            }
            return index
        }
    }

    /// Forgets the clients of a service that has gone.
    func remove(service: Int32) {
        entries.withLock { entries in
            guard entries.keys.contains(where: { $0.service == service }) else { return }
            entries = entries.filter { $0.key.service != service }
        }
    }

    /// By the address alone: a client's port is another each time.
    private static func hash(_ client: SocketAddress) -> UInt64 {
        SocketAddress(client.address, 0).mixed(with: 0x5bd1_e995)
    }
}
