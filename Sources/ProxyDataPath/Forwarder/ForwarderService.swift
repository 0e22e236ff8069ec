/// The backends of one service port, as the loop needs them.
struct ForwarderService {
    var backends: [SocketAddress] = []
    var affinityNanos: UInt64?
    /// By client: only of a service with affinity.
    private var known: [UInt32: (backend: SocketAddress, last: UInt64)] = [:]

    /// Clients that are remembered for one service; beyond, those whose time is over go, then nobody new is remembered.
    private static let clientLimit = 65_536

    /// A backend for a client, at random or the one that it had; nil where there is none. `failed` is not given again.
    mutating func choose(for client: UInt32, at now: UInt64, besides failed: SocketAddress? = nil) -> SocketAddress? {
        guard let affinityNanos else { return random(besides: failed) }
        if let entry = known[client], now &- entry.last < affinityNanos, entry.backend != failed,
            backends.contains(entry.backend)
        {
            known[client]?.last = now
            return entry.backend
        }
        guard let backend = random(besides: failed) else { return nil }
        if known.count >= Self.clientLimit { known = known.filter { now &- $0.value.last < affinityNanos } }
        if known.count < Self.clientLimit { known[client] = (backend, now) }
        return backend
    }

    private func random(besides failed: SocketAddress?) -> SocketAddress? {
        guard let failed, backends.count > 1 else { return backends.randomElement() }
        let start = Int.random(in: 0..<backends.count)
        return (0..<backends.count).lazy.map { backends[(start + $0) % backends.count] }.first { $0 != failed }
    }
}
