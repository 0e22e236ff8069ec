import KubeAPI
import Testing

@testable import ProxyDataPath

@Suite struct HostPortsTests {
    private func pod(
        _ name: String, ports: [JSON], ip: String? = "10.244.0.5", phase: String = "Running", hostNetwork: Bool = false
    ) -> JSON {
        [
            "kind": "Pod", "metadata": ["namespace": "default", "name": .string(name)],
            "spec": ["hostNetwork": .bool(hostNetwork), "containers": [["name": "main", "ports": .array(ports)]]],
            "status": ["phase": .string(phase), "podIP": JSON(ip)],
        ]
    }
    private let port: JSON = ["containerPort": 8080, "hostPort": 80]

    @Test func makesEveryHostPortAServiceOfOnePod() {
        var ports = HostPorts()
        ports.set(pod: pod("web", ports: [port, ["containerPort": 9090]]))
        let state = ports.takeChanges().first?.ports
        #expect(state?.map(\.fronts) == [[Front(.hostPort(80), .tcp, isExternal: false, masquerades: false)]])
        #expect(state?.first?.backends == backends([5]))
        #expect(state?.first?.localAddresses == [address("10.244.0.5")])
    }

    @Test func bindsToAGivenAddressOnly() {
        var ports = HostPorts()
        ports.set(
            pod: pod("web", ports: [["containerPort": 8080, "hostPort": 80, "hostIP": "192.0.2.9", "protocol": "UDP"]]))
        #expect(
            ports.takeChanges().first?.ports.first?.fronts
                == [Front(.address(address("192.0.2.9"), 80), .udp, isExternal: false, masquerades: false)])
    }

    @Test func isThereInEachFamilyOfThePod() {
        var ports = HostPorts(families: [.ipv4, .ipv6])
        var dual = pod("web", ports: [port, ["containerPort": 9090, "hostPort": 90, "hostIP": "fd00::9"]])
        dual["status"]["podIPs"] = [["ip": "10.244.0.5"], ["ip": "fd00:10:244::5"]]
        ports.set(pod: dual)
        let states = ports.takeChanges().first?.ports ?? []
        #expect(states.map(\.name.family) == [.ipv4, .ipv6, .ipv6])
        #expect(
            states.map(\.backends) == [backends([5]), [backend("fd00:10:244::5")], [backend("fd00:10:244::5", 9090)]])
    }

    @Test func waitsForTheAddressAndEndsWithThePod() {
        var ports = HostPorts()
        ports.set(pod: pod("web", ports: [port], ip: nil))
        #expect(!ports.hasChanges)
        ports.set(pod: pod("web", ports: [port]))
        #expect(ports.takeChanges().first?.ports.count == 1)
        ports.set(pod: pod("web", ports: [port]))
        #expect(!ports.hasChanges)
        ports.set(pod: pod("web", ports: [port], phase: "Succeeded"))
        #expect(ports.takeChanges().first?.ports.isEmpty == true)
    }

    @Test func leavesPodsOnTheHostsNetworkAlone() {
        var ports = HostPorts()
        ports.set(pod: pod("web", ports: [port], hostNetwork: true))
        #expect(!ports.hasChanges)
    }

    @Test func forgetsPodsThatAreNotInAReplacement() {
        var ports = HostPorts()
        ports.replace([pod("a", ports: [port]), pod("b", ports: [port], ip: "10.244.0.6")])
        #expect(ports.takeChanges().map(\.service) == ["hostport:default/a", "hostport:default/b"])
        ports.replace([pod("b", ports: [port], ip: "10.244.0.6")])
        let changes = ports.takeChanges()
        #expect(changes.map(\.service) == ["hostport:default/a"])
        #expect(changes.first?.ports.isEmpty == true)
    }
}
