import KubeAPI
import Testing

@testable import ControlPlane

/// Services of a cluster with ranges of both families.
@Suite struct DualStackServiceTests {
    private let services: ServiceFixture
    private let second: CIDR

    init() async throws {
        second = try #require(CIDR("fd00:10:96::/112"))
        services = ServiceFixture(try await TestServer(secondServiceRange: second))
    }

    private func addresses(_ service: JSON) -> [IPAddress] {
        ServiceFields(service).clusterIPs.compactMap { IPAddress($0) }
    }

    @Test func whoAsksForNothingGetsTheFirstFamily() async throws {
        let spec = try await services.create("web")["spec"]
        #expect(spec["ipFamilies"] == ["IPv4"] && spec["ipFamilyPolicy"] == "SingleStack")
        #expect(spec["clusterIPs"].items.count == 1)
    }

    @Test(arguments: ["PreferDualStack", "RequireDualStack"])
    func twoFamiliesMeanTwoAddresses(policy: String) async throws {
        let service = try await services.create("web", ["ipFamilyPolicy": .string(policy)])
        #expect(service["spec"]["ipFamilies"] == ["IPv4", "IPv6"])
        let addresses = addresses(service)
        #expect(addresses.map(\.family) == [.ipv4, .ipv6] && second.contains(addresses[1]))
        #expect(service["spec"]["clusterIP"].string == addresses[0].description)
    }

    @Test func theOrderOfFamiliesIsTheUsers() async throws {
        let service = try await services.create(
            "web", ["ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]])
        #expect(service["spec"]["ipFamilies"] == ["IPv6", "IPv4"])
        #expect(addresses(service).map(\.family) == [.ipv6, .ipv4])
        let single = try await services.create("six", ["ipFamilies": ["IPv6"]])
        #expect(addresses(single).map(\.family) == [.ipv6])
        #expect(single["spec"]["ipFamilyPolicy"] == "SingleStack")
    }

    @Test func anAddressOfEitherFamilyCanBeAskedFor() async throws {
        let six = try await services.create("six", ["clusterIP": "fd00:10:96::77"])
        #expect(six["spec"]["ipFamilies"] == ["IPv6"] && six["spec"]["clusterIPs"] == ["fd00:10:96::77"])
        #expect(
            await services.why(["clusterIP": "fd00:10:96::77"])
                == #"Service "web" is invalid: spec.clusterIPs: Invalid value: []string{"fd00:10:96::77"}: failed to allocate IP fd00:10:96::77: provided IP is already allocated"#
        )
        #expect(
            await services.why(["clusterIP": "fd00:10:97::1"])
                == #"Service "web" is invalid: spec.clusterIPs: Invalid value: []string{"fd00:10:97::1"}: failed to allocate IP fd00:10:97::1: the provided IP (fd00:10:97::1) is not in the valid range. The range of valid IPs is fd00:10:96::/112"#
        )
        try await services.delete("six")
        #expect(await services.why(["clusterIP": "fd00:10:96::77"]) == nil)
    }

    @Test func oneFamilyIsNotTwo() async throws {
        #expect(
            await services.why(["ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]])
                == #"Service "web" is invalid: spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"#
        )
    }

    @Test func aSecondAddressComesAndGoesByThePolicy() async throws {
        let first = try await services.create("web")
        let both = try await services.update("web") { $0["spec"]["ipFamilyPolicy"] = "PreferDualStack" }
        #expect(both["spec"]["ipFamilies"] == ["IPv4", "IPv6"])
        #expect(addresses(both).count == 2 && both["spec"]["clusterIP"] == first["spec"]["clusterIP"])
        let again = try await services.update("web") { $0["spec"]["ipFamilyPolicy"] = "SingleStack" }
        #expect(again["spec"]["ipFamilies"] == ["IPv4"] && again["spec"]["clusterIPs"] == first["spec"]["clusterIPs"])
        // What it gave back is free.
        let second = addresses(both)[1].description
        #expect(
            try await services.create("other", ["clusterIP": .string(second)])["spec"]["clusterIP"].string == second)
    }

    @Test func theFirstAddressAndFamilyStay() async throws {
        try await services.create("web", ["ipFamilyPolicy": "PreferDualStack"])
        let swapped = await refusal {
            try await services.update("web") { service in
                service["spec"]["ipFamilies"] = ["IPv6", "IPv4"]
                service["spec"]["clusterIPs"] = .array(service["spec"]["clusterIPs"].items.reversed())
                service["spec"]["clusterIP"] = service["spec"]["clusterIPs"][0]
            }
        }?.message
        #expect(swapped?.contains("may not change once set") == true)
        let removed = await refusal {
            try await services.update("web") { service in
                service["spec"]["clusterIPs"] = [service["spec"]["clusterIP"]]
                service["spec"]["ipFamilies"] = ["IPv4"]
            }
        }?.message
        #expect(removed?.contains("must be 'SingleStack' to release the secondary cluster IP") == true)
    }

    @Test func aHeadlessServiceHasTheFamiliesAlone() async throws {
        let spec = try await services.create(
            "web", ["clusterIP": "None", "selector": ["a": "b"], "ipFamilyPolicy": "PreferDualStack"])["spec"]
        #expect(spec["ipFamilies"] == ["IPv4", "IPv6"] && spec["clusterIPs"] == ["None"])
    }
}
