import Glibc
import KubeAPI
import Logging
import Testing

@testable import ProxyDataPath

/// The table of IPv6: what that of IPv4 is, with wider addresses.
@Suite struct DualStackRulesetTests {
    private func ruleset() throws -> Ruleset {
        Ruleset(
            table: "swiftlet-test", clusterRange: try #require(CIDR("fd00:10:244::/56")),
            serviceRange: try #require(CIDR("fd00:10:96::/112")), nodeAddress: address("2001:db8::2"),
            layout: .standard)
    }
    private func sixth(_ service: String) -> ServicePortName {
        ServicePortName(service: service, port: "", proto: .tcp, family: .ipv6)
    }
    private func service(
        _ service: String, _ text: String, _ backends: [Backend], also fronts: [Front] = [],
        affinitySeconds: Int? = nil
    ) -> ServiceChange {
        ServiceChange(
            service: service,
            ports: [
                ServicePortState(
                    name: sixth(service), fronts: [front(text)] + fronts, backends: backends,
                    hasEndpoints: !backends.isEmpty, localAddresses: backends.map(\.address),
                    affinitySeconds: affinitySeconds)
            ])
    }
    private func proxy(_ kernel: FakeNftKernel) throws -> NftablesProxy {
        NftablesProxy(
            kernel: kernel, conntrack: nil, ruleset: try ruleset(),
            nodeAddresses: NftablesProxy.elements([address("2001:db8::2")]), log: Logger(label: "test"))
    }

    @Test func theTablesHaveOneShape() throws {
        let words = [
            ("ip6 ", "ip "), ("fd00:10:244::/56", "10.244.0.0/16"), ("fd00:10:96::/112", "10.96.0.0/16"),
            ("2001:db8::2", "192.0.2.2"), ("::1", "127.0.0.0/8"),
        ]
        func translated(_ text: String) -> String { words.reduce(text) { $0.replacing($1.0, with: $1.1) } }
        let (four, six) = (testRuleset(), try ruleset())
        #expect(four.chains.map(\.name) == six.chains.map(\.name))
        for (left, right) in zip(four.chains, six.chains) where left.name != "guard" {
            #expect(left.rules.map(\.text) == right.rules.map { translated($0.text) })
            #expect(left.hook == right.hook)
        }
        #expect(six.chains.first { $0.name == "guard" }?.rules.count == 129)
        #expect(four.sets.all.map(\.declaration) == six.sets.all.map { translated($0.declaration) })
    }

    @Test func aServiceIsElementsWithWideAddresses() throws {
        let kernel = FakeNftKernel()
        let proxy = try proxy(kernel)
        try proxy.start([])
        _ = kernel.takeTransactions()
        try proxy.apply([
            service(
                "default/web", "fd00:10:96::10", [backend("fd00:10:244::5"), backend("fd00:10:244::6")],
                also: [
                    Front(
                        .address(address("2001:db8:cb::1"), 80), .tcp, isExternal: true,
                        sources: CIDR("2001:db8:1::/64").map { [$0] })
                ])
        ])
        let text = kernel.takeTransactions().map(\.text).joined()
        for line in [
            "add element ip6 swiftlet-test services { fd00:10:96::10 . tcp . 80 : 0x00006002 }",
            "add element ip6 swiftlet-test backends { 0x00004000 . 0 : fd00:10:244::5 . 8080, "
                + "0x00004000 . 1 : fd00:10:244::6 . 8080 }",
            "add element ip6 swiftlet-test allowed { 2001:db8:1:: . 0x00004040 }",
            "add element ip6 swiftlet-test guarded { 2001:db8:cb::1 . tcp . 80 }",
            "add element ip6 swiftlet-test hairpin { fd00:10:244::5 . fd00:10:244::5, fd00:10:244::6 . fd00:10:244::6 }",
            "dnat ip6 to (ct mark & 0xffffc000) . numgen random mod 2 map @backends",
        ] { #expect(text.contains(line), "\(line)") }
    }

    @Test func aRestartChangesNothing() throws {
        let kernel = FakeNftKernel()
        let services = [
            service("default/web", "fd00:10:96::10", [backend("fd00:10:244::5"), backend("fd00:10:244::6")]),
            service("default/kept", "fd00:10:96::11", [backend("fd00:10:244::7")], affinitySeconds: 60),
        ]
        try proxy(kernel).start(services)
        _ = kernel.takeTransactions()
        try proxy(kernel).start(services)
        #expect(kernel.takeTransactions().map(\.text).joined() == "")
    }

    @Test func addressesStandInFourWords() {
        let address = address("fd00:10:244::abcd")
        let words = NftWords(address, 7, 9)
        #expect(words.address(.ipv6) == address && words[4] == 7 && words[5] == 9)
        #expect(words[0] == UInt32(0xfd00_0010).bigEndian && words[3] == UInt32(0xabcd).bigEndian)
        #expect(NftSet(.services, .ipv6).keyByteCount == 24 && NftSet(.hairpin, .ipv6).keyByteCount == 32)
        #expect(NftSet(.backends, .ipv6).dataByteCount == 20 && NftSet(.nodeAddresses, .ipv6).keyByteCount == 16)
    }

    @Test func whatFailsInOneFamilyDoesNotKeepTheOther() throws {
        let (broken, whole) = (FakeNftKernel(), FakeNftKernel())
        let four = NftablesProxy(
            kernel: broken, conntrack: nil, ruleset: testRuleset(), nodeAddresses: testNodeAddresses,
            log: Logger(label: "test"))
        let carrier = DualCarrier(parts: [four, try proxy(whole)])
        broken.failNext(EIO)
        let both = ServiceChange(
            service: "default/web",
            ports: change("default/web", at: "10.96.0.10", backends([5])).ports
                + service("default/web", "fd00:10:96::10", [backend("fd00:10:244::5")]).ports)
        #expect(throws: (any Error).self) { try carrier.start([both]) }
        #expect(whole.takeTransactions().map(\.text).joined().contains("fd00:10:96::10 . tcp . 80"))
        try carrier.apply([])
        #expect(broken.takeTransactions().map(\.text).joined().contains("10.96.0.10 . tcp . 80"))
        #expect(carrier.programmed("default/web").map(\.name.family) == [.ipv4, .ipv6])
    }
}
