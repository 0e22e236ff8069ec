import KubeAPI
import Testing

@testable import ControlPlane

/// A server with short ways to make services.
struct ServiceFixture {
    let server: TestServer
    init(_ server: TestServer) { self.server = server }

    static func service(_ name: String, _ spec: JSON) -> JSON {
        var spec = spec
        if spec["ports"].isNull, spec["type"] != "ExternalName" { spec["ports"] = [["port": 80]] }
        return ["metadata": ["name": .string(name)], "spec": spec]
    }

    @discardableResult
    func create(_ name: String, _ spec: JSON = [:]) async throws -> JSON {
        try await server.admin.create(.services, namespace: "default", Self.service(name, spec))
    }

    func why(_ spec: JSON, name: String = "web") async -> String? {
        await refusal { try await create(name, spec) }?.message
    }

    @discardableResult
    func update(_ name: String, _ change: (inout JSON) -> Void) async throws -> JSON {
        var service = try await server.admin.get(.services, namespace: "default", name: name)
        change(&service)
        return try await server.admin.update(.services, service)
    }

    func delete(_ name: String) async throws {
        try await server.admin.delete(.services, namespace: "default", name: name)
    }
}

@Suite struct ServiceCreationTests {
    private let services: ServiceFixture
    init() async throws { services = ServiceFixture(try await TestServer()) }

    @Test func aServiceGetsAnAddressAndOneFamily() async throws {
        let spec = try await services.create("web")["spec"]
        let address = try #require(IPAddress(spec["clusterIP"].stringValue))
        #expect(try #require(CIDR("10.96.0.0/16")).contains(address))
        #expect(spec["clusterIPs"] == [spec["clusterIP"]])
        #expect(spec["ipFamilies"] == ["IPv4"] && spec["ipFamilyPolicy"] == "SingleStack")
        #expect(spec["type"] == "ClusterIP" && spec["sessionAffinity"] == "None")
        #expect(spec["internalTrafficPolicy"] == "Cluster" && spec["externalTrafficPolicy"].isNull)
        #expect(spec["ports"] == [["protocol": "TCP", "port": 80, "targetPort": 80]])
    }

