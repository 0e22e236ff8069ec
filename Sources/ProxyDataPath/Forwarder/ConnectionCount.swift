import KubeAPI
import Synchronization

/// Counts the relays of all loops whose endpoint is at one of some addresses.
final class ConnectionCount: Sendable {
    private let keys: Set<UInt32>
    private let addresses: Set<IPAddress>
    private let count = Atomic<Int>(0)

    init(of addresses: [IPAddress]) {
        self.addresses = Set(addresses)
        keys = Set(addresses.map { SocketAddress($0, 0).addressKey })
    }

    var value: Int { count.load(ordering: .acquiring) }

    /// One that is closing is not counted: whoever closed has what it wanted.
    func add(_ relay: Relay) {
        guard relay.server >= 0, keys.contains(relay.backendKey), !relay.up.hasEnded, !relay.down.hasEnded else {
            return
        }
        // Two addresses may have one key: the socket knows.
        guard let peer = SocketCalls.peer(of: relay.server), addresses.contains(peer.address) else { return }
        count.add(1, ordering: .releasing)
    }
}
