import KubeAPI
import Logging
import Testing

@testable import ProxyDataPath

/// The rules as `nft -f` reads them; with root, the same texts are held against what the kernel lists.
@Suite struct RulesetTextTests {
    private func run(
        _ first: [ServiceChange], then later: [ServiceChange]..., in kernel: FakeNftKernel = FakeNftKernel()
    ) throws -> String {
        let proxy = NftablesProxy(
            kernel: kernel, conntrack: nil, ruleset: testRuleset(), nodeAddresses: testNodeAddresses,
            log: Logger(label: "test"))
        try proxy.start(first)
        if later.isEmpty { return kernel.takeTransactions().map(\.text).joined(separator: "---\n") }
        for change in later.dropLast() { try proxy.apply(change) }
        _ = kernel.takeTransactions()
        try proxy.apply(later[later.count - 1])
        return kernel.takeTransactions().map(\.text).joined(separator: "---\n")
            .replacing("ip swiftlet-test ", with: "")
    }

    @Test func theTableOfOneService() throws {
        let text = try run([
            change(
                "default/web", at: "10.96.0.10", backends(5...6),
                also: [Front(.nodePort(30080), .tcp, isExternal: true)], local: [address("10.244.0.5")])
        ])
        #expect(
            text.replacing("ip swiftlet-test ", with: "").split(separator: "\n")
                .filter { $0 != "---" && !$0.contains("rule guard (ip saddr") }.joined(
                    separator: "\n")
                    == """
                    add table ip swiftlet-test
                    add map services { typeof ip daddr . meta l4proto . th dport : ct mark; size 20000; }
                    add map nodeports { typeof meta l4proto . th dport : ct mark; size 20000; }
                    add map hostports { typeof meta l4proto . th dport : ct mark; size 4096; }
                    add map outside { typeof ip daddr . meta l4proto . th dport : ct mark; size 4096; }
                    add map inside { typeof ip daddr . meta l4proto . th dport : ct mark; size 4096; }
                    add map nodeports_outside { typeof meta l4proto . th dport : ct mark; size 4096; }
                    add map nodeports_inside { typeof meta l4proto . th dport : ct mark; size 4096; }
                    add set guarded { typeof ip daddr . meta l4proto . th dport; size 4096; }
                    add set allowed { typeof ip saddr . ct mark; size 16384; }
                    add map picks { typeof ct mark : verdict; size 8192; }
                    add map backends { typeof ct mark . numgen random mod 65536 : ip daddr . th dport; size 200000; }
                    add map sticky_slots { typeof ct mark . numgen random mod 65536 : ct mark; size 20000; }
                    add map sticky_backends { typeof ct mark : ip daddr . th dport; size 20000; }
                    add map affinity { typeof ip saddr . ct mark : ct mark; size 262144; flags dynamic,timeout; }
                    add set hairpin { typeof ip saddr . ip daddr; size 20000; }
                    add set node_addresses { typeof ip daddr; size 64; }
                    add chain refuse
                    add rule refuse meta l4proto tcp reject with tcp reset
                    add rule refuse reject
                    add chain nowhere
                    add rule nowhere drop
                    add chain pick2
                    add rule pick2 meta l4proto { tcp, udp, sctp } dnat ip to (ct mark & 0xffffc000) . numgen random mod 2 map @backends
                    add chain svc
                    add rule svc (ct mark & 0x00001fff) vmap @picks
                    add rule svc meta l4proto { tcp, udp, sctp } dnat ip to (ct mark & 0xffffc000) . numgen random mod 1 map @backends
                    add rule svc drop
                    add chain guard
                    add rule guard ip saddr . (ct mark & 0xffffc000 | 0x00000020) @allowed return
                    add rule guard drop
                    add chain gate
                    add rule gate ip daddr . meta l4proto . th dport @guarded jump guard
                    add rule gate ip saddr 10.244.0.0/16 ct mark set ip daddr . meta l4proto . th dport map @inside goto svc
                    add rule gate fib saddr type local ct mark set ip daddr . meta l4proto . th dport map @inside goto svc
                    add rule gate goto svc
                    add chain nodeports_gate
                    add rule nodeports_gate ip saddr 10.244.0.0/16 ct mark set meta l4proto . th dport map @nodeports_inside goto svc
                    add rule nodeports_gate fib saddr type local ct mark set meta l4proto . th dport map @nodeports_inside goto svc
                    add rule nodeports_gate goto svc
                    add chain nodeports_in
                    add rule nodeports_in ct mark set meta l4proto . th dport map @nodeports goto svc
                    add rule nodeports_in ct mark set meta l4proto . th dport map @nodeports_outside goto nodeports_gate
                    add chain services_in
                    add rule services_in ct mark set ip daddr . meta l4proto . th dport map @services goto svc
                    add rule services_in ct mark set ip daddr . meta l4proto . th dport map @outside goto gate
                    add rule services_in ip daddr @node_addresses jump nodeports_in
                    add rule services_in ip daddr 10.96.0.0/16 ct mark set ip daddr . meta l4proto . th dport map @services goto svc
                    add rule services_in ip daddr 10.96.0.0/16 goto refuse
                    add rule services_in ip daddr != 127.0.0.0/8 fib daddr type local ct mark set meta l4proto . th dport map @hostports goto svc
                    add element picks { 0x00000000 : jump refuse }
                    add element picks { 0x00001fff : jump nowhere }
                    add element picks { 0x00000002 : jump pick2 }
                    add element services { 10.96.0.10 . tcp . 80 : 0x00006002 }
                    add element nodeports { tcp . 30080 : 0x00006002 }
                    add element backends { 0x00004000 . 0 : 10.244.0.5 . 8080, 0x00004000 . 1 : 10.244.0.6 . 8080 }
                    add element hairpin { 10.244.0.5 . 10.244.0.5 }
                    add element node_addresses { 192.0.2.2 }
                    add chain prerouting { type nat hook prerouting priority -100; policy accept; }
                    add rule prerouting jump services_in
                    add chain output { type nat hook output priority -100; policy accept; }
                    add rule output jump services_in
                    add chain postrouting { type nat hook postrouting priority 100; policy accept; }
                    add rule postrouting ip saddr . ip daddr @hairpin masquerade fully-random
                    add rule postrouting ct mark & 0x00002000 == 0x00002000 ct status dnat ip saddr != 10.244.0.0/16 ip saddr != 192.0.2.2 masquerade fully-random
                    add rule postrouting ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 ip daddr != 10.96.0.0/16 masquerade fully-random
                    add chain forward { type filter hook forward priority 0; policy accept; }
                    add rule forward ct state invalid ip saddr 10.244.0.0/16 drop
                    add rule forward ct state invalid ip daddr 10.244.0.0/16 drop
                    add chain raw { type filter hook prerouting priority -300; policy accept; }
                    add rule raw iif != "lo" ip daddr 127.0.0.0/8 drop
                    add rule raw iif "lo" ip daddr 10.96.0.0/16 drop
                    """)
    }

    /// The table has no ranges, which would make every change of them dear: the client's address is looked up at every
    /// length that a prefix may have.
    @Test func clientsAreLookedUpAtEveryLengthOfPrefix() throws {
        let texts = try #require(testRuleset().chains.first { $0.name == "guard" }).rules.map(\.text)
        func key(_ length: String) -> String { ". (ct mark & 0xffffc000 | 0x000000\(length)) @allowed return" }
        #expect(texts.count == 33)
        #expect(texts.first == "ip saddr \(key("20"))")
        #expect(texts[1] == "(ip saddr & 255.255.255.254) \(key("1f"))")
        #expect(texts[31] == "(ip saddr & 128.0.0.0) \(key("01"))")
        #expect(texts.last == "drop")
    }

    @Test func aLocalPolicyIsAnotherIdForClientsOutside() throws {
        let address = IPAddress(ipv4: 0xcb00_7105)
        let external = Front(
            .address(address, 80), .tcp, isExternal: true, isLocal: true, masquerades: false,
            sources: CIDR("198.51.100.0/24").map { [$0] })
        let nodePort = Front(.nodePort(30080), .tcp, isExternal: true, isLocal: true, masquerades: false)
        let text = try run(
            [change("default/web", at: "10.96.0.10", backends(5...6))],
            then: [
                change(
                    "default/web", at: "10.96.0.10", backends(5...6), also: [external, nodePort], here: backends([5]))
            ])
        #expect(
            text == """
                add chain pick1
                add rule pick1 meta l4proto { tcp, udp, sctp } dnat ip to (ct mark & 0xffffc000) . numgen random mod 1 map @backends
                ---
                add element picks { 0x00000001 : jump pick1 }
                add element backends { 0x00008000 . 0 : 10.244.0.5 . 8080 }
                add element allowed { 198.51.100.0 . 0x00008018 }
                add element guarded { 203.0.113.5 . tcp . 80 }
                add element nodeports_inside { tcp . 30080 : 0x00006002 }
                add element nodeports_outside { tcp . 30080 : 0x00008001 }
                add element inside { 203.0.113.5 . tcp . 80 : 0x00006002 }
                add element outside { 203.0.113.5 . tcp . 80 : 0x00008001 }

                """)
    }

    @Test func aNodeWithoutEndpointsSaysNothingUnderALocalPolicy() throws {
        let local = Front(.nodePort(30080), .tcp, isExternal: true, isLocal: true, masquerades: false)
        func service(_ all: [Backend]) -> [ServiceChange] {
            [change("default/web", at: "10.96.0.10", all, also: [local], here: [])]
        }
        let before = service(backends(5...6))
        // Others have one: a client may try another node. Nobody has one: it is told.
        #expect(
            try run(before, then: before + [change("default/b", at: "10.96.0.11", backends([1]))]).contains("30080")
                == false)
        #expect(
            try run([], then: before).contains("add element nodeports_outside { tcp . 30080 : 0x00009fff }"))
        #expect(try run([], then: service([])).contains("add element nodeports_outside { tcp . 30080 : 0x00008000 }"))
    }

    @Test func masqueradingFollowsTheSettings() throws {
        func rules(_ change: (inout Ruleset) -> Void) throws -> [String] {
            var ruleset = testRuleset()
            change(&ruleset)
            return try #require(ruleset.chains.first { $0.name == "postrouting" }).rules.map(\.text)
        }
        let egress = "ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 ip daddr != 10.96.0.0/16 masquerade fully-random"
        let hairpin = "ip saddr . ip daddr @hairpin masquerade fully-random"
        #expect(
            try rules { $0.masqueradesAll = true } == [
                hairpin, "ct mark & 0x00002000 == 0x00002000 ct status dnat masquerade fully-random", egress,
            ])
        #expect(
            try rules { $0.podRange = CIDR("10.244.4.0/22") }[2]
                == "ct mark & 0x00002000 == 0x00002000 ct status dnat ip saddr 10.244.0.0/16 ip saddr != 10.244.4.0/22 "
                + "ct original ip daddr != 10.96.0.0/16 masquerade fully-random")
    }

    @Test func oneEndpointForAnotherIsTwoElements() throws {
        let text = try run(
            [change("default/web", at: "10.96.0.10", backends(5...7))],
            then: [change("default/web", at: "10.96.0.10", backends([5, 7, 9]))])
        #expect(
            text == """
                delete element backends { 0x00004000 . 1 : 10.244.0.6 . 8080 }
                add element backends { 0x00004000 . 1 : 10.244.0.9 . 8080 }

                """)
    }

    @Test func anEndpointLessMovesTheLastIntoItsPlace() throws {
        let text = try run(
            [
                change("default/web", at: "10.96.0.10", backends(5...7)),
                change("default/two", at: "10.96.0.11", backends(5...6)),
                change("default/three", at: "10.96.0.12", backends(5...7)),
            ], then: [change("default/web", at: "10.96.0.10", backends([6, 7]))])
        #expect(
            text == """
                delete element services { 10.96.0.10 . tcp . 80 : 0x00006003 }
                delete element backends { 0x00004000 . 0 : 10.244.0.5 . 8080, 0x00004000 . 2 : 10.244.0.7 . 8080 }
                add element backends { 0x00004000 . 0 : 10.244.0.7 . 8080 }
                add element services { 10.96.0.10 . tcp . 80 : 0x00006002 }

                """)
    }

    @Test func aNewNumberOfEndpointsBringsItsChainAndTakesTheOther() throws {
        let text = try run(
            [change("default/web", at: "10.96.0.10", backends(5...6))],
            then: [change("default/web", at: "10.96.0.10", backends(5...7))])
        #expect(
            text == """
                add chain pick3
                add rule pick3 meta l4proto { tcp, udp, sctp } dnat ip to (ct mark & 0xffffc000) . numgen random mod 3 map @backends
                ---
                add element picks { 0x00000003 : jump pick3 }
                delete element services { 10.96.0.10 . tcp . 80 : 0x00006002 }
                add element backends { 0x00004000 . 2 : 10.244.0.7 . 8080 }
                add element services { 10.96.0.10 . tcp . 80 : 0x00006003 }
                delete element picks { 0x00000002 : jump pick2 }
                flush chain pick2
                delete chain pick2

                """)
    }

    @Test func theLastEndpointLeavesARefusal() throws {
        let text = try run(
            [
                change("default/web", at: "10.96.0.10", backends([5]), local: [address("10.244.0.5")]),
                change("default/one", at: "10.96.0.11", backends([6])),
            ], then: [change("default/web", at: "10.96.0.10", [])])
        #expect(
            text == """
                delete element services { 10.96.0.10 . tcp . 80 : 0x00006001 }
                delete element backends { 0x00004000 . 0 : 10.244.0.5 . 8080 }
                add element services { 10.96.0.10 . tcp . 80 : 0x00006000 }
                delete element hairpin { 10.244.0.5 . 10.244.0.5 }

                """)
    }

    @Test func affinityKnowsEndpointsByNumbersThatStay() throws {
        let text = try run(
            [change("default/web", at: "10.96.0.10", backends(5...7), affinitySeconds: 60)],
            then: [change("default/web", at: "10.96.0.10", backends([6, 7, 8]), affinitySeconds: 60)],
            [change("default/web", at: "10.96.0.10", backends([7, 8]), affinitySeconds: 60)])
        // 8 has come for 5 in slot 0 with a number of its own; 7 moves to where 6 was, and keeps its number.
        #expect(
            text == """
                add chain sticky2-60-out
                add rule sticky2-60-out ct mark set ip saddr . (ct mark & 0xffffc000) map @affinity
                add rule sticky2-60-out ct mark & 0x00001000 == 0x00000000 update @affinity { ip saddr . (ct mark & 0xffffc000) timeout 60s : ct mark }
                add rule sticky2-60-out ct mark set ct mark | 0x00002000
                add rule sticky2-60-out meta l4proto { tcp, udp, sctp } dnat ip to (ct mark & 0xffffdfff) map @sticky_backends
                add rule sticky2-60-out delete @affinity { ip saddr . (ct mark & 0xffffc000) : ct mark }
                add rule sticky2-60-out ct mark set (ct mark & 0xffffc000) . numgen random mod 1 map @sticky_slots
                add rule sticky2-60-out ct mark set (ct mark & 0xffffc000) . numgen random mod 2 map @sticky_slots
                add rule sticky2-60-out add @affinity { ip saddr . (ct mark & 0xffffc000) timeout 60s : ct mark }
                add rule sticky2-60-out ct mark set ct mark | 0x00002000
                add rule sticky2-60-out meta l4proto { tcp, udp, sctp } dnat ip to (ct mark & 0xffffdfff) map @sticky_backends
                ---
                add element picks { 0x00001001 : jump sticky2-60-out }
                delete element services { 10.96.0.10 . tcp . 80 : 0x00007000 }
                delete element sticky_slots { 0x00004000 . 1 : 0x00004002, 0x00004000 . 2 : 0x00004003 }
                delete element sticky_backends { 0x00004002 : 10.244.0.6 . 8080 }
                add element sticky_slots { 0x00004000 . 1 : 0x00004003 }
                add element services { 10.96.0.10 . tcp . 80 : 0x00007001 }
                delete element picks { 0x00001000 : jump sticky3-60-out }
                flush chain sticky3-60-out
                delete chain sticky3-60-out

                """)
    }

    @Test func userspaceModeMasqueradesEgressOnly() throws {
        let kernel = FakeNftKernel()
        let proxy = NftablesProxy(
            kernel: kernel, conntrack: nil, ruleset: testRuleset(carriesServices: false), nodeAddresses: [],
            log: Logger(label: "test"))
        try proxy.start([])
        #expect(
            kernel.takeTransactions().map(\.text).joined().replacing("ip swiftlet-test ", with: "") == """
                add table ip swiftlet-test
                add chain postrouting { type nat hook postrouting priority 100; policy accept; }
                add rule postrouting ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 ip daddr != 10.96.0.0/16 masquerade fully-random
                add chain raw { type filter hook prerouting priority -300; policy accept; }
                add rule raw iif != "lo" ip daddr 127.0.0.0/8 drop

                """)
    }

    @Test func writesRangesThatEndWithinAByte() {
        let range = CIDR("10.96.0.0/12")
        let statement = range.map { NftStatement.isIn($0, .destinationAddress) }
        #expect(
            statement?.expressions == [
                .payload(.network, offset: 16, count: 4, into: 0),
                .bitwise(0, mask: [0xff, 0xf0, 0, 0], xor: [0, 0, 0, 0]),
                .compare(0, isEqual: true, [10, 96, 0, 0]),
            ])
    }
}
