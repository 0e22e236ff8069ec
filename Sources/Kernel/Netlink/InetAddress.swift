import Glibc

/// An IPv4 or IPv6 address as the kernel takes it: 4 or 16 bytes in network order.
public struct InetAddress: Sendable, Hashable, CustomStringConvertible {
    public let bytes: [UInt8]

    /// Nil for another number of bytes than 4 or 16.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    public init(ipv4 number: UInt32) {
        bytes = (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * UInt32($0))) }
    }

    /// Reads the usual text form; nil for all else.
    public init?(_ text: String) {
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            bytes = withUnsafeBytes(of: &four) { Array($0) }
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            bytes = withUnsafeBytes(of: &six) { Array($0) }
        } else {
            return nil
        }
    }

    public var isIPv4: Bool { bytes.count == 4 }
    /// AF_INET or AF_INET6.
    public var family: UInt8 { UInt8(isIPv4 ? AF_INET : AF_INET6) }
    /// 32 or 128.
    public var bitCount: UInt8 { UInt8(bytes.count * 8) }
    /// The address as a number, for IPv4.
    public var ipv4: UInt32? { isIPv4 ? bytes.reduce(0) { $0 << 8 | UInt32($1) } : nil }

    public var description: String {
        var text = [CChar](repeating: 0, count: 64)
        let isDone = bytes.withUnsafeBytes { source in
            inet_ntop(Int32(family), source.baseAddress, &text, socklen_t(text.count)) != nil
        }
        guard isDone else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
