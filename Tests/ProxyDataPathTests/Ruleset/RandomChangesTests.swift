import Glibc
import Kernel
import KubeAPI
import Logging
import Synchronization
import Testing

@testable import ProxyDataPath

/// Whatever happens in whatever order, the table ends as if it had been made from nothing, and never between two
/// transactions does a service lead nowhere.
@Suite struct RandomChangesTests {
    private struct World {
        var random: SeededGenerator
        var services: [String: [ServicePortState]] = [:]

        mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

        mutating func change() -> ServiceChange {
            let service = "ns/s\(number(0..<12))"
            if number(0..<6) == 0 {
                services[service] = nil
                return removal(service)
            }
            let ports = (0..<number(1..<3)).map { index in port(service, index) }
            services[service] = ports
            return ServiceChange(service: service, ports: ports)
        }

        mutating func port(_ service: String, _ index: Int) -> ServicePortState {
            let proto = [TransportProtocol.tcp, .udp, .sctp][number(0..<3)]
            let name = ServicePortName(service: service, port: "p\(index)", proto: proto)
            var fronts: [Front] = []
            for _ in 0..<number(0..<4) {
                // Few of each, so that services get into each other's way.
                let place: Front.Place =
                    switch number(0..<4) {
                    case 0: .nodePort(UInt16(30000 + number(0..<5)))
                    case 1: .hostPort(UInt16(80 + number(0..<3)))
                    default: .address(IPAddress(ipv4: 0x0a60_0000 + UInt32(number(0..<15))), UInt16(80 + number(0..<2)))
                    }
                let ranges = ["10.0.0.0/8", "192.0.2.0/24", "192.0.2.7/32"].compactMap { CIDR($0) }
                let front = Front(
                    place, proto, isExternal: number(0..<2) == 0, isLocal: number(0..<3) == 0,
                    masquerades: number(0..<2) == 0,
                    sources: number(0..<3) == 0 ? Array(ranges.prefix(number(0..<4))) : nil)
                if !fronts.contains(where: { $0.key == front.key }) { fronts.append(front) }
            }
            let addresses = Array(1...12).shuffled(using: &random).prefix([0, 1, 2, 3, 5, 9][number(0..<6)]).sorted()
            return ServicePortState(
                name: name, fronts: fronts, backends: backends(addresses),
                localBackends: backends(addresses.filter { $0 < 4 }), hasEndpoints: !addresses.isEmpty,
                localAddresses: addresses.filter { $0 < 4 }.map { address("10.244.0.\($0)") },
                affinitySeconds: [nil, nil, 60, 10800][number(0..<4)])
        }

        var all: [ServiceChange] {
            services.keys.sorted().map { ServiceChange(service: $0, ports: services[$0] ?? []) }
        }
    }

    private static func makeProxy(_ kernel: FakeNftKernel, chunkLimit: Int) -> NftablesProxy {
        var log = Logger(label: "test")
        log.logLevel = .critical
        return NftablesProxy(
            kernel: kernel, conntrack: nil, ruleset: testRuleset(), nodeAddresses: testNodeAddresses, log: log,
            chunkLimit: chunkLimit)
    }

