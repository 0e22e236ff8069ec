import Testing

@testable import ControlPlane

@Suite struct SlotPoolTests {
    private var random = SystemRandomNumberGenerator()

    @Test func aSlotIsTakenOnceUntilItIsReleased() {
        var pool = SlotPool(count: 100, staticCount: 16)
        let first = pool.take(64)
        let second = pool.take(64)
        #expect(first && !second)
        pool.release(64)
        let third = pool.take(64)
        #expect(third)
    }

    @Test mutating func whoTakesAnyGetsOneAboveTheStaticBandFirst() {
        var pool = SlotPool(count: 200, staticCount: 16)
        for _ in 0..<184 {
            let slot = pool.takeAny(using: &random)
            #expect((16..<200).contains(slot ?? -1))
        }
        #expect(pool.takenCount == 184)
        let below = pool.takeAny(using: &random)
        #expect((0..<16).contains(below ?? -1))
    }

    @Test(arguments: [0, 1, 63, 64, 65, 127, 1000]) mutating func everySlotIsGivenOnceAndThenNone(_ count: Int) {
        var pool = SlotPool(count: count, staticCount: count / 3)
        var seen: Set<Int> = []
        while let slot = pool.takeAny(using: &random) { #expect(seen.insert(slot).inserted) }
        #expect(seen == Set(0..<count))
        #expect(pool.takenCount == count)
    }

    @Test func releasingWhatIsFreeChangesNothing() {
        var pool = SlotPool(count: 10, staticCount: 0)
        pool.release(3)
        #expect(pool.takenCount == 0)
        #expect(!pool.isTaken(3))
    }
}
