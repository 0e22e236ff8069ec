import KubeAPI
import Testing

@testable import ProxyDataPath

@Suite struct ForwarderTablesTests {
    @Test func aSlabGivesFreedPlacesAgainWithAnotherGeneration() {
        var slab = Slab<Int>(capacity: 1_000)
        let indices = (0..<1_000).compactMap { slab.insert($0) }
        #expect(Set(indices).count == 1_000)
        var areAsWritten = true
        for index in indices where slab[index] != index || !slab.isUsed(index) { areAsWritten = false }
        #expect(areAsWritten)
        let overBound = slab.insert(1)
        #expect(overBound == nil)
        let before = slab.generation(500)
        slab.remove(500)
        let (generation, isUsed, count) = (slab.generation(500), slab.isUsed(500), slab.count)
        #expect(generation != before)
        #expect(!isUsed)
        #expect(count == 999)
        let again = slab.insert(7)
        #expect(again == 500)
        let later = slab.generation(500)
        #expect(later != before)
        let (new, neighbour, beyond) = (slab[500], slab[499], slab.generation(5_000))
        #expect((new, neighbour, beyond) == (7, 499, 0))
    }

    private func place(_ number: Int, port: UInt16 = 80) -> SocketAddress {
        SocketAddress(IPAddress(ipv4: UInt32(number)), port)
    }

    private func flow(_ client: Int, at time: UInt32, listener: Int32 = 1, pool: Int32 = 1) -> UDPFlow {
        UDPFlow(
            socket: Int32(client), listener: listener, pool: pool, client: place(client), backend: place(9),
            lastMs: time)
    }

    @Test func flowsAreKeptInTheOrderOfTheirLastUse() throws {
        var flows = UDPFlows(capacity: 3)
        let inserted = [flows.insert(flow(1, at: 1)), flows.insert(flow(2, at: 2)), flows.insert(flow(3, at: 3))]
        let indices = inserted.compactMap(\.self)
        try #require(indices.count == 3)
        let (a, b, c) = (indices[0], indices[1], indices[2])
        let (isFull, overBound) = (flows.isFull, flows.insert(flow(4, at: 4)))
        #expect(isFull)
        #expect(overBound == nil)
        var oldest = [flows.oldestIndex]
        flows.touch(a, nowMs: 4)
        oldest.append(flows.oldestIndex)
        flows.touch(a, nowMs: 5)
        flows.remove(b)
        oldest.append(flows.oldestIndex)
        #expect(oldest == [a, b, c])
        let found = [
            flows.find(place(2), listener: 1), flows.find(place(1), listener: 1), flows.find(place(1), listener: 2),
        ]
        #expect(found == [nil, a, nil])
        let latest = flows.indices { $0.lastMs == 5 }
        #expect(latest == [a])
    }

    @Test func flowsAreFoundAmongManyInFewBuckets() {
        var flows = UDPFlows(capacity: 500, seed: 0)
        for client in 0..<500 { _ = flows.insert(flow(client, at: 0, listener: Int32(client % 3))) }
        for client in stride(from: 0, to: 500, by: 2) {
            if let index = flows.find(place(client), listener: Int32(client % 3)) { flows.remove(index) }
        }
        var found: [Int] = []
        for client in 0..<500 where flows.find(place(client), listener: Int32(client % 3)) != nil {
            found.append(client)
        }
        #expect(found == Array(stride(from: 1, to: 500, by: 2)))
        let count = flows.count
        #expect(count == 250)
        let otherPort = flows.find(place(1, port: 81), listener: 1)
        #expect(otherPort == nil)
    }

