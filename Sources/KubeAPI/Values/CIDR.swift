/// A range of addresses: an address and the length of its prefix.
public struct CIDR: Sendable, Hashable, CustomStringConvertible {
    /// The first address of the range.
    public let network: IPAddress
    /// As written, which may lie inside the range: `10.1.2.3/8`.
    public let address: IPAddress
    public let prefixLength: Int

    /// Nil where the prefix is longer than the family's addresses, or negative.
    public init?(_ address: IPAddress, prefixLength: Int) {
        guard (0...address.family.bitCount).contains(prefixLength) else { return nil }
        self.address = address
        self.prefixLength = prefixLength
        let hostMask = Self.hostMask(address.family, prefixLength)
        network = IPAddress(family: address.family, bits: address.bits & ~hostMask)
    }

    /// Reads `address/length`; nil for all else.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(String(parts[0])), (1...3).contains(parts[1].utf8.count),
            parts[1].utf8.allSatisfy({ $0 &- 0x30 < 10 }), parts[1].utf8.count == 1 || parts[1].first != "0",
            let length = Int(parts[1])
        else { return nil }
        self.init(address, prefixLength: length)
    }

    /// Reads ranges with commas between them; nil where one of them is none.
    public static func list(_ text: String) -> [CIDR]? {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let ranges = parts.compactMap { CIDR(String($0)) }
        return ranges.count == parts.count ? ranges : nil
    }

    private static func hostMask(_ family: IPAddress.Family, _ prefixLength: Int) -> UInt128 {
        let hostBits = family.bitCount - prefixLength
        return hostBits == 128 ? .max : (1 << UInt128(hostBits)) - 1
    }

    public var family: IPAddress.Family { network.family }

    /// Addresses in the range, at most Int.max.
    public var count: Int {
        let hostBits = family.bitCount - prefixLength
        return hostBits >= 63 ? .max : 1 << hostBits
    }

    /// The last address of the range (the broadcast address of IPv4).
    public var last: IPAddress {
        IPAddress(family: family, bits: network.bits | Self.hostMask(family, prefixLength))
    }

    /// The n-th address, from 0; nil outside the range.
    public func nth(_ n: Int) -> IPAddress? {
        guard n >= 0, let result = network.advanced(by: n), result <= last else { return nil }
        return result
    }

    /// The n-th range of a longer prefix inside this one: `10.244.0.0/16` has 256 of length 24.
    public func subnet(_ n: Int, prefixLength length: Int) -> CIDR? {
        guard n >= 0, length >= prefixLength, length <= family.bitCount else { return nil }
        let shift = family.bitCount - length
        guard shift < 128 || n == 0 else { return nil }
        let (offset, isOver) = UInt128(n).multipliedReportingOverflow(by: shift == 128 ? 0 : 1 << UInt128(shift))
        guard !isOver, offset <= Self.hostMask(family, prefixLength) else { return nil }
        return CIDR(IPAddress(family: family, bits: network.bits + offset), prefixLength: length)
    }

    public func contains(_ address: IPAddress) -> Bool {
        address.family == family && address.bits & ~Self.hostMask(family, prefixLength) == network.bits
    }

    public func contains(_ other: CIDR) -> Bool {
        other.prefixLength >= prefixLength && contains(other.network)
    }

    public func overlaps(_ other: CIDR) -> Bool { contains(other.network) || other.contains(network) }

    /// Distance of an address from the first one; nil outside the range or beyond Int.
    public func offset(of address: IPAddress) -> Int? {
        contains(address) ? Int(exactly: address.bits - network.bits) : nil
    }

    /// The range: its first address and length.
    public var description: String { "\(network)/\(prefixLength)" }
}

extension [CIDR] {
    /// The first range of a family.
    public func first(of family: IPAddress.Family) -> CIDR? { first { $0.family == family } }
}
