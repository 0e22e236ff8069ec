import Testing

@testable import ProxyDataPath

@Suite struct SlotAssignmentTests {
    @Test func fillsSlotsInOrderAtFirst() {
        #expect(SlotAssignment.assign([], backends(1...3)) == backends(1...3))
    }

    @Test func appendsWhatComesNew() {
        #expect(SlotAssignment.assign(backends([7, 8]), backends([1, 7, 8])) == backends([7, 8, 1]))
    }

    @Test func movesTheLastIntoTheGap() {
        #expect(SlotAssignment.assign(backends(1...4), backends([1, 3, 4])) == backends([1, 4, 3]))
        #expect(SlotAssignment.assign(backends(1...4), backends([1, 2, 3])) == backends([1, 2, 3]))
        #expect(SlotAssignment.assign(backends(1...5), backends([4, 5])) == backends([5, 4]))
    }

    @Test func putsNewOnesIntoGaps() {
        #expect(SlotAssignment.assign(backends(1...3), backends([1, 3, 9])) == backends([1, 9, 3]))
    }

    @Test func endsWithNone() {
        #expect(SlotAssignment.assign(backends(1...3), []).isEmpty)
        #expect(SlotAssignment.assign([], []).isEmpty)
    }

    @Test func repairsHolesAndRepetitions() {
        let spoiled: [Backend?] = [nil, backend("10.244.0.2"), backend("10.244.0.2"), nil, backend("10.244.0.1"), nil]
        #expect(SlotAssignment.assign(spoiled, backends([1, 2])) == backends([1, 2]))
    }

    @Test func keepsTheSetAndMovesNoMoreThanItMust() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let old = Array(1...9).shuffled(using: &random).prefix(Int.random(in: 0...9, using: &random))
            let new = Array(1...9).shuffled(using: &random).prefix(Int.random(in: 0...9, using: &random)).sorted()
            let slots = backends(old)
            let result = SlotAssignment.assign(slots, backends(new))
            #expect(result.sorted() == backends(new), "seed \(seed)")
            let kept = Set(slots).intersection(result)
            // Whoever stays moves only out of a slot that is no more.
            for (slot, backend) in slots.enumerated() where kept.contains(backend) && slot < result.count {
                #expect(result[slot] == backend, "seed \(seed)")
            }
        }
    }
}
