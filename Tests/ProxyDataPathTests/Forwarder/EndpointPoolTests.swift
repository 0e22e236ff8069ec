import KubeAPI
import Testing

@testable import ProxyDataPath

@Suite struct EndpointPoolTests {
    private func place(_ number: Int) -> SocketAddress { SocketAddress(IPAddress(ipv4: UInt32(number)), 80) }

    private func withPool(
        _ count: Int, affinitySeconds: Int32 = 0, _ body: (inout EndpointPool) throws -> Void
    ) rethrows {
        var pool = EndpointPool()
        pool.affinitySeconds = affinitySeconds
        pool.affinityKey = 1
        pool.replace((0..<count).map(place))
        defer { pool.free() }
        try body(&pool)
    }

    private func random(_ number: Int) -> UInt64 { UInt64(number) &* 0x9e37_79b9_7f4a_7c15 }

    @Test func choosesAmongAllBackends() {
        withPool(0) { #expect($0.choose(random(1), nowMs: 0) == nil) }
        withPool(3) { pool in
            let chosen = (0..<3_000).compactMap { pool.choose(random($0), nowMs: 0) }
            for index in Int32(0)..<3 {
                let count = chosen.count { $0 == index }
                #expect((800...1_200).contains(count), "\(index): \(count) of 3000")
            }
            #expect(pool.choose(.max, nowMs: 0) == 2)
            #expect(pool.choose(0, nowMs: 0) == 0)
        }
    }

    @Test func passesOverWhatCouldNotBeReached() {
        withPool(3) { pool in
            pool.avoid(1, nowMs: 1_000)
            #expect((0..<300).allSatisfy { pool.choose(random($0), nowMs: 1_100) != 1 })
            #expect((0..<300).contains { pool.choose(random($0), nowMs: 1_000 + ForwarderLimits.avoidMs) == 1 })
            #expect(pool.choose(after: 0, nowMs: 1_100) == 2)
            pool.avoid(0, nowMs: 1_000)
            pool.avoid(2, nowMs: 1_000)
            #expect(pool.choose(random(1), nowMs: 1_100) != nil, "all failed: one is tried nevertheless")
            // It is remembered while others come and go.
            pool.replace([place(1), place(7)])
            #expect((0..<300).allSatisfy { pool.choose(random($0), nowMs: 1_100) == 1 })
        }
    }

    @Test func aFailedBackendIsFollowedByAnother() {
        withPool(4) { pool in
            #expect(pool.choose(after: 3, nowMs: 0) == 0)
            #expect(pool.choose(after: 1, nowMs: 0) == 2)
            pool.replace([place(1), place(2)])
            #expect(pool.choose(after: 3, nowMs: 0) == 0, "the list has become shorter meanwhile")
            pool.replace([place(1)])
            #expect(pool.choose(after: 0, nowMs: 0) == nil)
        }
    }

    @Test func affinityKeepsAClientWithItsBackend() throws {
        let table = AffinityTable()
        try withPool(50, affinitySeconds: 100) { pool in
            func choose(_ client: Int, at time: UInt32, besides failed: Int32 = -1) -> SocketAddress? {
                table.choose(for: place(client), in: pool, nowMs: 0, nowSeconds: time, besides: failed)
                    .flatMap { pool.address($0) }
            }
            let first = try #require(choose(1, at: 0))
            #expect((1...20).allSatisfy { choose(1, at: UInt32($0 * 99)) == first })
            #expect(Set((1...200).compactMap { choose($0, at: 1_990) }).count > 20)
            // Others come and go.
            let rest = (0..<50).map(place).filter { $0 == first || $0.low % 2 == 0 }
            pool.replace(rest)
            #expect(choose(1, at: 2_000) == first)
            // Its own goes, and comes again: the client stays where it is.
            pool.replace(rest.filter { $0 != first })
            let second = try #require(choose(1, at: 2_010))
            #expect(second != first)
            pool.replace(rest)
            #expect(choose(1, at: 2_020) == second)
            // It could not be reached.
            let third = choose(1, at: 2_030, besides: pool.index(of: second) ?? -1)
            #expect(third != second)
            #expect(choose(1, at: 2_040) == third)
            table.remove(service: 1)
            #expect(table.count == 0)
        }
    }

    @Test func affinityOfAnExpiredClientGoesByItsAddress() throws {
        let table = AffinityTable()
        try withPool(50, affinitySeconds: 100) { pool in
            let first = try #require(table.choose(for: place(1), in: pool, nowMs: 0, nowSeconds: 0))
            let other = try #require(
                table.choose(for: place(1), in: pool, nowMs: 0, nowSeconds: 1, besides: first))
            #expect(other != first)
            #expect(table.choose(for: place(1), in: pool, nowMs: 0, nowSeconds: 100) == other)
            #expect(table.choose(for: place(1), in: pool, nowMs: 0, nowSeconds: 200) == first)
        }
    }

    @Test func affinityHasABound() {
        let table = AffinityTable(limit: 10)
        withPool(5, affinitySeconds: 100) { pool in
            for client in 0..<50 { _ = table.choose(for: place(client), in: pool, nowMs: 0, nowSeconds: 0) }
            #expect(table.count == 10)
            // Those whose time is over make room.
            for client in 100..<105 { _ = table.choose(for: place(client), in: pool, nowMs: 0, nowSeconds: 100) }
            #expect(table.count == 5)
        }
    }

    @Test func poolsOfOnePortShareTheirClients() throws {
        let table = AffinityTable()
        var other = EndpointPool()
        other.affinitySeconds = 100
        other.affinityKey = 1
        other.replace([place(7), place(3)])
        defer { other.free() }
        try withPool(1, affinitySeconds: 100) { pool in
            pool.replace([place(3)])
            #expect(table.choose(for: place(1), in: pool, nowMs: 0, nowSeconds: 0) == 0)
            let index = try #require(table.choose(for: place(1), in: other, nowMs: 0, nowSeconds: 1))
            #expect(other.address(index) == place(3))
        }
    }
}
