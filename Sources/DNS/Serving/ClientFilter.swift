import KubeAPI
import Kernel

/// Who is answered. For IPv4 by plain numbers: it is asked for every query.
struct ClientFilter: Sendable {
    private let ranges: [CIDR]
    /// In network order.
    private let masks: [(network: UInt32, mask: UInt32)]

    init(_ ranges: [CIDR]) {
        self.ranges = ranges
        masks = ranges.compactMap { range in
            guard let network = range.network.ipv4 else { return nil }
            let mask = range.prefixLength == 0 ? 0 : UInt32.max << UInt32(32 - range.prefixLength)
            return (network.bigEndian, mask.bigEndian)
        }
    }

    func lets(_ peer: SocketPeer) -> Bool {
        if peer.is_ipv6 == 0 {
            let address = peer.address.0
            return masks.contains { address & $0.mask == $0.network }
        }
        let address = peer.ip
        return ranges.contains { $0.contains(address) }
    }
}
