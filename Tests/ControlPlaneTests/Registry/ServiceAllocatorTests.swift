import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct ServiceAllocatorTests {
    private func allocator(_ range: String, _ ports: ClosedRange<Int> = 30_000...32_767) throws -> ServiceAllocator {
        ServiceAllocator(range: try #require(CIDR(range)), nodePorts: ports)
    }

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private func why(_ body: () throws(ServiceAllocator.Refusal) -> some Any) -> String? {
        do {
            _ = try body()
            return nil
        } catch {
            return error.description
        }
    }

    @Test func theFirstAddressIsForTheServiceKubernetesAlone() throws {
        let allocator = try allocator("10.96.0.0/16")
        let first = try address("10.96.0.1")
        #expect(allocator.kubernetesAddress == first)
        #expect(
            why { () throws(ServiceAllocator.Refusal) in try allocator.takeAddress(first, isKubernetes: false) }
                == "provided IP is already allocated")
        #expect(
            why { () throws(ServiceAllocator.Refusal) in try allocator.takeAddress(first, isKubernetes: true) } == nil)
    }

    @Test func addressesOutsideTheRangeAreRefusedWithTheRange() throws {
        let allocator = try allocator("10.96.0.0/16")
        for text in ["1.2.3.4", "10.96.0.0", "10.96.255.255", "fd00::1"] {
            let wanted = try address(text)
            #expect(
                why { () throws(ServiceAllocator.Refusal) in try allocator.takeAddress(wanted, isKubernetes: false) }
                    == "the provided IP (\(text)) is not in the valid range. The range of valid IPs is 10.96.0.0/16")
        }
    }

    @Test func dynamicAddressesComeFromTheUpperPart() throws {
        // 65,534 addresses: the first 256 are for those who ask for a certain one.
        let allocator = try allocator("10.96.0.0/16")
        for _ in 0..<500 {
            let bits = try allocator.takeAnyAddress().ipv4 ?? 0
            #expect(bits & 0xffff > 256)
        }
    }

    @Test func aRangeIsExhaustedWithoutTheFirstAddress() throws {
        let allocator = try allocator("10.0.0.0/28")
        var seen: Set<IPAddress> = []
        for _ in 0..<13 { seen.insert(try allocator.takeAnyAddress()) }
        #expect(seen.count == 13)
        #expect(!seen.contains(try address("10.0.0.1")))
        #expect(why { () throws(ServiceAllocator.Refusal) in try allocator.takeAnyAddress() } == "range is full")
        allocator.release(addresses: ["10.0.0.7"], ports: [])
        #expect(try allocator.takeAnyAddress() == address("10.0.0.7"))
    }

    @Test func portsAreGivenOnceFromTheirRange() throws {
        let allocator = try allocator("10.96.0.0/16", 30_000...30_009)
        try allocator.takePort(30_003)
        #expect(
            why { () throws(ServiceAllocator.Refusal) in try allocator.takePort(30_003) }
                == "provided port is already allocated")
        #expect(
            why { () throws(ServiceAllocator.Refusal) in try allocator.takePort(80) }
                == "provided port is not in the valid range. The range of valid ports is 30000-30009")
        var seen: Set<Int> = [30_003]
        for _ in 0..<9 { #expect(seen.insert(try allocator.takeAnyPort()).inserted) }
        #expect(why { () throws(ServiceAllocator.Refusal) in try allocator.takeAnyPort() } == "range is full")
    }

    @Test func dynamicPortsLeaveTheLowerBandAlone() throws {
        // 2,768 / 32 = 86
        let allocator = try allocator("10.96.0.0/16")
        for _ in 0..<500 { #expect(try allocator.takeAnyPort() >= 30_086) }
    }

    @Test func whatStoredServicesHaveIsTaken() throws {
        let allocator = try allocator("10.96.0.0/16")
        allocator.adopt([
            "spec": [
                "type": "LoadBalancer", "clusterIP": "10.96.3.4", "clusterIPs": ["10.96.3.4"],
                "externalTrafficPolicy": "Local", "healthCheckNodePort": 31_000,
                "ports": [["port": 80, "nodePort": 30_001], ["port": 81, "nodePort": 30_002]],
            ]
        ])
        let wanted = try address("10.96.3.4")
        #expect(
            why { () throws(ServiceAllocator.Refusal) in try allocator.takeAddress(wanted, isKubernetes: false) } != nil
        )
        for port in [30_001, 30_002, 31_000] {
            #expect(why { () throws(ServiceAllocator.Refusal) in try allocator.takePort(port) } != nil)
        }
        // One that lies outside, perhaps of an older range, disturbs nothing.
        allocator.adopt(["spec": ["clusterIP": "192.168.0.1", "clusterIPs": ["192.168.0.1"]]])
    }
}
