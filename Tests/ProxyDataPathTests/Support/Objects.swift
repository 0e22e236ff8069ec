import KubeAPI

@testable import ProxyDataPath

/// Short ways to write what tests are about.
func address(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(ipv4: 0) }

func backend(_ text: String, _ port: UInt16 = 8080) -> Backend { Backend(address: address(text), port: port) }

/// `10.244.0.<n>:8080` for each number.
func backends(_ numbers: some Sequence<Int>) -> [Backend] { numbers.map { backend("10.244.0.\($0)") } }

func name(_ service: String, _ proto: TransportProtocol = .tcp) -> ServicePortName {
    ServicePortName(service: service, port: "", proto: proto)
}

func front(_ text: String, _ port: UInt16 = 80, _ proto: TransportProtocol = .tcp) -> Front {
    Front(.address(address(text), port), proto, isExternal: false)
}

/// A service with one port at one virtual address, and what else is given.
func change(
    _ service: String, at text: String, _ backends: [Backend], proto: TransportProtocol = .tcp,
    also fronts: [Front] = [],
    here: [Backend] = [], local: [IPAddress] = [], affinitySeconds: Int? = nil
) -> ServiceChange {
    ServiceChange(
        service: service,
        ports: [
            ServicePortState(
                name: name(service, proto), fronts: [front(text, 80, proto)] + fronts, backends: backends.sorted(),
                localBackends: here, hasEndpoints: !backends.isEmpty, localAddresses: local,
                affinitySeconds: affinitySeconds)
        ])
}

func removal(_ service: String) -> ServiceChange { ServiceChange(service: service, ports: []) }

func testRuleset(carriesServices: Bool = true) -> Ruleset {
    let any = CIDR(IPAddress(ipv4: 0), prefixLength: 0)
    guard let cluster = CIDR("10.244.0.0/16") ?? any, let services = CIDR("10.96.0.0/16") ?? any else {
        fatalError("the ranges of tests are not ranges")
    }
    var ruleset = Ruleset(
        table: "swiftlet-test", clusterRange: cluster, serviceRange: services, nodeAddress: address("192.0.2.2"),
        layout: .standard)
    ruleset.carriesServices = carriesServices
    return ruleset
}

let testNodeAddresses = [NftElement(NftWords(NftWords.word(address("192.0.2.2"))))]

extension NftWords {
    /// An IPv4 address as the first word of an element.
    static func word(_ address: IPAddress) -> UInt32 { NftWords(address)[0] }
}
