import KubeAPI
import Testing

@testable import ProxyDataPath

@Suite struct ServiceMapTests {
    private func service(_ spec: JSON, name: String = "web", labels: JSON = .null, status: JSON = .null) -> JSON {
        [
            "kind": "Service", "metadata": ["namespace": "default", "name": .string(name), "labels": labels],
            "spec": spec, "status": status,
        ]
    }
    private let simple: JSON = ["clusterIP": "10.96.0.10", "ports": [["port": 80, "protocol": "TCP"]]]

    private func slice(
        _ endpoints: [JSON], name: String = "web-1", service: String = "web", port: JSON = ["port": 8080]
    ) -> JSON {
        [
            "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": [
                "namespace": "default", "name": .string(name),
                "labels": ["kubernetes.io/service-name": .string(service)],
            ],
            "ports": [port], "endpoints": .array(endpoints),
        ]
    }
    private func endpoint(
        _ address: String, ready: Bool? = true, serving: Bool? = nil, terminating: Bool? = nil, node: String? = nil
    ) -> JSON {
        [
            "addresses": [.string(address)], "nodeName": JSON(node),
            "conditions": ["ready": JSON(ready), "serving": JSON(serving), "terminating": JSON(terminating)],
        ]
    }
    private func ports(_ service: JSON, _ slices: JSON...) -> [ServicePortState] {
        var map = ServiceMap(nodeName: "node1")
        map.set(service: service)
        for slice in slices { map.set(slice: slice) }
        return map.takeChanges().first { $0.service == "default/web" }?.ports ?? []
    }

    @Test func joinsAServiceWithAllItsSlices() {
        let ports = ports(
            service(simple), slice([endpoint("10.244.0.6"), endpoint("10.244.0.5")]),
            slice([endpoint("10.244.0.7"), endpoint("10.244.0.5")], name: "web-2"),
            slice([endpoint("10.244.0.9")], name: "other-1", service: "other"))
        #expect(ports.map(\.backends) == [backends(5...7)])
        #expect(ports.first?.fronts == [front("10.96.0.10")])
        #expect(ports.first?.name.description == "default/web")
    }

    @Test func givesAnEmptyServiceNoBackends() {
        #expect(ports(service(simple)).map(\.backends) == [[]])
    }

    @Test func takesReadyEndpointsOnly() {
        let ports = ports(
            service(simple),
            slice([
                endpoint("10.244.0.5"), endpoint("10.244.0.6", ready: false), endpoint("10.244.0.7", ready: nil),
                endpoint("10.244.0.8", ready: false, serving: true, terminating: true),
            ]))
        #expect(ports.first?.backends == backends([5, 7]))
    }

    @Test func fallsBackToEndpointsThatStillServeWhileTheyEnd() {
        let ports = ports(
            service(simple),
            slice([
                endpoint("10.244.0.5", ready: false, serving: true, terminating: true),
                endpoint("10.244.0.6", ready: false, serving: false, terminating: true),
                endpoint("10.244.0.7", ready: false, serving: true, terminating: false),
            ]))
        #expect(ports.first?.backends == backends([5]))
    }

    @Test func findsPortsByName() {
        let spec: JSON = [
            "clusterIP": "10.96.0.10",
            "ports": [["name": "http", "port": 80], ["name": "dns", "port": 53, "protocol": "UDP"]],
        ]
        let ports = ports(
            service(spec), slice([endpoint("10.244.0.5")], port: ["name": "http", "port": 8080]),
            slice([endpoint("10.244.0.5")], name: "web-2", port: ["name": "dns", "port": 5353, "protocol": "UDP"]))
        #expect(ports.map(\.backends) == [[backend("10.244.0.5", 8080)], [backend("10.244.0.5", 5353)]])
        #expect(ports.map(\.name.proto) == [.tcp, .udp])
    }

    @Test func knowsWhichBackendsAreThisNodes() {
        let ports = ports(
            service(simple),
            slice([
                endpoint("10.244.0.5", node: "node1"), endpoint("10.244.1.5", node: "node2"), endpoint("10.244.2.5"),
            ]))
        #expect(ports.first?.localAddresses == [address("10.244.0.5")])
    }

