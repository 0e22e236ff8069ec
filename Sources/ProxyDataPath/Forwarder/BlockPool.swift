/// Memory for what was read and can't be written yet, in blocks as large as one read. Bounded: where it is used up, a
/// connection reads only what its target takes.
struct BlockPool: ~Copyable {
    /// Blocks for each loop: 16 MB.
    static let limit = 256
    /// Free blocks that are kept.
    static let spareLimit = 16

    private let blockBytes: Int
    private var spare: [UnsafeMutableRawPointer] = []
    private(set) var usedCount = 0

    init(blockBytes: Int) {
        self.blockBytes = blockBytes
        spare.reserveCapacity(Self.spareLimit)
    }

    deinit { for block in spare { block.deallocate() } }

    var isExhausted: Bool { usedCount >= Self.limit }

    /// The caller has seen that it is not exhausted.
    mutating func take() -> UnsafeMutableRawPointer {
        usedCount += 1
        return spare.popLast() ?? .allocate(byteCount: blockBytes, alignment: 64)
    }

    mutating func give(_ block: UnsafeMutableRawPointer) {
        usedCount -= 1
        if spare.count < Self.spareLimit { spare.append(block) } else { block.deallocate() }
    }
}
