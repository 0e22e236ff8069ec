import KubeAPI
import Testing

@testable import DNS

@Suite struct DNSNameTests {
    @Test func readsTextInAnyCase() throws {
        let name = try #require(DNSName("Web.Default.svc."))
        #expect(name.wire == [3] + Array("web".utf8) + [7] + Array("default".utf8) + [3] + Array("svc".utf8) + [0])
        #expect(name.description == "web.default.svc")
        #expect(DNSName("") == .root)
        #expect(DNSName(".") == .root)
    }

    @Test(arguments: [
        "a..b", ".a", String(repeating: "x", count: 64),
        Array(repeating: String(repeating: "x", count: 49), count: 6).joined(separator: "."),
    ])
    func refusesWhatIsNoName(text: String) {
        #expect(DNSName(text) == nil)
    }

    @Test func knowsItsZone() throws {
        let zone = try #require(DNSName("cluster.local"))
        #expect(DNSName("cluster.local")?.isWithin(zone) == true)
        #expect(DNSName("a.svc.cluster.local")?.isWithin(zone) == true)
        #expect(DNSName("notcluster.local")?.isWithin(zone) == false)
        // The bytes of the zone's name, but not at the beginning of a label.
        #expect(DNSName("x\u{7}cluster.local")?.isWithin(zone) == false)
        #expect(DNSName("local")?.isWithin(zone) == false)
    }

    @Test func reversesAddresses() throws {
        let four = try #require(IPAddress("10.96.0.1"))
        #expect(DNSName(reverse: four).description == "1.0.96.10.in-addr.arpa")
        #expect(DNSName(reverse: four).reversedAddress == four)
        let six = try #require(IPAddress("2001:db8::567:89ab"))
        #expect(
            DNSName(reverse: six).description
                == "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa")
        #expect(DNSName(reverse: six).reversedAddress == six)
        #expect(DNSName("96.10.in-addr.arpa")?.reversedAddress == nil)
    }
}

@Suite struct ResolverFileTests {
    @Test func readsNameservers() {
        let text =
            "# made by hand\nnameserver 10.0.0.2\nsearch example.org\nnameserver\t2001:db8::1\nnameserver fe80::1%eth0\n"
            + "options ndots:2\nnameserver none\n"
        #expect(ResolverFile.servers(text).map { "\($0)" } == ["10.0.0.2", "2001:db8::1"])
    }
}

@Suite struct ClientFilterTests {
    @Test func letsItsRangesIn() throws {
        let filter = ClientFilter(["10.244.0.0/16", "192.0.2.2/32", "fd00::/8"].compactMap(CIDR.init))
        func lets(_ text: String) throws -> Bool { filter.lets(.init(try #require(IPAddress(text)), port: 1)) }
        #expect(try lets("10.244.3.9"))
        #expect(try lets("192.0.2.2"))
        #expect(try lets("fd00::5"))
        #expect(try !lets("10.245.0.1"))
        #expect(try !lets("192.0.2.3"))
        #expect(try !lets("2001:db8::1"))
    }
}
