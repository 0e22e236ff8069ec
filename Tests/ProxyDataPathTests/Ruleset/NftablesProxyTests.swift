import Glibc
import Kernel
import KubeAPI
import Logging
import Testing

@testable import ProxyDataPath

@Suite struct NftablesProxyTests {
    private func makeProxy(_ kernel: FakeNftKernel, _ ruleset: Ruleset = testRuleset()) -> NftablesProxy {
        var log = Logger(label: "test")
        log.logLevel = .critical
        return NftablesProxy(
            kernel: kernel, conntrack: nil, ruleset: ruleset, nodeAddresses: testNodeAddresses, log: log)
    }
    private let services = [
        change("default/web", at: "10.96.0.10", backends(5...7), local: [address("10.244.0.5")]),
        change("default/dns", at: "10.96.0.11", backends(5...6), proto: .udp),
        change("default/sticky", at: "10.96.0.12", backends(5...7), affinitySeconds: 60),
        change("default/none", at: "10.96.0.13", []),
    ]
    private func resolved(_ kernel: FakeNftKernel) throws -> ResolvedServices {
        ResolvedServices(try #require(kernel.table), .standard)
    }

    @Test func aRestartChangesNothing() throws {
        let kernel = FakeNftKernel()
        let first = makeProxy(kernel)
        try first.start(services)
        try first.apply([change("default/web", at: "10.96.0.10", backends([6, 7, 9, 5]))])
        try first.apply([change("default/web", at: "10.96.0.10", backends([9, 7, 5]))])
        try first.apply([change("default/sticky", at: "10.96.0.12", backends([7, 8]), affinitySeconds: 60)])
        _ = kernel.takeTransactions()
        try makeProxy(kernel).start([
            services[3], change("default/sticky", at: "10.96.0.12", backends([7, 8]), affinitySeconds: 60), services[1],
            change("default/web", at: "10.96.0.10", backends([9, 7, 5])),
        ])
        #expect(kernel.takeTransactions().map(\.text) == [])
    }

    @Test func aRestartTakesInWhatHappenedMeanwhile() throws {
        let kernel = FakeNftKernel()
        try makeProxy(kernel).start(services)
        _ = kernel.takeTransactions()
        let changed = [
            change("default/web", at: "10.96.0.10", backends(6...7)), services[1], services[2],
            change("default/new", at: "10.96.0.14", backends([1])),
        ]
        try makeProxy(kernel).start(changed)
        #expect(!kernel.takeTransactions().isEmpty)
        let other = FakeNftKernel()
        try makeProxy(other).start(changed)
        #expect(try resolved(kernel).targets == resolved(other).targets)
        #expect(try resolved(kernel).elementCounts == resolved(other).elementCounts)
    }

    @Test func whatSomebodyChangedByHandIsPutRight() throws {
        let kernel = FakeNftKernel()
        try makeProxy(kernel).start(services)
        let before = try resolved(kernel)
        kernel.spoil { table in
            table?.chains["svc"]?.rules = []
            table?.chains["strange"] = .init(hook: nil, rules: [NftRule(.go("refuse"))])
            table?.strangeSets = ["blocklist"]
            table?.sets["services"]?.elements[front("10.96.9.9").words] = NftWords(5)
            table?.sets["services"]?.elements[front("10.96.0.10").words] = nil
            table?.sets["backends"]?.elements[NftWords(0x4000, 0)] = NftWords(1, 2)
            table?.sets["hairpin"]?.elements = [:]
        }
        try makeProxy(kernel).start(services)
        let after = try resolved(kernel)
        #expect(after.targets == before.targets)
        #expect(after.elementCounts == before.elementCounts)
        #expect(after.hairpins == before.hairpins)
        #expect(after.chains == before.chains)
        #expect(kernel.table?.strangeSets.isEmpty == true)
    }

    @Test func aTableOfAnotherMakeIsReplacedInOneStep() throws {
        let kernel = FakeNftKernel()
        kernel.spoil { table in
            table = .init()
            table?.chains["prerouting"] = .init(hook: .init(kind: .filter, point: .output, priority: 0))
        }
        try makeProxy(kernel).start(services)
        #expect(kernel.takeTransactions().count == 1)
        #expect(try resolved(kernel).broken.isEmpty)

        kernel.spoil { table in
            table?.sets["services"] = nil
            table?.strangeSets = ["services"]
        }
        try makeProxy(kernel).start(services)
        #expect(kernel.takeTransactions().count == 1)
        #expect(try resolved(kernel).targets.count == 4)
    }

    @Test func aFailedChangeIsMadeUpFor() throws {
        let kernel = FakeNftKernel()
        let proxy = makeProxy(kernel)
        kernel.failNext(ENOMEM)
        #expect(throws: KernelError.self) { try proxy.start(services) }
        try proxy.apply([])
        #expect(try resolved(kernel).targets.count == 4)
        kernel.failNext(ENOBUFS)
        #expect(throws: KernelError.self) {
            try proxy.apply([change("default/web", at: "10.96.0.10", backends([9]))])
        }
        try proxy.apply([])
        #expect(try resolved(kernel).targets["services 10.96.0.10 . tcp . 80 "]?.backends == backends([9]))
        // Somebody has flushed all rules: the next change finds out.
        kernel.spoil { $0 = nil }
        #expect(throws: KernelError.self) { try proxy.apply([removal("default/web")]) }
        try proxy.apply([])
        #expect(try resolved(kernel).targets.count == 3)
    }

