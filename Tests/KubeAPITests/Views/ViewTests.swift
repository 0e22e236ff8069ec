import KubeAPI
import Testing

@Suite struct ViewTests {
    private func pod(_ text: String) throws -> Pod { Pod(try JSON.parse(text)) }

    // MARK: what a pod asks for

    private func requests(_ spec: String) throws -> [String: String] {
        try pod("{\"spec\":\(spec)}").requests.mapValues(\.description)
    }

    @Test func sumsContainers() throws {
        #expect(
            try requests(
                #"{"containers":[{"resources":{"requests":{"cpu":"500m","memory":"1Gi"}}},{"resources":{"requests":{"cpu":"250m"}}},{}]}"#
            )
                == ["cpu": "750m", "memory": "1Gi"])
        #expect(try requests(#"{"containers":[{}]}"#) == [:])
        #expect(try requests(#"{"containers":[{"resources":{"requests":{"cpu":"lots"}}}]}"#) == [:])
    }

    /// Init containers run one after the other, before the others.
    @Test func takesTheLargestInitContainer() throws {
        let spec =
            #"{"initContainers":[{"resources":{"requests":{"cpu":"2"}}},{"resources":{"requests":{"cpu":"1","memory":"1Gi"}}}],"containers":[{"resources":{"requests":{"cpu":"500m"}}}]}"#
        #expect(try requests(spec) == ["cpu": "2", "memory": "1Gi"])
    }

    /// Sidecars run beside whatever comes after them.
    @Test func addsSidecars() throws {
        let spec =
            #"{"initContainers":[{"name":"s","restartPolicy":"Always","resources":{"requests":{"cpu":"100m"}}},{"resources":{"requests":{"cpu":"1"}}}],"containers":[{"resources":{"requests":{"cpu":"500m"}}}]}"#
        #expect(try requests(spec) == ["cpu": "1100m"])
        let light =
            #"{"initContainers":[{"name":"s","restartPolicy":"Always","resources":{"requests":{"cpu":"100m"}}}],"containers":[{"resources":{"requests":{"cpu":"500m"}}}]}"#
        #expect(try requests(light) == ["cpu": "600m"])
    }

    @Test func addsOverheadAndHeedsPodLevelResources() throws {
        let spec =
            #"{"resources":{"requests":{"cpu":"2","example.com/gpu":"9"}},"overhead":{"cpu":"100m"},"containers":[{"resources":{"requests":{"cpu":"500m","example.com/gpu":"1"}}}]}"#
        #expect(try requests(spec) == ["cpu": "2100m", "example.com/gpu": "1"])
    }

    @Test func findsPortsOfTheHost() throws {
        let ports = try pod(
            #"{"spec":{"containers":[{"ports":[{"containerPort":80,"hostPort":8080},{"containerPort":81}]},{"ports":[{"containerPort":53,"hostPort":53,"protocol":"UDP","hostIP":"10.0.0.1"}]}],"initContainers":[{"ports":[{"containerPort":1,"hostPort":1}]},{"restartPolicy":"Always","ports":[{"containerPort":2,"hostPort":2}]}]}}"#
        ).hostPorts
        #expect(
            ports.map { "\($0.ip):\($0.port)/\($0.protocol)" } == [
                "0.0.0.0:8080/TCP", "10.0.0.1:53/UDP", "0.0.0.0:2/TCP",
            ])
    }

    @Test func readsAPod() throws {
        let pod = try pod(
            #"{"metadata":{"name":"p","namespace":"n","uid":"u","resourceVersion":"5","labels":{"a":"b"},"annotations":{"kubernetes.io/config.mirror":"x"},"deletionTimestamp":"2024-01-02T03:04:05Z","deletionGracePeriodSeconds":3,"ownerReferences":[{"name":"x"},{"name":"rc","controller":true}]},"spec":{"nodeName":"n1","terminationGracePeriodSeconds":30,"containers":[{"name":"a","ports":[{"name":"http","containerPort":80}]}]},"status":{"phase":"Running","podIP":"10.0.0.1","conditions":[{"type":"Ready","status":"True"}]}}"#
        )
        #expect(pod.key == "n/p")
        #expect(pod.nodeName == "n1")
        #expect(pod.podIPs == ["10.0.0.1"])
        #expect(pod.isReady && pod.isDeleting && pod.isMirror && !pod.isTerminal)
        #expect(pod.terminationGracePeriodSeconds == 3)
        #expect(pod.restartPolicy == "Always")
        #expect(pod.serviceAccountName == "default")
        #expect(pod.json.controllerReference?["name"] == "rc")
        #expect(pod.container("a")?.port("http") == 80)
        #expect(pod.container("a")?.port(8080) == 8080)
        #expect(pod.container("a")?.port("https") == nil)
        #expect(pod.container("b") == nil)
    }

    // MARK: services and what is behind them

    @Test func readsAService() throws {
        let service = Service(
            try JSON.parse(
                #"{"spec":{"clusterIP":"10.96.0.1","externalIPs":["1.1.1.1"],"selector":{},"sessionAffinity":"ClientIP","externalTrafficPolicy":"Local","ports":[{"name":"http","port":80,"targetPort":"web"}]},"status":{"loadBalancer":{"ingress":[{"ip":"2.2.2.2"}]}}}"#
            ))
        #expect(service.virtualIPs == ["10.96.0.1", "1.1.1.1", "2.2.2.2"])
        #expect(service.selector == nil)
        #expect(service.affinitySeconds == 10800)
        #expect(service.isExternalTrafficLocal && !service.isInternalTrafficLocal)
        #expect(service.ports[0].proto == "TCP")
        #expect(service.ports[0].targetPort == "web")
        let headless = Service(["spec": ["clusterIP": "None", "clusterIPs": ["None"]]])
        #expect(headless.isHeadless)
        #expect(headless.virtualIPs == [])
        #expect(headless.affinitySeconds == nil)
    }

    @Test func readsEndpoints() {
        #expect(Endpoint([:]).isReady && Endpoint([:]).isServing && !Endpoint([:]).isTerminating)
        let ending = Endpoint([
            "conditions": ["ready": false, "serving": true, "terminating": true], "addresses": ["1.1.1.1"],
        ])
        #expect(!ending.isReady && ending.isServing && ending.isTerminating)
        #expect(ending.address == "1.1.1.1")
        #expect(!Endpoint(["conditions": ["ready": false]]).isServing)
        #expect(EndpointSlice(["metadata": ["labels": ["kubernetes.io/service-name": "s"]]]).serviceName == "s")
    }

    @Test func readsANode() {
        let node = Node([
            "spec": ["podCIDR": "10.244.0.0/22", "unschedulable": true],
            "status": [
                "addresses": [["type": "InternalIP", "address": "1.1.1.1"]],
                "allocatable": ["cpu": "2", "memory": "1Gi"],
                "conditions": [["type": "Ready", "status": "False"]],
            ],
        ])
        #expect(node.podCIDRs == ["10.244.0.0/22"])
        #expect(node.isUnschedulable && !node.isReady)
        #expect(node.address("InternalIP") == "1.1.1.1")
        #expect(node.address("ExternalIP") == nil)
        #expect(node.allocatable["memory"]?.value == 1 << 30)
    }

    @Test func keysOfObjects() {
        #expect((["metadata": ["name": "a", "namespace": "n"]] as JSON).objectKey == "n/a")
        #expect((["metadata": ["name": "a"]] as JSON).objectKey == "a")
        #expect((["metadata": ["name": "a", "namespace": ""]] as JSON).objectKey == "a")
    }

    @Test func volumesNameTheirSource() {
        #expect(Volume(["name": "v", "configMap": ["name": "c"]]).sourceType == "configMap")
        #expect(Volume(["configMap": ["name": "c"], "name": "v"]).source == ["name": "c"])
        #expect(Volume(["name": "v"]).sourceType == "")
    }
}
