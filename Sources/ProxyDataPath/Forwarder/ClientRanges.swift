import KubeAPI

/// Ranges of addresses in plain memory, to tell clients apart when they are accepted.
struct ClientRanges: BitwiseCopyable {
    private struct Range: BitwiseCopyable {
        let bits: UInt128
        let mask: UInt128
        let isIPv6: Bool
    }
    private var ranges: UnsafeMutablePointer<Range>?
    private var count: Int32 = 0

    /// Whoever makes it frees it.
    init(_ cidrs: [CIDR]) {
        guard !cidrs.isEmpty else { return }
        let memory = UnsafeMutablePointer<Range>.allocate(capacity: cidrs.count)
        for (index, cidr) in cidrs.enumerated() {
            let hostBits = UInt128(cidr.family.bitCount - cidr.prefixLength)
            // A shift by all 128 bits gives 0, which masks nothing: every address.
            let mask = UInt128.max << hostBits
            let range = Range(bits: cidr.network.bits & mask, mask: mask, isIPv6: cidr.family == .ipv6)
            (memory + index).initialize(to: range)
        }
        ranges = memory
        count = Int32(cidrs.count)
    }

    mutating func free() {
        ranges?.deallocate()
        ranges = nil
        count = 0
    }

    func contains(_ address: SocketAddress) -> Bool {
        guard let ranges else { return false }
        let bits = address.bits
        for index in 0..<Int(count) where ranges[index].isIPv6 == address.isIPv6 {
            if bits & ranges[index].mask == ranges[index].bits { return true }
        }
        return false
    }
}
