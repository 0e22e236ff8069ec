/// An IPv4 or IPv6 address, without a zone.
public struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    public enum Family: Sendable, Hashable, CaseIterable {
        case ipv4, ipv6
        /// Bits of an address: 32 or 128.
        public var bitCount: Int { self == .ipv4 ? 32 : 128 }
        /// `IPv4` or `IPv6`, as services and slices name it.
        public var name: String { self == .ipv4 ? "IPv4" : "IPv6" }
        public var other: Family { self == .ipv4 ? .ipv6 : .ipv4 }

        /// From `IPv4` or `IPv6`; nil for all else.
        public init?(name: String) {
            guard let family = Self.allCases.first(where: { $0.name == name }) else { return nil }
            self = family
        }
    }

    public let family: Family
    /// The address as a number: of 32 bits for IPv4.
    public let bits: UInt128

    public init(ipv4 bits: UInt32) {
        family = .ipv4
        self.bits = UInt128(bits)
    }

    public init(ipv6 bits: UInt128) {
        family = .ipv6
        self.bits = bits
    }

    init(family: Family, bits: UInt128) {
        self.family = family
        self.bits = bits
    }

    /// From 4 or 16 bytes in network order; nil for another number of them.
    public init?(bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4: family = .ipv4
        case 16: family = .ipv6
        default: return nil
        }
        bits = bytes.reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// 4 or 16 bytes in network order.
    public var bytes: [UInt8] {
        (0..<family.bitCount / 8).reversed().map { UInt8(truncatingIfNeeded: bits >> UInt128($0 * 8)) }
    }

    public var isIPv4: Bool { family == .ipv4 }
    public var isIPv6: Bool { family == .ipv6 }
    /// The IPv4 address as a number, nil for IPv6.
    public var ipv4: UInt32? { isIPv4 ? UInt32(truncatingIfNeeded: bits) : nil }

    public var isUnspecified: Bool { bits == 0 }
    public var isLoopback: Bool { isIPv4 ? bits >> 24 == 127 : bits == 1 }
    public var isMulticast: Bool { isIPv4 ? bits >> 28 == 0xe : bits >> 120 == 0xff }
    public var isLinkLocal: Bool { isIPv4 ? bits >> 16 == 0xa9fe : bits >> 118 == 0x3fa }

    /// The address that many above (or below), nil beyond the ends of the family.
    public func advanced(by distance: Int) -> IPAddress? {
        let step = UInt128(distance.magnitude)
        let (result, isOver) =
            distance < 0 ? bits.subtractingReportingOverflow(step) : bits.addingReportingOverflow(step)
        guard !isOver, isIPv6 || result <= UInt128(UInt32.max) else { return nil }
        return IPAddress(family: family, bits: result)
    }
}

extension IPAddress: Comparable {
    /// IPv4 comes before IPv6.
    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        left.family == right.family ? left.bits < right.bits : left.isIPv4
    }
}

// MARK: Text

extension IPAddress {
    /// Reads dotted-decimal IPv4 (no leading zeros) or IPv6 of RFC 4291; nil for all else, zones included.
    public init?(_ text: String) {
        var text = text
        let parsed = text.withUTF8 { bytes -> IPAddress? in
            guard bytes.count <= 45 else { return nil }
            if bytes.contains(UInt8(ascii: ":")) { return Self.parseIPv6(bytes[...]).map(IPAddress.init(ipv6:)) }
            return Self.parseIPv4(bytes[...]).map(IPAddress.init(ipv4:))
        }
        guard let parsed else { return nil }
        self = parsed
    }

    private static func parseIPv4(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> UInt32? {
        let parts = bytes.split(separator: UInt8(ascii: "."), maxSplits: 4, omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            var value: UInt32 = 0
            for byte in part {
                guard byte &- 0x30 < 10 else { return nil }
                value = value * 10 + UInt32(byte &- 0x30)
            }
            guard value < 256 else { return nil }
            address = address << 8 | value
        }
        return address
    }

    private static func parseIPv6(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> UInt128? {
        let colon = UInt8(ascii: ":")
        var groups: [UInt16] = []
        var gapAt: Int?
        var rest = bytes
        if rest.starts(with: [colon, colon]) {
            gapAt = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let group = rest.prefix { $0 != colon }
            if group.contains(UInt8(ascii: ".")) {
                // The last 32 bits may be written as IPv4.
                guard group.endIndex == rest.endIndex, let ipv4 = parseIPv4(group) else { return nil }
                groups.append(UInt16(truncatingIfNeeded: ipv4 >> 16))
                groups.append(UInt16(truncatingIfNeeded: ipv4))
                break
            }
            guard (1...4).contains(group.count) else { return nil }
            var value: UInt16 = 0
            for byte in group {
                switch byte {
                case let byte where byte &- 0x30 < 10: value = value << 4 | UInt16(byte &- 0x30)
                case let byte where (byte | 0x20) &- 0x61 < 6: value = value << 4 | UInt16((byte | 0x20) &- 0x57)
                default: return nil
                }
            }
            groups.append(value)
            rest = rest[group.endIndex...]
            guard !rest.isEmpty else { break }
            rest = rest.dropFirst()  // the colon
            guard let next = rest.first else { return nil }
            if next == colon {
                guard gapAt == nil else { return nil }
                gapAt = groups.count
                rest = rest.dropFirst()
            }
        }
        if let gapAt {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gapAt)
        }
        guard groups.count == 8 else { return nil }
        return groups.reduce(0) { $0 << 16 | UInt128($1) }
    }

    /// The canonical text: RFC 5952 for IPv6.
    public var description: String {
        if isIPv4 { return "\(bits >> 24).\(bits >> 16 & 255).\(bits >> 8 & 255).\(bits & 255)" }
        // Mapped IPv4 is written mixed, as Go's netip does.
        if bits >> 32 == 0xffff { return "::ffff:\(IPAddress(ipv4: UInt32(truncatingIfNeeded: bits)))" }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: bits >> UInt128((7 - $0) * 16)) }
        // The first of the longest runs of two or more zero groups is left out.
        var best = 0..<0
        var position = 0
        while position < 8 {
            var end = position
            while end < 8, groups[end] == 0 { end += 1 }
            if end - position > max(best.count, 1) { best = position..<end }
            position = max(end, position + 1)
        }
        func text(_ range: Range<Int>) -> String {
            groups[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        return best.isEmpty ? text(0..<8) : "\(text(0..<best.lowerBound))::\(text(best.upperBound..<8))"
    }
}
