import KubeAPI
import Kernel

/// The addresses of one pod. The IPv4 one names its link and is what is given and taken back; the IPv6 one stands at the
/// same place of the node's other range, so that it is given and taken back with it.
struct PodAddresses: Hashable, Sendable {
    let ipv4: IPAddress
    /// Nil where the cluster or the node has no IPv6.
    var ipv6: IPAddress?

    init(_ ipv4: IPAddress, _ ipv6: IPAddress? = nil) {
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }

    /// The pod's addresses as the kernel takes them, each with how the node's side of its link reaches it.
    var inet: [InetAddress] { [ipv4, ipv6].compactMap { $0 }.compactMap { InetAddress(bytes: $0.bytes) } }
}

/// The node's own addresses, from which it speaks to its pods.
struct NodeSources: Hashable, Sendable {
    var ipv4: InetAddress?
    var ipv6: InetAddress?

    init(_ addresses: [IPAddress]) {
        let all = addresses.compactMap { InetAddress(bytes: $0.bytes) }
        ipv4 = all.first { $0.isIPv4 }
        ipv6 = all.first { !$0.isIPv4 }
    }

    /// The one of that address' family.
    func source(for address: InetAddress) -> InetAddress? { address.isIPv4 ? ipv4 : ipv6 }

    func contains(_ address: InetAddress) -> Bool { address == ipv4 || address == ipv6 }
}