    @Test func anAddressThatIsAskedForIsGivenOnce() async throws {
        #expect(try await services.create("a", ["clusterIP": "10.96.7.7"])["spec"]["clusterIPs"] == ["10.96.7.7"])
        #expect(
            await services.why(["clusterIP": "10.96.7.7"])
                == #"Service "web" is invalid: spec.clusterIPs: Invalid value: []string{"10.96.7.7"}: failed to allocate IP 10.96.7.7: provided IP is already allocated"#
        )
        #expect(
            await services.why(["clusterIP": "10.96.0.1"])
                == #"Service "web" is invalid: spec.clusterIPs: Invalid value: []string{"10.96.0.1"}: failed to allocate IP 10.96.0.1: provided IP is already allocated"#
        )
        #expect(
            await services.why(["clusterIP": "1.2.3.4"])
                == #"Service "web" is invalid: spec.clusterIPs: Invalid value: []string{"1.2.3.4"}: failed to allocate IP 1.2.3.4: the provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 10.96.0.0/16"#
        )
        try await services.delete("a")
        #expect(await services.why(["clusterIP": "10.96.7.7"]) == nil)
    }

    @Test func aServiceThatIsRefusedGivesBackItsAddress() async throws {
        #expect(await services.why(["clusterIP": "10.96.7.7", "ports": [["port": 80, "protocol": "XXX"]]]) != nil)
        #expect(await services.why(["clusterIP": "10.96.7.7"]) == nil)
        // The name is taken by now.
        #expect(await services.why(["clusterIP": "10.96.7.8"]) != nil)
        #expect(await services.why(["clusterIP": "10.96.7.8"], name: "other") == nil)
    }

    @Test func aDryRunTakesNothing() async throws {
        let answer = try await services.server.send(
            "POST", "/api/v1/namespaces/default/services?dryRun=All",
            ServiceFixture.service("dry", ["clusterIP": "10.96.7.7"]))
        #expect(answer.status == 201)
        #expect(await services.why(["clusterIP": "10.96.7.7"]) == nil)
    }

    @Test func aHeadlessServiceHasNoAddress() async throws {
        let spec = try await services.create("web", ["clusterIP": "None", "selector": ["app": "web"]])["spec"]
        #expect(spec["clusterIP"] == "None" && spec["clusterIPs"] == ["None"])
        #expect(spec["ipFamilies"] == ["IPv4"] && spec["ipFamilyPolicy"] == "SingleStack")
        // Without a selector its endpoints may be of both families.
        let free = try await services.create("free", ["clusterIP": "None"])["spec"]
        #expect(free["ipFamilies"] == ["IPv4", "IPv6"] && free["ipFamilyPolicy"] == "RequireDualStack")
    }

    @Test func anExternalNameHasNeitherAddressNorPorts() async throws {
        let spec = try await services.create("web", ["type": "ExternalName", "externalName": "example.com."])["spec"]
        #expect(spec["clusterIP"].isNull && spec["ipFamilies"].isNull && spec["internalTrafficPolicy"].isNull)
        #expect(
            await services.why(["type": "ExternalName"], name: "b")
                == #"Service "b" is invalid: spec.externalName: Required value"#)
        #expect(
            await services.why(["type": "ExternalName", "externalName": "x", "clusterIP": "10.96.0.9"], name: "b")
                == #"Service "b" is invalid: spec.clusterIPs: Forbidden: may not be set for ExternalName services"#)
    }

    @Test func nodePortsAreGivenOrTaken() async throws {
        let spec = try await services.create("a", ["type": "NodePort", "ports": [["port": 80]]])["spec"]
        #expect((30_000...32_767).contains(spec["ports"][0]["nodePort"].int ?? 0))
        #expect(spec["externalTrafficPolicy"] == "Cluster")
        try await services.create("b", ["type": "NodePort", "ports": [["port": 80, "nodePort": 30_010]]])
        #expect(
            await services.why(["type": "NodePort", "ports": [["port": 80, "nodePort": 30_010]]])
                == #"Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 30010: provided port is already allocated"#
        )
        #expect(
            await services.why(["type": "NodePort", "ports": [["port": 80, "nodePort": 80]]])
                == #"Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767"#
        )
        #expect(
            await services.why(["ports": [["port": 80, "nodePort": 30_011]]])
                == #"Service "web" is invalid: spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"#
        )
    }

    @Test func portsOfOneNumberShareTheirNodePort() async throws {
        let ports: JSON = [
            ["name": "tcp", "port": 53, "protocol": "TCP"],
            ["name": "udp", "port": 53, "protocol": "UDP", "nodePort": 30_053],
        ]
        let spec = try await services.create("dns", ["type": "NodePort", "ports": ports])["spec"]
        #expect(spec["ports"].items.map { $0["nodePort"] } == [30_053, 30_053])
    }

    @Test func aLocalLoadBalancerGetsAHealthCheckPort() async throws {
        let spec = try await services.create("web", ["type": "LoadBalancer", "externalTrafficPolicy": "Local"])["spec"]
        let port = try #require(spec["healthCheckNodePort"].int)
        #expect((30_000...32_767).contains(port) && port != spec["ports"][0]["nodePort"].int)
        #expect(spec["allocateLoadBalancerNodePorts"] == true)
        let bare = try await services.create("bare", ["type": "LoadBalancer", "allocateLoadBalancerNodePorts": false])
        #expect(bare["spec"]["ports"][0]["nodePort"].isNull && bare["spec"]["healthCheckNodePort"].isNull)
    }

    @Test func theFamiliesAreThoseOfTheCluster() async throws {
        #expect(
            await services.why(["ipFamilyPolicy": "RequireDualStack"])
                == #"Service "web" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services"#
        )
        #expect(
            await services.why(["ipFamilies": ["IPv6"]])
                == #"Service "web" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster"#
        )
        #expect(
            await services.why(["clusterIP": "fd00::1"])
                == #"Service "web" is invalid: spec.clusterIPs[0]: Invalid value: []string{"fd00::1"}: IPv6 is not configured on this cluster"#
        )
        let spec = try await services.create("web", ["ipFamilyPolicy": "PreferDualStack"])["spec"]
        #expect(spec["ipFamilies"] == ["IPv4"])
    }
}

@Suite struct ServiceValidationTests {
    private let services: ServiceFixture
    init() async throws { services = ServiceFixture(try await TestServer()) }

