import Glibc
import KubeAPI

/// An address and port, plain, for hot tables: IPv4 in the low half.
struct SocketAddress: Hashable, Sendable, BitwiseCopyable {
    let high: UInt64
    let low: UInt64
    let port: UInt16
    let isIPv6: Bool

    init(_ address: IPAddress, _ port: UInt16) {
        high = UInt64(truncatingIfNeeded: address.bits >> 64)
        low = UInt64(truncatingIfNeeded: address.bits)
        isIPv6 = address.isIPv6
        self.port = port
    }

    /// As the kernel writes it. `raw` holds at least a `sockaddr_in6`.
    init(_ raw: UnsafeRawPointer) {
        if raw.load(as: sa_family_t.self) == sa_family_t(AF_INET6) {
            port = UInt16(bigEndian: raw.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            high = UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            low = UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
            isIPv6 = true
        } else {
            port = UInt16(bigEndian: raw.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            low = UInt64(UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
            high = 0
            isIPv6 = false
        }
    }

    /// The same for the same address, whatever the port: that of an IPv4 address itself.
    var addressKey: UInt32 {
        let folded = high ^ low
        return isIPv6 ? UInt32(truncatingIfNeeded: folded ^ folded >> 32) : UInt32(truncatingIfNeeded: low)
    }

    var family: Int32 { isIPv6 ? AF_INET6 : AF_INET }

    /// The address alone, as a number.
    var bits: UInt128 { UInt128(high) << 64 | UInt128(low) }

    var address: IPAddress {
        isIPv6 ? IPAddress(ipv6: bits) : IPAddress(ipv4: UInt32(truncatingIfNeeded: low))
    }

    var text: String { isIPv6 ? "[\(address)]:\(port)" : "\(address):\(port)" }

    /// Hands it to a call in the kernel's form.
    func withRaw<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
        var raw = sockaddr_in6()
        return withUnsafeMutableBytes(of: &raw) { bytes in
            bytes.storeBytes(of: sa_family_t(family), as: sa_family_t.self)
            bytes.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
            if isIPv6 {
                bytes.storeBytes(of: high.bigEndian, toByteOffset: 8, as: UInt64.self)
                bytes.storeBytes(of: low.bigEndian, toByteOffset: 16, as: UInt64.self)
            } else {
                bytes.storeBytes(of: UInt32(truncatingIfNeeded: low).bigEndian, toByteOffset: 4, as: UInt32.self)
            }
            let length = isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
            // The buffer is that of a sockaddr_in6, which is larger than and aligned as a sockaddr.
            let base = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress
            return body(UnsafePointer(base.unsafelyUnwrapped), socklen_t(length))
        }
    }

    /// Cheap and even: for choices and tables, not against attackers.
    func mixed(with seed: UInt64) -> UInt64 {
        var hash = (high ^ seed) &* 0x9e37_79b9_7f4a_7c15
        hash = (hash ^ (hash >> 32) ^ low) &* 0xd6e8_feb8_6659_fd93
        hash = (hash ^ (hash >> 32) ^ UInt64(port)) &* 0xd6e8_feb8_6659_fd93
        return hash ^ (hash >> 32)
    }
}
