import KubeAPI
import Testing

@testable import ProxyDataPath

@Suite struct ForwarderTablesTests {
    @Test func aSlabGivesFreedPlacesAgainWithAnotherGeneration() {
        var slab = Slab<Int>()
        let indices = (0..<1_000).map { slab.insert($0) }
        #expect(Set(indices).count == 1_000)
        #expect(indices.allSatisfy { slab[$0] == $0 })
        let generation = slab.generation(500)
        slab.remove(500)
        #expect(slab.generation(500) != generation)
        #expect(slab.count == 999)
        #expect(slab.insert(7) == 500)
        #expect(slab[500] == 7)
        #expect(slab[499] == 499)
        #expect(slab.generation(5_000) == 0)
    }

    private func place(_ number: Int) -> SocketAddress {
        SocketAddress(address: UInt32(number), port: 80)
    }

    @Test func aServiceChoosesAmongItsBackends() {
        var service = ForwarderService()
        #expect(service.choose(for: 1, at: 0) == nil)
        service.backends = [place(1), place(2), place(3)]
        let chosen = Set((0..<200).compactMap { service.choose(for: UInt32($0), at: 0) })
        #expect(chosen == Set(service.backends))
        #expect((0..<50).allSatisfy { service.choose(for: $0, at: 0, besides: place(2)) != place(2) })
        service.backends = [place(2)]
        #expect(service.choose(for: 1, at: 0, besides: place(2)) == place(2))
    }

    @Test func affinityKeepsAClientWithItsBackend() throws {
        var service = ForwarderService()
        service.backends = (1...50).map(place)
        service.affinityNanos = 100
        let given = service.choose(for: 1, at: 0)
        let first = try #require(given)
        #expect((1...20).allSatisfy { service.choose(for: 1, at: UInt64($0 * 99)) == first })
        // Others come and go.
        service.backends = service.backends.filter { $0 == first || $0.address % 2 == 0 }
        #expect(service.choose(for: 1, at: 2_000) == first)
        // Its own goes.
        service.backends = service.backends.filter { $0 != first }
        let next = service.choose(for: 1, at: 2_010)
        let second = try #require(next)
        #expect(second != first)
        service.backends.append(first)
        #expect(service.choose(for: 1, at: 2_020) == second)
        // It could not be reached.
        #expect(service.choose(for: 1, at: 2_030, besides: second) != second)
        // Its time is over: sooner or later another is chosen.
        #expect((1...200).contains { service.choose(for: 1, at: 10_000 * UInt64($0)) != second })
    }

    @Test func sessionsAreKeptInTheOrderOfTheirLastUse() throws {
        var sessions = UDPSessions()
        func add(_ client: Int, at time: UInt64) -> Int {
            sessions.insert(
                UDPSession(
                    socket: Int32(client), listener: 1, service: 1, client: place(client), backend: place(9), last: time
                ))
        }
        let (a, b, c) = (add(1, at: 1), add(2, at: 2), add(3, at: 3))
        #expect(sessions.oldestIndex == a)
        sessions.touch(a, at: 4)
        #expect(sessions.oldestIndex == b)
        #expect(sessions.oldest == 2)
        sessions.touch(a, at: 5)
        sessions.remove(b)
        #expect(sessions.oldestIndex == c)
        #expect(sessions.find(place(2), listener: 1) == nil)
        #expect(sessions.find(place(1), listener: 1) == a)
        #expect(sessions.find(place(1), listener: 2) == nil)
        var closed: [Int32] = []
        sessions.removeAll { closed.append($0) }
        #expect(closed == [3, 1])
        #expect(sessions.count == 0)
        #expect(sessions.oldest == nil)
    }

    @Test func histogramsCountEachSyncOnce() {
        let metrics = ProxyMetrics()
        metrics.count(.microseconds(100), isFailure: false)
        metrics.count(.milliseconds(3), isFailure: true)
        metrics.count(.seconds(1000), isFailure: false)
        let syncs = metrics.syncs
        #expect(syncs.count == 3)
        #expect(syncs.failures == 1)
        #expect(syncs.buckets[0] == 1)
        #expect(syncs.buckets[2] == 1)
        #expect(syncs.buckets[ProxyMetrics.bounds.count] == 1)
        #expect(syncs.lastSeconds == 1000)
    }
}