    @Test func aSetThatFillsUpIsReplacedByALargerOne() throws {
        let kernel = FakeNftKernel()
        let proxy = makeProxy(kernel)
        func many(_ ports: Range<UInt16>) -> [ServiceChange] {
            ports.map { port in
                let name = ServicePortName(service: "hostport:ns/p\(port)", port: "", proto: .tcp)
                let front = Front(.hostPort(port), .tcp, isExternal: false)
                return ServiceChange(
                    service: name.service,
                    ports: [ServicePortState(name: name, fronts: [front], backends: backends([1]))])
            }
        }
        try proxy.start(many(1..<3_800))
        #expect(try #require(kernel.table).live(.hostports)?.set.size == 4_096)
        try proxy.apply(many(3_800..<3_900))
        let table = try #require(kernel.table)
        #expect(table.sets["hostports"] == nil)
        #expect(table.live(.hostports)?.set.name == "hostports-8192")
        #expect(table.live(.hostports)?.elements.count == 3_899)
        #expect(ResolvedServices(table, .standard).broken.isEmpty)
        // The larger set is found again.
        _ = kernel.takeTransactions()
        try makeProxy(kernel).start(many(1..<3_900))
        #expect(kernel.takeTransactions().isEmpty)
    }

    @Test func aHalfFilledLargerSetOfAnInterruptedRunGoes() throws {
        let kernel = FakeNftKernel()
        try makeProxy(kernel).start(services)
        kernel.spoil { table in
            let larger = NftSet(.services, size: 40_000)
            table?.sets[larger.name] = .init(set: larger, elements: [front("10.96.0.10").words: NftWords(1)])
        }
        try makeProxy(kernel).start(services)
        #expect(try #require(kernel.table).sets["services-40000"] == nil)
        #expect(try resolved(kernel).targets.count == 4)
    }

    @Test func modesFollowEachOther() throws {
        let kernel = FakeNftKernel()
        try makeProxy(kernel).start(services)
        let before = try resolved(kernel)
        try makeProxy(kernel, testRuleset(carriesServices: false)).start([])
        #expect(kernel.table?.sets.isEmpty == true)
        #expect(kernel.table?.chains.keys.sorted() == ["postrouting", "raw"])
        try makeProxy(kernel).start(services)
        #expect(try resolved(kernel).targets == before.targets)
    }

    @Test func anAddressBelongsToOneServiceUntilItGoes() throws {
        let kernel = FakeNftKernel()
        let proxy = makeProxy(kernel)
        let first = change("a/one", at: "203.0.113.5", backends([1]))
        let second = change("b/two", at: "203.0.113.5", backends([2]))
        try proxy.start([second])
        #expect(proxy.takeProblems().isEmpty)
        try proxy.apply([first])
        #expect(proxy.takeProblems() == ["b/two: 203.0.113.5:80/tcp belongs to a/one"])
        #expect(try resolved(kernel).targets.values.map(\.backends) == [backends([1])])
        try proxy.apply([removal("a/one")])
        #expect(try resolved(kernel).targets.values.map(\.backends) == [backends([2])])
        #expect(proxy.takeProblems().isEmpty)
    }

    @Test func moreEndpointsThanTheMarkCanCountAreLeftOutAndTold() throws {
        let kernel = FakeNftKernel()
        let proxy = makeProxy(kernel)
        let many = (0..<4_100).map { Backend(address: IPAddress(ipv4: 0x0af4_0000 + UInt32($0)), port: 80) }
        try proxy.start([change("default/web", at: "10.96.0.10", many)])
        #expect(proxy.takeProblems() == ["default/web: 4100 endpoints: the first 4095 serve"])
        #expect(try resolved(kernel).targets.values.first?.backends.count == 4_095)
    }

