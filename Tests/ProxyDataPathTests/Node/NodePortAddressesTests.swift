import KubeAPI
import Testing

@testable import ProxyDataPath

@Suite struct NodePortAddressesTests {
    @Test func takesThoseWithinTheRanges() {
        let all = ["192.0.2.2", "198.51.100.9", "127.0.0.1", "192.0.2.2", "fd00::2", "fe80::2"].map(address)
        func select(_ ranges: String...) -> [String] {
            NodePortAddresses.select(all, ranges.compactMap { CIDR($0) }).map(\.description)
        }
        #expect(select("192.0.2.0/24") == ["192.0.2.2"])
        // Loopback addresses are never open to the outside.
        #expect(select("0.0.0.0/0") == ["192.0.2.2", "198.51.100.9"])
        #expect(select("0.0.0.0/0", "fd00::/8") == ["192.0.2.2", "198.51.100.9", "fd00::2"])
        #expect(select("::/0") == ["fd00::2"])
        #expect(select("203.0.113.0/24") == [])
    }
}
