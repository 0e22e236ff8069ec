/// Numbered slots of which each is taken once: a bitmap. The first ones are kept for those who ask for a certain slot;
/// who takes any gets a random one of the others while there are any (Kubernetes' static and dynamic bands).
struct SlotPool: Sendable {
    let count: Int
    /// Slots below are given to those who take any only when all others are taken.
    let staticCount: Int
    private var words: [UInt64]
    private(set) var takenCount = 0

    init(count: Int, staticCount: Int) {
        self.count = max(0, count)
        self.staticCount = min(max(0, staticCount), self.count)
        words = [UInt64](repeating: 0, count: (self.count + 63) / 64)
    }

    func isTaken(_ slot: Int) -> Bool { words[slot >> 6] & (1 << UInt64(slot & 63)) != 0 }

    /// False where it is taken already.
    mutating func take(_ slot: Int) -> Bool {
        guard !isTaken(slot) else { return false }
        words[slot >> 6] |= 1 << UInt64(slot & 63)
        takenCount += 1
        return true
    }

    mutating func release(_ slot: Int) {
        guard isTaken(slot) else { return }
        words[slot >> 6] &= ~(1 << UInt64(slot & 63))
        takenCount -= 1
    }

    /// Takes any free slot; nil when there is none.
    mutating func takeAny(using random: inout some RandomNumberGenerator) -> Int? {
        for band in [staticCount..<count, 0..<staticCount] where !band.isEmpty {
            let start = Int.random(in: band, using: &random)
            if let slot = firstFree(start..<band.upperBound) ?? firstFree(band.lowerBound..<start) {
                _ = take(slot)
                return slot
            }
        }
        return nil
    }

    private func firstFree(_ range: Range<Int>) -> Int? {
        var slot = range.lowerBound
        while slot < range.upperBound {
            let free = ~words[slot >> 6] >> UInt64(slot & 63)
            if free != 0 {
                let found = slot + free.trailingZeroBitCount
                return found < range.upperBound ? found : nil
            }
            slot = (slot >> 6 + 1) << 6
        }
        return nil
    }
}