    @Test func addressesOfTheOtherFamilyWaitForTheirOwnTable() throws {
        let kernel = FakeNftKernel()
        try makeProxy(kernel).start([
            change(
                "default/web", at: "10.96.0.10", backends([5]) + [backend("fd00::5")], also: [front("fd00:96::10")],
                local: [address("fd00::5")])
        ])
        #expect(
            try resolved(kernel).targets.mapValues(\.backends) == ["services 10.96.0.10 . tcp . 80 ": backends([5])])
        #expect(try resolved(kernel).hairpins.isEmpty)
    }

    @Test func aFreedIdComesAgainLate() throws {
        let kernel = FakeNftKernel()
        let proxy = makeProxy(kernel)
        try proxy.start([change("default/a", at: "10.96.0.10", backends([1]))])
        let first = try resolved(kernel).ids.values.first
        try proxy.apply([removal("default/a")])
        try proxy.apply([change("default/b", at: "10.96.0.11", backends([1]))])
        #expect(try resolved(kernel).ids.values.first != first)
    }

    @Test func nodePortsFollowTheNodesAddresses() throws {
        let kernel = FakeNftKernel()
        let proxy = makeProxy(kernel)
        try proxy.start(services)
        _ = kernel.takeTransactions()
        proxy.setNodePortAddresses([address("192.0.2.2"), address("198.51.100.9"), address("fd00::2")])
        try proxy.apply([])
        #expect(
            kernel.takeTransactions().map(\.text)
                == ["add element ip swiftlet-test node_addresses { 198.51.100.9 }\n"])
        proxy.setNodePortAddresses([address("198.51.100.9")])
        try proxy.apply([])
        #expect(
            kernel.takeTransactions().map(\.text) == ["delete element ip swiftlet-test node_addresses { 192.0.2.2 }\n"])
        try proxy.apply([])
        #expect(kernel.takeTransactions().isEmpty)
        // A failure is made up for with the newest addresses.
        proxy.setNodePortAddresses([address("192.0.2.2")])
        kernel.failNext(ENOBUFS)
        #expect(throws: KernelError.self) { try proxy.apply([]) }
        proxy.setNodePortAddresses([address("203.0.113.1")])
        try proxy.apply([])
        #expect(
            kernel.table?.live(.nodeAddresses)?.elements.keys.map { $0 }
                == [NftWords(NftWords.word(address("203.0.113.1")))])
    }

    @Test func anotherRangeOfPodsChangesOneRuleOnly() throws {
        let kernel = FakeNftKernel()
        let proxy = makeProxy(kernel)
        try proxy.start(services)
        _ = kernel.takeTransactions()
        proxy.setPodRange(CIDR("10.244.4.0/22"))
        try proxy.apply([])
        let texts = kernel.takeTransactions().map(\.text)
        #expect(texts.count == 1)
        #expect(texts.first?.contains("ip saddr != 10.244.4.0/22") == true)
        #expect(texts.first?.contains("element") == false)
        proxy.setPodRange(CIDR("10.244.4.0/22"))
        try proxy.apply([])
        #expect(kernel.takeTransactions().isEmpty)
    }

    /// With the ids and slots that it had: connections carry them.
    @Test func whatSomebodyDeletedIsRestoredWithoutAChange() throws {
        let kernel = FakeNftKernel()
        let proxy = makeProxy(kernel)
        try proxy.start(services)
        let before = try resolved(kernel)
        kernel.spoil { $0 = nil }
        proxy.distrust()
        try proxy.apply([])
        #expect(try resolved(kernel) == before)
        kernel.spoil { $0?.sets["services"]?.elements = [:] }
        proxy.distrust()
        try proxy.apply([])
        #expect(try resolved(kernel) == before)
        // All is well: looking costs no transaction.
        _ = kernel.takeTransactions()
        proxy.distrust()
        try proxy.apply([])
        #expect(kernel.takeTransactions().isEmpty)
    }

    @Test func saysWhatIsProgrammed() throws {
        let proxy = makeProxy(FakeNftKernel())
        try proxy.start(services)
        let all = proxy.programmed(nil).sorted { $0.name < $1.name }
        #expect(all.map(\.name.service) == ["default/dns", "default/none", "default/sticky", "default/web"])
        #expect(all.last?.backends == backends(5...7))
        #expect(proxy.programmed("default/dns").map(\.name.proto) == [.udp])
        #expect(proxy.elementCounts.first { $0.set == "backends" }?.count == 5)
        #expect(proxy.ruleCount > 60)
    }
}
