@testable import KubeAPI
import Testing

@Suite struct AddressTests {
    @Test(arguments: [
        ("0.0.0.0", "0.0.0.0"), ("10.244.0.5", "10.244.0.5"), ("255.255.255.255", "255.255.255.255"), ("::", "::"),
        ("::1", "::1"),
        ("fd00::1", "fd00::1"), ("FD00:0:0:0:0:0:0:1", "fd00::1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"), ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
        ("1::", "1::"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("0:0:1::", "0:0:1::"),
    ])
    func reads(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(IPAddress(bytes: address.bytes) == address)
    }

    @Test(arguments: [
        "", ".", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04", "1.2.3.4 ", " 1.2.3.4", "1.2.3.", "a.b.c.d",
        "1.2.3.-4", "0x1.2.3.4",
        ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "fe80::1%eth0", "::1.2.3", "1.2.3.4::",
        "g::", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8::", "[::1]", "１.2.3.4",
    ])
    func refuses(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func classifies() throws {
        #expect(try #require(IPAddress("127.9.9.9")).isLoopback)
        #expect(try #require(IPAddress("::1")).isLoopback)
        #expect(try #require(IPAddress("224.0.0.1")).isMulticast)
        #expect(try #require(IPAddress("ff02::1")).isMulticast)
        #expect(try #require(IPAddress("169.254.1.1")).isLinkLocal)
        #expect(try #require(IPAddress("fe80::1")).isLinkLocal)
        #expect(try #require(IPAddress("0.0.0.0")).isUnspecified)
        #expect(try #require(IPAddress("10.0.0.1")).ipv4 == 0x0a00_0001)
        #expect(try #require(IPAddress("::")).ipv4 == nil)
    }

    @Test func countsWithinItsFamily() throws {
        let first = try #require(IPAddress("10.0.0.255"))
        #expect(first.advanced(by: 1)?.description == "10.0.1.0")
        #expect(first.advanced(by: -256)?.description == "9.255.255.255")
        #expect(try #require(IPAddress("255.255.255.255")).advanced(by: 1) == nil)
        #expect(try #require(IPAddress("0.0.0.0")).advanced(by: -1) == nil)
        #expect(try #require(IPAddress("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")).advanced(by: 1) == nil)
        #expect(try #require(IPAddress("10.0.0.1")) < #require(IPAddress("10.0.0.2")))
        #expect(try #require(IPAddress("255.255.255.255")) < #require(IPAddress("::")))
    }

    // MARK: ranges

    @Test func readsRanges() throws {
        let range = try #require(CIDR("10.244.1.7/16"))
        #expect(range.description == "10.244.0.0/16")
        #expect(range.address.description == "10.244.1.7")
        #expect(range.last.description == "10.244.255.255")
        #expect(range.count == 65536)
        #expect(try #require(CIDR("0.0.0.0/0")).count == 1 << 32)
        #expect(try #require(CIDR("::/0")).count == .max)
        #expect(try #require(CIDR("fd00::/64")).last.description == "fd00::ffff:ffff:ffff:ffff")
        #expect(try #require(CIDR("10.0.0.1/32")).count == 1)
    }

    @Test(arguments: [
        "", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8", "10.0.0.0/+8",
        "::/129", "10.0.0/8",
        "10.0.0.0/ 8", "01.0.0.0/8",
    ])
    func refusesRanges(text: String) {
        #expect(CIDR(text) == nil)
    }

    @Test func knowsWhatIsInside() throws {
        let range = try #require(CIDR("10.96.0.0/12"))
        #expect(range.contains(try #require(IPAddress("10.111.255.255"))))
        #expect(!range.contains(try #require(IPAddress("10.112.0.0"))))
        #expect(!range.contains(try #require(IPAddress("::"))))
        #expect(range.contains(try #require(CIDR("10.96.0.0/16"))))
        #expect(!range.contains(try #require(CIDR("10.0.0.0/8"))))
        #expect(range.overlaps(try #require(CIDR("10.0.0.0/8"))))
        #expect(!range.overlaps(try #require(CIDR("10.112.0.0/16"))))
        #expect(range.nth(1)?.description == "10.96.0.1")
        #expect(range.nth(1 << 20) == nil)
        #expect(range.nth(-1) == nil)
        #expect(range.offset(of: try #require(IPAddress("10.97.0.1"))) == 65537)
        #expect(range.offset(of: try #require(IPAddress("10.95.0.1"))) == nil)
        #expect(try #require(CIDR("::/0")).offset(of: #require(IPAddress("ffff::"))) == nil)
    }

    @Test func givesSubnets() throws {
        let range = try #require(CIDR("10.244.0.0/16"))
        #expect(range.subnet(0, prefixLength: 24)?.description == "10.244.0.0/24")
        #expect(range.subnet(255, prefixLength: 24)?.description == "10.244.255.0/24")
        #expect(range.subnet(256, prefixLength: 24) == nil)
        #expect(range.subnet(-1, prefixLength: 24) == nil)
        #expect(range.subnet(0, prefixLength: 15) == nil)
        #expect(range.subnet(0, prefixLength: 33) == nil)
        #expect(range.subnet(0, prefixLength: 16) == range)
        #expect(try #require(CIDR("::/0")).subnet(1, prefixLength: 128)?.description == "::1/128")
        #expect(try #require(CIDR("::/0")).subnet(1, prefixLength: 0) == nil)
        #expect(try #require(CIDR("fd00::/48")).subnet(65535, prefixLength: 64)?.description == "fd00:0:0:ffff::/64")
    }
}