    @Test func addressesGoThroughTheKernelsFormAndBack() throws {
        for text in ["10.1.2.3", "255.0.0.1", "fd00::1:2", "2001:db8:ffff::9"] {
            let address = SocketAddress(try #require(IPAddress(text)), 8080)
            let back = address.withRaw { raw, _ in
                // The call's memory is as large as a sockaddr_in6.
                SocketAddress(UnsafeRawPointer(raw))
            }
            #expect(back == address)
            #expect(back.address.description == text)
        }
        #expect(SocketAddress(try #require(IPAddress("fd00::1")), 80).text == "[fd00::1]:80")
    }

    @Test func rangesTellClientsApart() throws {
        var ranges = ClientRanges(["10.0.0.0/8", "192.0.2.7/32", "fd00::/16"].compactMap { CIDR($0) })
        defer { ranges.free() }
        func holds(_ text: String) throws -> Bool { ranges.contains(SocketAddress(try #require(IPAddress(text)), 1)) }
        #expect(try holds("10.200.3.4"))
        #expect(try holds("192.0.2.7"))
        #expect(try !holds("192.0.2.8"))
        #expect(try holds("fd00:1::"))
        #expect(try !holds("fd01::"))
        #expect(try !holds("::a00:1"), "an IPv6 address with the bits of an IPv4 one")
        var all = ClientRanges(["0.0.0.0/0"].compactMap { CIDR($0) })
        defer { all.free() }
        #expect(all.contains(place(1)))
        #expect(!ClientRanges([]).contains(place(1)))
    }

    @Test func descriptorsAndConnectionsHaveOneBound() {
        let budget = DescriptorBudget(descriptors: 5, connections: 2)
        #expect(budget.takeConnection())
        #expect(budget.take(2))
        #expect(!budget.takeConnection(), "one descriptor is left")
        budget.give(2)
        #expect(budget.takeConnection())
        #expect(!budget.takeConnection(), "two connections are the bound")
        budget.giveConnection()
        #expect(budget.freeDescriptors == 3)
    }

    @Test func refusalsAreToldOfAtOnceAndThenNowAndThen() {
        var log = RefusalLog()
        let told = [
            log.add(.limit, nowSeconds: 100), log.add(.limit, nowSeconds: 101),
            log.add(.unreachable, nowSeconds: 101), log.add(.limit, nowSeconds: 110),
        ]
        #expect(told == [1, nil, 1, 2])
    }

    @Test func countsAreSummedOverLoops() {
        var (one, two) = (ForwarderCounts(), ForwarderCounts())
        one.accepted = 3
        one.blocks = 1
        two.accepted = 4
        two.flows = 5
        let sum = one + two
        #expect((sum.accepted, sum.flows, sum.blocks, sum.bytes) == (7, 5, 1, 0))
        let counters = ForwarderCounters()
        counters.publish(&one)
        #expect(counters.counts == one)
    }

    @Test func poolNumbersComeAgainWithAnotherGeneration() throws {
        var numbers = PoolNumbers()
        let taken = [numbers.take(), numbers.take()].compactMap(\.self)
        try #require(taken.count == 2)
        let first = taken[0]
        #expect(first != taken[1])
        numbers.give(first)
        let again = numbers.take()
        let third = try #require(again)
        #expect(third != first)
        #expect(third & ForwarderLoop.poolIndexMask == first & ForwarderLoop.poolIndexMask)
        #expect(third > 0)
    }

    @Test func spinningIsGivenUpWhereItDoesNotPay() {
        var spin = AdaptiveSpin(limitNanos: 50_000)
        #expect(!spin.isWorthwhile)
        spin.slept(1_000_000)
        #expect(!spin.isWorthwhile)
        spin.slept(20_000)
        #expect(spin.isWorthwhile)
        spin.foundNothing()
        #expect(!spin.isWorthwhile)
        for _ in 0..<100 { spin.found() }
        for _ in 0..<4 {
            #expect(spin.isWorthwhile)
            spin.foundNothing()
        }
        #expect(!spin.isWorthwhile)
        var never = AdaptiveSpin(limitNanos: 0)
        never.slept(0)
        #expect(!never.isWorthwhile)
    }
}