    @Test(arguments: 0..<15)
    func endAsIfMadeFromNothing(_ run: Int) throws {
        let seed = UInt64.random(in: .min ... .max)
        let failure = "seed \(seed)"
        let broken = Mutex<[String]>([])
        let kernel = FakeNftKernel { table in
            guard let table, table.chains["prerouting"] != nil else { return }
            let resolved = ResolvedServices(table, .standard)
            if !resolved.broken.isEmpty { broken.withLock { $0 += resolved.broken } }
        }
        var world = World(random: SeededGenerator(seed: seed))
        let chunkLimit = [3, 20, 8_000][world.number(0..<3)]
        var proxy = Self.makeProxy(kernel, chunkLimit: chunkLimit)
        var hasStarted = false
        for _ in 0..<60 {
            let changes = (0..<world.number(1..<5)).map { _ in world.change() }
            switch world.number(0..<12) {
            case 0:  // killed and started again
                proxy = Self.makeProxy(kernel, chunkLimit: chunkLimit)
                hasStarted = false
            case 1: kernel.failNext(EAGAIN)
            case 2 where hasStarted: kernel.spoil { $0 = nil }
            default: break
            }
            do {
                if hasStarted { try proxy.apply(changes) } else { try proxy.start(world.all) }
                hasStarted = true
            } catch {
                hasStarted = true
                // A second failure may still be waiting for its turn.
                do { try proxy.apply([]) } catch { try proxy.apply([]) }
            }
        }
        if kernel.table == nil {
            // Flushed by somebody, and nothing has changed since: nobody has noticed.
            proxy = Self.makeProxy(kernel, chunkLimit: chunkLimit)
            do { try proxy.start(world.all) } catch { try proxy.apply([]) }
        }
        do { try proxy.apply([]) } catch { try proxy.apply([]) }
        #expect(broken.withLock { $0 } == [], "\(failure)")

        let fresh = FakeNftKernel()
        try Self.makeProxy(fresh, chunkLimit: 8_000).start(world.all)
        let ours = ResolvedServices(try #require(kernel.table), .standard)
        let theirs = ResolvedServices(try #require(fresh.table), .standard)
        #expect(ours.targets == theirs.targets, "\(failure)")
        #expect(ours.elementCounts == theirs.elementCounts, "\(failure)")
        #expect(ours.hairpins == theirs.hairpins, "\(failure)")
        #expect(ours.guards == theirs.guards, "\(failure)")
        #expect(ours.chains.keys.sorted() == theirs.chains.keys.sorted(), "\(failure)")
        #expect(ours.chains == theirs.chains, "\(failure)")
        // And what is left in memory is what is there: a restart has nothing to do.
        _ = kernel.takeTransactions()
        try Self.makeProxy(kernel, chunkLimit: 8_000).start(world.all)
        #expect(kernel.takeTransactions().map(\.text) == [], "\(failure)")
    }

    /// Killed between any two transactions of a load or of a great change, it leaves no service that leads nowhere, and
    /// the next run makes it whole.
    @Test func killedAtAnyStepItLeavesNoHalfService() throws {
        let seed = UInt64.random(in: .min ... .max)
        var world = World(random: SeededGenerator(seed: seed))
        for _ in 0..<60 { _ = world.change() }
        let before = world.all
        for _ in 0..<40 { _ = world.change() }
        let after = world.all
        var step = 0
        var hasFinished = false
        while !hasFinished {
            let broken = Mutex<[String]>([])
            let kernel = FakeNftKernel { table in
                guard let table, table.chains["prerouting"] != nil else { return }
                broken.withLock { $0 += ResolvedServices(table, .standard).broken }
            }
            let first = Self.makeProxy(kernel, chunkLimit: 7)
            kernel.kill(after: step)
            // It dies in the load, or in the change after it.
            do {
                try first.start(before)
                let gone = Set(before.map(\.service)).subtracting(after.map(\.service))
                try first.apply(after + gone.sorted().map { removal($0) })
                hasFinished = true
            } catch {
                #expect(error.code == EINTR)
            }
            kernel.revive()
            try Self.makeProxy(kernel, chunkLimit: 7).start(after)
            #expect(broken.withLock { $0 } == [], "seed \(seed), step \(step)")
            let fresh = FakeNftKernel()
            try Self.makeProxy(fresh, chunkLimit: 8_000).start(after)
            let ours = ResolvedServices(try #require(kernel.table), .standard)
            let theirs = ResolvedServices(try #require(fresh.table), .standard)
            #expect(ours.targets == theirs.targets, "seed \(seed), step \(step)")
            #expect(ours.elementCounts == theirs.elementCounts, "seed \(seed), step \(step)")
            step += 1
        }
        #expect(step > 10)
    }
}
