import KubeAPI

/// What differs between the tables of the two families; all else is made by the same code, with the width of an address
/// for a parameter.
extension IPAddress.Family {
    /// As nft writes it.
    var nftText: String { self == .ipv4 ? "ip" : "ip6" }
    /// NFPROTO_IPV4 or NFPROTO_IPV6, which equal AF_INET and AF_INET6.
    var netfilterNumber: UInt32 { self == .ipv4 ? 2 : 10 }
    /// Words of 4 bytes that an address takes.
    var wordCount: Int { bitCount / 32 }
    /// Bytes of an address.
    var byteCount: Int { bitCount / 8 }

    /// Where the address stands in the packet's header.
    func headerOffset(_ side: NftSide) -> UInt32 {
        switch (self, side) {
        case (.ipv4, .sourceAddress): 12
        case (.ipv4, .destinationAddress): 16
        case (.ipv6, .sourceAddress): 8
        case (.ipv6, .destinationAddress): 24
        }
    }

    /// The first bits of an address, that many, as a mask.
    func mask(_ prefixLength: Int) -> IPAddress {
        let bits = prefixLength == 0 ? 0 : UInt128.max << UInt128(bitCount - prefixLength)
        return self == .ipv4 ? IPAddress(ipv4: UInt32(truncatingIfNeeded: bits)) : IPAddress(ipv6: bits)
    }
}

/// One of the two addresses of a packet.
enum NftSide: Sendable, Hashable {
    case sourceAddress, destinationAddress

    var text: String { self == .sourceAddress ? "saddr" : "daddr" }
}
