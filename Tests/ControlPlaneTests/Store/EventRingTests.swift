import Testing

@testable import ControlPlane

@Suite struct EventRingTests {
    private func event(_ revision: Int64, time: Int64 = 0, bytes: Int = 10) -> CacheEvent {
        CacheEvent(
            kind: .modified,
            object: StoredObject(
                key: "a", revision: revision, bytes: [UInt8](repeating: 0x20, count: bytes), facts: .none),
            previous: nil, time: time)
    }

    private func revisions(_ ring: EventRing, after revision: Int64, limit: Int = 100) -> [Int64]? {
        ring.events(after: revision, limit: limit)?.map(\.revision)
    }

    @Test func givesWhatCameAfterARevision() {
        var ring = EventRing(floor: 10)
        for revision: Int64 in [12, 15, 16, 20] { ring.append(event(revision)) }
        #expect(revisions(ring, after: 10) == [12, 15, 16, 20])
        #expect(revisions(ring, after: 13) == [15, 16, 20])
        #expect(revisions(ring, after: 15, limit: 1) == [16])
        #expect(revisions(ring, after: 20) == [])
        // Of what was before its beginning it knows nothing.
        #expect(revisions(ring, after: 9) == nil)
        #expect(ring.reversed(downTo: 15).map(\.revision) == [20, 16])
    }

    @Test func forgetsByAge() {
        var ring = EventRing(floor: 0)
        for revision: Int64 in 1...5 { ring.append(event(revision, time: revision * 100)) }
        ring.trim(before: 300)
        #expect(ring.floor == 2)
        #expect(revisions(ring, after: 1) == nil)
        #expect(revisions(ring, after: 2) == [3, 4, 5])
    }

    @Test func isBoundedInNumber() {
        var ring = EventRing(floor: 0)
        for revision in 1...Int64(EventRing.maxEvents + 7) { ring.append(event(revision)) }
        #expect(ring.count == EventRing.maxEvents)
        #expect(ring.floor == 7)
    }

    @Test func isBoundedInBytes() {
        var ring = EventRing(floor: 0)
        let size = EventRing.maxBytes / 4
        for revision: Int64 in 1...6 { ring.append(event(revision, bytes: size)) }
        #expect(ring.count == 4)
        #expect(revisions(ring, after: 2) == [3, 4, 5, 6])
    }
}