    @Test(arguments: [
        (#"{"ports":[]}"#, "spec.ports: Required value"),
        (
            #"{"ports":[{"port":80},{"port":81}]}"#,
            "[spec.ports[0].name: Required value, spec.ports[1].name: Required value]"
        ),
        (
            #"{"ports":[{"name":"a","port":80},{"name":"a","port":81}]}"#,
            #"spec.ports[1].name: Duplicate value: "a""#
        ),
        (
            #"{"ports":[{"name":"a","port":80},{"name":"b","port":80}]}"#,
            #"spec.ports[1]: Duplicate value: core.ServicePort{Name:"", Protocol:"TCP", AppProtocol:(*string)(nil), Port:80, TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0}"#
        ),
        (
            #"{"ports":[{"port":80,"protocol":"ICMP"}]}"#,
            #"spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP""#
        ),
        (
            #"{"ports":[{"port":70000}]}"#,
            "[spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: 70000: must be between 1 and 65535, inclusive]"
        ),
        (
            #"{"ports":[{"port":80,"targetPort":"Web"}]}"#,
            #"spec.ports[0].targetPort: Invalid value: "Web": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"#
        ),
        (
            #"{"type":"Other"}"#,
            #"spec.type: Unsupported value: "Other": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort""#
        ),
        (
            #"{"type":"NodePort","clusterIP":"None"}"#,
            #"spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services"#
        ),
        (
            #"{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":0}}}"#,
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400"
        ),
        (
            #"{"externalTrafficPolicy":"Local"}"#,
            #"spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services"#
        ),
        (
            #"{"healthCheckNodePort":30000}"#,
            "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        ),
        (
            #"{"externalIPs":["127.0.0.1"]}"#,
            #"spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)"#
        ),
        (
            #"{"clusterIP":"10.96.0.9","clusterIPs":["10.96.0.8"]}"#,
            #"spec.clusterIPs: Invalid value: []string{"10.96.0.8"}: first value must match `clusterIP`"#
        ),
        (
            #"{"clusterIPs":["10.96.0.8"]}"#,
            #"spec.clusterIPs: Invalid value: []string{"10.96.0.8"}: must be empty when `clusterIP` is not specified"#
        ),
        (
            #"{"clusterIP":"x"}"#,
            #"spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#
        ),
        (
            #"{"loadBalancerSourceRanges":["10.0.0.0/8"]}"#,
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"
        ),
    ])
    func refusals(_ spec: String, _ why: String) async throws {
        #expect(await services.why(try JSON.parse(Array(spec.utf8))) == #"Service "web" is invalid: "# + why)
    }

    @Test func namesAreLabelsOfDNSThatBeginWithALetter() async throws {
        let why = await services.why([:], name: "1web")
        #expect(
            why?.hasPrefix(#"Service "1web" is invalid: metadata.name: Invalid value: "1web": a DNS-1035 label must"#)
                == true)
    }

    @Test func affinityHasADefaultOfThreeHours() async throws {
        let spec = try await services.create("web", ["sessionAffinity": "ClientIP"])["spec"]
        #expect(spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] == 10_800)
    }
}

@Suite struct ServiceUpdateTests {
    private let services: ServiceFixture
    init() async throws { services = ServiceFixture(try await TestServer()) }

    private func whyUpdate(_ name: String, _ change: (inout JSON) -> Void) async -> String? {
        await refusal { try await services.update(name, change) }?.message
    }

    @Test func theAddressStays() async throws {
        try await services.create("web", ["clusterIP": "10.96.7.7"])
        #expect(
            await whyUpdate("web") {
                $0["spec"]["clusterIP"] = "10.96.7.8"
                $0["spec"]["clusterIPs"] = ["10.96.7.8"]
            }
                == #"Service "web" is invalid: spec.clusterIPs[0]: Invalid value: []string{"10.96.7.8"}: may not change once set"#
        )
        // Who leaves it out keeps it.
        let service = try await services.update("web") {
            $0["spec"]["clusterIP"] = .null
            $0["spec"]["clusterIPs"] = .null
            $0["spec"]["ports"] = [["port": 81]]
        }
        #expect(service["spec"]["clusterIPs"] == ["10.96.7.7"] && service["spec"]["ports"][0]["port"] == 81)
    }

    @Test func aTypeBringsAndTakesItsFields() async throws {
        let before = try await services.create("web", ["clusterIP": "10.96.7.7"])
        let open = try await services.update("web") { $0["spec"]["type"] = "NodePort" }
        let nodePort = try #require(open["spec"]["ports"][0]["nodePort"].int)
        #expect(open["spec"]["externalTrafficPolicy"] == "Cluster")
        let shut = try await services.update("web") { $0["spec"]["type"] = "ClusterIP" }
        #expect(shut["spec"] == before["spec"])
        // The port is free again.
        let other: JSON = ["type": "NodePort", "ports": [["port": 80, "nodePort": .int(Int64(nodePort))]]]
        #expect(await services.why(other, name: "other") == nil)
        let named = try await services.update("web") {
            $0["spec"]["type"] = "ExternalName"
            $0["spec"]["externalName"] = "example.com"
        }
        #expect(named["spec"]["clusterIP"].isNull && named["spec"]["ipFamilies"].isNull)
        #expect(await services.why(["clusterIP": "10.96.7.7"], name: "next") == nil)
        let back = try await services.update("web") { $0["spec"]["type"] = "ClusterIP" }
        #expect(IPAddress(back["spec"]["clusterIP"].stringValue) != nil)
    }

    @Test func nodePortsAreKeptByTheNameOfTheirPort() async throws {
        let ports: JSON = [["name": "a", "port": 80, "nodePort": 30_020], ["name": "b", "port": 81]]
        try await services.create("web", ["type": "NodePort", "ports": ports])
        let service = try await services.update("web") {
            $0["spec"]["ports"] = [["name": "c", "port": 79], ["name": "a", "port": 80]]
        }
        #expect(service["spec"]["ports"][1]["nodePort"] == 30_020)
        #expect(service["spec"]["ports"][0]["nodePort"].int != nil)
    }

    @Test func portsThatWereDroppedAreFreeOnceTheUpdateIsStored() async throws {
        let ports: JSON = [
            ["name": "a", "port": 80, "nodePort": 30_020], ["name": "b", "port": 81, "nodePort": 30_021],
        ]
        try await services.create("web", ["type": "NodePort", "ports": ports])
        // A refused update frees nothing and takes nothing.
        #expect(
            await whyUpdate("web") {
                $0["spec"]["ports"] = [["name": "a", "port": 80, "nodePort": 30_022, "protocol": "X"]]
            } != nil)
        let one: (Int64) -> JSON = { ["type": "NodePort", "ports": [["port": 80, "nodePort": .int($0)]]] }
        #expect(await services.why(one(30_021), name: "x") != nil)
        #expect(await services.why(one(30_022), name: "y") == nil)
        try await services.update("web") { $0["spec"]["ports"] = [["name": "a", "port": 80]] }
        #expect(await services.why(one(30_021), name: "x") == nil)
        #expect(await services.why(one(30_020), name: "z") != nil)
    }

