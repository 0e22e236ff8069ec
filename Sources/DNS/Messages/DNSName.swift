import KubeAPI

/// A domain name as messages have it, in lower case: for each label its length and its bytes, a zero in the end
/// (RFC 1035 §3.1).
struct DNSName: Hashable, Sendable {
    /// RFC 1035 §2.3.4.
    static let maxLength = 255
    static let maxLabel = 63

    static let root = DNSName(wire: [0])

    let wire: [UInt8]

    /// From bytes that are known to be a name in lower case.
    init(wire: [UInt8]) { self.wire = wire }

    /// From dotted text, with or without the dot in the end; nil for what can't be a name.
    init?(_ text: String) {
        var text = Substring(text)
        if text.hasSuffix(".") { text = text.dropLast() }
        guard !text.isEmpty else {
            self = .root
            return
        }
        var wire: [UInt8] = []
        for label in text.split(separator: ".", omittingEmptySubsequences: false) {
            guard Self.append(label, to: &wire) else { return nil }
        }
        wire.append(0)
        guard wire.count <= Self.maxLength else { return nil }
        self.init(wire: wire)
    }

    /// The name one label deeper; nil where it would be too long.
    func adding(_ label: String) -> DNSName? {
        var wire: [UInt8] = []
        guard Self.append(Substring(label), to: &wire) else { return nil }
        wire += self.wire
        return wire.count <= Self.maxLength ? DNSName(wire: wire) : nil
    }

    private static func append(_ label: Substring, to wire: inout [UInt8]) -> Bool {
        let bytes = label.utf8
        guard (1...maxLabel).contains(bytes.count) else { return false }
        wire.append(UInt8(bytes.count))
        for byte in bytes { wire.append(lowercased(byte)) }
        return true
    }

    static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }

    /// The name without its first label; nil for the root.
    var parent: DNSName? {
        guard wire.count > 1 else { return nil }
        return DNSName(wire: Array(wire[(Int(wire[0]) + 1)...]))
    }

    /// The labels, first first, as text.
    var labels: [String] {
        var labels: [String] = []
        var index = 0
        while index < wire.count, wire[index] > 0 {
            let end = index + 1 + Int(wire[index])
            labels.append(String(decoding: wire[index + 1..<end], as: UTF8.self))
            index = end
        }
        return labels
    }

    /// This is the zone's apex, or lies below it.
    func isWithin(_ zone: DNSName) -> Bool { wire.withUnsafeBytes { Self.isWithin($0, zone) } }

    static func isWithin(_ name: UnsafeRawBufferPointer, _ zone: DNSName) -> Bool {
        // Only at the beginning of a label does the rest of a name make a name.
        var index = 0
        let start = name.count - zone.wire.count
        while index < start { index += Int(name[index]) + 1 }
        return index == start && zone.wire.withUnsafeBytes { name[start...].elementsEqual($0) }
    }

    /// `4.3.2.1.in-addr.arpa`, or its like under ip6.arpa (RFC 1035 §3.5, RFC 3596 §2.5).
    init(reverse address: IPAddress) {
        var text = ""
        if address.isIPv4 {
            for byte in address.bytes.reversed() { text += "\(byte)." }
            text += "in-addr.arpa"
        } else {
            for byte in address.bytes.reversed() {
                text += "\(String(byte & 15, radix: 16)).\(String(byte >> 4, radix: 16))."
            }
            text += "ip6.arpa"
        }
        // Digits and dots of a bounded number: always a name.
        self = DNSName(text) ?? .root
    }

    /// The address that a name under in-addr.arpa or ip6.arpa stands for; nil for all others, and for parts of one.
    var reversedAddress: IPAddress? {
        let labels = labels
        if labels.count == 6, labels[4] == "in-addr", labels[5] == "arpa" {
            return IPAddress(labels[..<4].reversed().joined(separator: "."))
        }
        guard labels.count == 34, labels[32] == "ip6", labels[33] == "arpa" else { return nil }
        var bits: UInt128 = 0
        for label in labels[..<32].reversed() {
            guard label.utf8.count == 1, let digit = UInt8(label, radix: 16) else { return nil }
            bits = bits << 4 | UInt128(digit)
        }
        return IPAddress(ipv6: bits)
    }
}

extension DNSName: CustomStringConvertible {
    var description: String { labels.isEmpty ? "." : labels.joined(separator: ".") }
}