    @Test func listsAllPlacesAtWhichAServiceIsReached() {
        let spec: JSON = [
            "type": "LoadBalancer", "clusterIP": "10.96.0.10", "externalIPs": ["203.0.113.5", "10.96.0.10"],
            "ports": [["port": 80, "nodePort": 30080]],
        ]
        let ports = ports(
            service(spec, status: ["loadBalancer": ["ingress": [["ip": "198.51.100.7"], ["hostname": "lb.example"]]]]))
        #expect(
            ports.first?.fronts == [
                front("10.96.0.10"), Front(.address(address("203.0.113.5"), 80), .tcp, isExternal: true),
                Front(.address(address("198.51.100.7"), 80), .tcp, isExternal: true),
                Front(.nodePort(30080), .tcp, isExternal: true),
            ])
    }

    @Test func policiesAndRangesBelongToFronts() {
        let spec: JSON = [
            "type": "LoadBalancer", "clusterIP": "10.96.0.10", "internalTrafficPolicy": "Local",
            "externalTrafficPolicy": "Local", "loadBalancerSourceRanges": ["198.51.100.0/24", "2001:db8::/32"],
            "ports": [["port": 80, "nodePort": 30080]],
        ]
        let status: JSON = [
            "loadBalancer": ["ingress": [["ip": "203.0.113.7"], ["ip": "203.0.113.8", "ipMode": "Proxy"]]]
        ]
        let state = ports(
            service(spec, status: status),
            slice([endpoint("10.244.0.5", node: "node1"), endpoint("10.244.1.5", node: "node2")])
        ).first
        #expect(
            state?.fronts == [
                Front(.address(address("10.96.0.10"), 80), .tcp, isExternal: false, isLocal: true, masquerades: false),
                Front(
                    .address(address("203.0.113.7"), 80), .tcp, isExternal: true, isLocal: true, masquerades: false,
                    sources: CIDR("198.51.100.0/24").map { [$0] }),
                Front(.nodePort(30080), .tcp, isExternal: true, isLocal: true, masquerades: false),
            ])
        #expect(state?.backends == [backend("10.244.0.5"), backend("10.244.1.5")])
        #expect(state?.localBackends == backends([5]))
        #expect(state?.hasEndpoints == true)
    }

    @Test func aRangeOfEverythingIsNone() {
        let spec: JSON = [
            "type": "LoadBalancer", "clusterIP": "10.96.0.10", "loadBalancerSourceRanges": ["10.0.0.0/8", "0.0.0.0/0"],
            "ports": [["port": 80]],
        ]
        let state = ports(service(spec, status: ["loadBalancer": ["ingress": [["ip": "203.0.113.7"]]]])).first
        #expect(state?.fronts.map(\.sources) == [nil, nil])
    }

    @Test func localTrafficFallsBackToEndpointsOfTheNodeThatAreEnding() {
        var spec = simple
        spec["internalTrafficPolicy"] = "Local"
        let state = ports(
            service(spec),
            slice([
                endpoint("10.244.1.5", node: "node2"),
                endpoint("10.244.0.5", ready: false, serving: true, terminating: true, node: "node1"),
                endpoint("10.244.0.6", ready: false, serving: false, terminating: true, node: "node1"),
            ])
        ).first
        #expect(state?.backends == [backend("10.244.1.5")])
        #expect(state?.localBackends == backends([5]))
        #expect(state?.localAddresses == [address("10.244.0.5")])
    }

    /// Where an endpoint shall be used: zones, then nodes.
    private func hinted(_ address: String, _ zones: [String], _ nodes: [String] = []) -> JSON {
        var endpoint = endpoint(address)
        endpoint["hints"]["forZones"] = .array(zones.map { ["name": .string($0)] })
        if !nodes.isEmpty { endpoint["hints"]["forNodes"] = .array(nodes.map { ["name": .string($0)] }) }
        return endpoint
    }
    private func chosen(in zone: String?, _ endpoints: [JSON]) -> [Backend]? {
        var map = ServiceMap(nodeName: "node1")
        map.set(zone: zone)
        map.set(service: service(simple))
        map.set(slice: slice(endpoints))
        return map.takeChanges().first?.ports.first?.backends
    }

    @Test func hintsKeepTrafficNear() {
        let zones = [hinted("10.244.0.5", ["a"]), hinted("10.244.0.6", ["b"]), hinted("10.244.0.7", ["a", "c"])]
        #expect(chosen(in: "a", zones) == backends([5, 7]))
        #expect(chosen(in: "c", zones) == backends([7]))
        // Nobody is meant for this zone, or the node has none, or not all say: then everybody serves.
        #expect(chosen(in: "d", zones) == backends(5...7))
        #expect(chosen(in: nil, zones) == backends(5...7))
        #expect(chosen(in: "a", zones + [endpoint("10.244.0.8")]) == backends(5...8))
        let nodes = [hinted("10.244.0.5", ["a"], ["node2"]), hinted("10.244.0.6", ["a"], ["node1"])]
        #expect(chosen(in: "a", nodes) == backends([6]))
        #expect(chosen(in: "a", [nodes[0]]) == backends([5]))
    }

    @Test func aNewZoneOfTheNodeChangesServicesWithHintsOnly() {
        var map = ServiceMap(nodeName: "node1")
        map.set(service: service(simple))
        map.set(service: service(simple, name: "other"))
        map.set(slice: slice([hinted("10.244.0.5", ["a"]), hinted("10.244.0.6", ["b"])]))
        map.set(slice: slice([endpoint("10.244.0.9")], name: "other-1", service: "other"))
        _ = map.takeChanges()
        map.set(zone: "b")
        #expect(map.takeChanges().map { $0.ports.first?.backends } == [backends([6])])
    }

    @Test func aServiceOfBothFamiliesIsTwo() {
        var map = ServiceMap(nodeName: "node1", families: [.ipv4, .ipv6])
        let spec: JSON = [
            "type": "NodePort", "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10", "fd00:10:96::10"],
            "ports": [["port": 80, "protocol": "TCP", "nodePort": 30080]],
        ]
        var second = slice([endpoint("fd00:10:244::5")], name: "web-2")
        second["addressType"] = "IPv6"
        map.set(service: service(spec))
        map.set(slice: slice([endpoint("10.244.0.5"), endpoint("10.244.0.6")]))
        map.set(slice: second)
        let ports = map.takeChanges().first?.ports ?? []
        #expect(ports.map(\.name.family) == [.ipv4, .ipv6])
        #expect(ports.map(\.backends) == [backends(5...6), [backend("fd00:10:244::5")]])
        let nodePort = Front(.nodePort(30080), .tcp, isExternal: true)
        #expect(ports.map(\.fronts) == [[front("10.96.0.10"), nodePort], [front("fd00:10:96::10"), nodePort]])
        // Of one family alone: its node port is not open in the other.
        map.set(service: service(["clusterIP": "fd00:10:96::10", "ports": [["port": 80, "protocol": "TCP"]]]))
        #expect(map.takeChanges().first?.ports.map(\.name.family) == [.ipv6])
        // A proxy of IPv4 knows nothing of it.
        var four = ServiceMap(nodeName: "node1")
        four.set(service: service(spec))
        four.set(slice: second)
        #expect(four.takeChanges().first?.ports.map(\.backends) == [[]])
    }

    @Test func loadBalancersAskForEndpointsOfTheNode() {
        var map = ServiceMap(nodeName: "node1")
        let spec: JSON = [
            "type": "LoadBalancer", "clusterIP": "10.96.0.10", "externalTrafficPolicy": "Local",
            "healthCheckNodePort": 31000, "ports": [["port": 80], ["port": 81, "name": "b"]],
        ]
        map.set(service: service(spec))
        #expect(map.healthChecks == [31000: HealthCheck(service: "default/web", localEndpoints: 0)])
        map.set(
            slice: slice([
                endpoint("10.244.0.5", node: "node1"), endpoint("10.244.0.6", node: "node1"),
                endpoint("10.244.0.7", ready: false, serving: true, terminating: true, node: "node1"),
                endpoint("10.244.1.5", node: "node2"),
            ]))
        #expect(map.healthChecks == [31000: HealthCheck(service: "default/web", localEndpoints: 2)])
    }

    @Test func knowsWhichPodsOfTheNodeStillTakeConnections() {
        var map = ServiceMap(nodeName: "node1")
        func pod(_ address: String, _ uid: String, ending: Bool, node: String = "node1") -> JSON {
            var endpoint = endpoint(address, ready: !ending, serving: true, terminating: ending, node: node)
            endpoint["targetRef"] = ["kind": "Pod", "uid": .string(uid)]
            return endpoint
        }
        map.set(
            slice: slice([
                pod("10.244.0.5", "u5", ending: false), pod("10.244.1.6", "u6", ending: false, node: "node2"),
            ]))
        map.set(slice: slice([pod("10.244.0.5", "u5", ending: true)], name: "other-1", service: "other"))
        #expect(map.standing(ofPod: "u5") == .serving)
        // Not of this node: nobody asks here.
        #expect(map.standing(ofPod: "u6") == .absent)
        map.set(slice: slice([pod("10.244.0.5", "u5", ending: true)]))
        #expect(map.standing(ofPod: "u5") == .ending)
        map.remove(slice: "default/other-1")
        map.remove(slice: "default/web-1")
        #expect(map.standing(ofPod: "u5") == .absent)
    }

    @Test func readsAffinity() {
        var spec = simple
        spec["sessionAffinity"] = "ClientIP"
        #expect(ports(service(spec)).first?.affinitySeconds == 10800)
        spec["sessionAffinityConfig"] = ["clientIP": ["timeoutSeconds": 30]]
        #expect(ports(service(spec)).first?.affinitySeconds == 30)
    }

    @Test(
        arguments: [
            ["clusterIP": "None", "ports": [["port": 80]]],
            ["type": "ExternalName", "externalName": "example.org"],
            ["ports": [["port": 80]]],
        ] as [JSON])
    func carriesNothingForServicesWithoutAVirtualAddress(spec: JSON) {
        #expect(ports(service(spec), slice([endpoint("10.244.0.5")])).isEmpty)
    }

    @Test func leavesServicesOfAnotherProxyAlone() {
        #expect(ports(service(simple, labels: ["service.kubernetes.io/service-proxy-name": "mine"])).isEmpty)
    }

    @Test func ignoresSlicesOfNames() {
        var names = slice([endpoint("example.org")])
        names["addressType"] = "FQDN"
        #expect(ports(service(simple), names).first?.backends == [])
    }

    @Test func reportsOnlyWhatChanged() {
        var map = ServiceMap(nodeName: "node1")
        map.set(service: service(simple))
        map.set(service: service(simple, name: "other"))
        #expect(map.takeChanges().map(\.service) == ["default/other", "default/web"])
        #expect(map.takeChanges().isEmpty)
        map.set(slice: slice([endpoint("10.244.0.5")]))
        #expect(map.takeChanges().map(\.service) == ["default/web"])
        // The same addresses with other details.
        var same = slice([endpoint("10.244.0.5")])
        same["endpoints"][0]["targetRef"] = ["kind": "Pod", "name": "web-1"]
        map.set(slice: same)
        #expect(!map.hasChanges)
        map.remove(slice: "default/web-1")
        #expect(map.takeChanges().first?.ports.first?.backends == [])
        map.remove(service: "default/web")
        #expect(map.takeChanges().first?.ports.isEmpty == true)
    }

    @Test func followsASliceToAnotherService() {
        var map = ServiceMap(nodeName: "node1")
        map.set(service: service(simple))
        map.set(service: service(simple, name: "other"))
        map.set(slice: slice([endpoint("10.244.0.5")]))
        _ = map.takeChanges()
        map.set(slice: slice([endpoint("10.244.0.5")], service: "other"))
        let changes = map.takeChanges()
        #expect(changes.map(\.service) == ["default/other", "default/web"])
        #expect(changes.map { $0.ports.first?.backends } == [backends([5]), []])
    }

    @Test func takesAServiceWhoseSlicesCameFirst() {
        var map = ServiceMap(nodeName: "node1")
        map.set(slice: slice([endpoint("10.244.0.5")]))
        #expect(map.takeChanges().first?.ports.isEmpty == true)
        map.set(service: service(simple))
        #expect(map.takeChanges().first?.ports.first?.backends == backends([5]))
    }
}