    @Test func theHealthCheckPortStays() async throws {
        try await services.create(
            "web", ["type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30_030])
        #expect(
            await whyUpdate("web") { $0["spec"]["healthCheckNodePort"] = 30_031 }
                == #"Service "web" is invalid: spec.healthCheckNodePort: Forbidden: field is immutable"#)
        let service = try await services.update("web") { $0["spec"]["externalTrafficPolicy"] = "Cluster" }
        #expect(service["spec"]["healthCheckNodePort"].isNull)
    }

    @Test func statusIsItsOwnHalf() async throws {
        try await services.create("web", ["type": "LoadBalancer"])
        var service = try await services.server.admin.get(.services, namespace: "default", name: "web")
        service["status"]["loadBalancer"]["ingress"] = [["ip": "192.0.2.7"]]
        service["spec"]["ports"] = [["port": 99]]
        let stored = try await services.server.admin.update(.services, subresource: "status", service)
        #expect(stored["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.7")
        #expect(stored["spec"]["ports"][0]["port"] == 80)
        let plain = try await services.update("web") { $0["status"] = [:] }
        #expect(plain["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.7")
        let closed = try await services.update("web") { $0["spec"]["type"] = "ClusterIP" }
        #expect(closed["status"] == ["loadBalancer": [:]])
    }

    @Test func aRestartedServerKnowsWhatIsTaken() async throws {
        let folder = try TemporaryFolder()
        do {
            let first = ServiceFixture(try await TestServer(folder: folder))
            try await first.create(
                "a", ["clusterIP": "10.96.7.7", "type": "NodePort", "ports": [["port": 80, "nodePort": 30_040]]])
        }
        let second = ServiceFixture(try await TestServer(folder: folder))
        #expect(await second.why(["clusterIP": "10.96.7.7"]) != nil)
        #expect(await second.why(["type": "NodePort", "ports": [["port": 80, "nodePort": 30_040]]]) != nil)
        try await second.delete("a")
        #expect(await second.why(["clusterIP": "10.96.7.7"]) == nil)
    }
}
