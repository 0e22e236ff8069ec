/// How the connection mark carries what is found out about a new connection on its way through the rules: from low to
/// high which pick chain comes next (a number of backends, or a class of sticky services with a flag that says so),
/// whether it needs the node's address, and the service's id.
///
/// It is the connection's mark and not the packet's, which routing would see. All of it lies within one mask, so that
/// it can be moved out of the way of others who use the mark; bits outside are cleared on connections to services.
struct MarkLayout: Sendable, Hashable {
    /// All 32 bits: 4,095 backends for a service, and 262,143 service ports.
    static let standard = MarkLayout(uncheckedMask: .max)

    let mask: UInt32
    private let shift: UInt32
    private let countBits: UInt32

    /// Nil unless the mask is one run of at least 16 bits.
    init?(mask: UInt32) {
        let width = mask.nonzeroBitCount
        guard width >= 16, width + mask.leadingZeroBitCount + mask.trailingZeroBitCount == 32 else { return nil }
        self.init(uncheckedMask: mask)
    }

    private init(uncheckedMask mask: UInt32) {
        self.mask = mask
        shift = UInt32(mask.trailingZeroBitCount)
        countBits = UInt32(mask.nonzeroBitCount) * 3 / 8
    }

    /// The most backends that a service may have, and one more than the most classes of sticky services.
    var countLimit: Int { 1 << Int(countBits) - 1 }
    /// The greatest id; 0 is none.
    var idLimit: UInt32 { UInt32(truncatingIfNeeded: 1 << (UInt64(mask.nonzeroBitCount) - 2 - UInt64(countBits)) - 1) }

    /// What chooses the pick chain.
    var pickMask: UInt32 { (1 << (countBits + 1) - 1) << shift }
    /// The number is a class of sticky services, not a count.
    var stickyFlag: UInt32 { 1 << (countBits + shift) }
    /// Leads to where a connection is dropped: the last class.
    var nowhere: UInt32 { stickyFlag | number(countLimit) }
    var masqueradeFlag: UInt32 { 1 << (countBits + 1 + shift) }
    var idMask: UInt32 { idLimit << (countBits + 2 + shift) }

    func id(_ id: UInt32) -> UInt32 { id << (countBits + 2 + shift) }
    func id(of mark: UInt32) -> UInt32 { (mark & idMask) >> (countBits + 2 + shift) }
    /// The length of a prefix beside an id, in a key that never becomes a mark: below the id there are 8 bits at least.
    func length(_ length: Int) -> UInt32 { UInt32(truncatingIfNeeded: length) }
    /// A count, a class or a backend's number, in its place.
    func number(_ number: Int) -> UInt32 { UInt32(truncatingIfNeeded: number) << shift }
    func number(of mark: UInt32) -> Int { Int(mark >> shift) & countLimit }
}
