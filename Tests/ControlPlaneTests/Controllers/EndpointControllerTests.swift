import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct EndpointControllerTests {
    private let cluster: RunningControllers
    init() async throws {
        cluster = try await RunningControllers(try await TestServer()) { client, informers, _ in
            [
                EndpointSliceController(client: client, informers: informers, log: quiet),
                EndpointsController(client: client, informers: informers, log: quiet),
                EndpointSliceMirroring(client: client, informers: informers, log: quiet),
            ]
        }
        try await cluster.admin.create(
            .nodes, Sample.node("a", labels: ["topology.kubernetes.io/zone": "z1"]))
    }

    private func createService(_ spec: JSON = [:], labels: [String: String] = [:]) async throws {
        var spec = spec
        if spec["selector"].isNull { spec["selector"] = ["app": "web"] }
        if spec["ports"].isNull { spec["ports"] = [["name": "http", "port": 80, "targetPort": "web"]] }
        try await cluster.admin.create(
            .services, namespace: "default", ["metadata": ["name": "web", "labels": JSON(labels)], "spec": spec])
    }

    private func createPod(_ name: String, port: Int? = 8080, _ spec: JSON = [:]) async throws {
        var container: JSON = ["name": "c", "image": "i"]
        if let port { container["ports"] = [["name": "web", "containerPort": .int(Int64(port))]] }
        var pod = Sample.pod(name, spec: spec, labels: ["app": "web"])
        pod["spec"]["containers"] = [container]
        try await cluster.createPod(pod)
    }

    private func slices() async throws -> [EndpointSlice] {
        try await cluster.list(.endpointSlices).map(EndpointSlice.init).filter { $0.serviceName == "web" }
    }

    /// Address → ready, of all slices.
    private func ready() async throws -> [String: Bool] {
        Dictionary(
            try await slices().flatMap(\.endpoints).map { ($0.address, $0.isReady) }, uniquingKeysWith: { $0 && $1 })
    }

    private func becomes(_ wanted: [String: Bool]) async throws -> Bool {
        try await eventually { try await ready() == wanted }
    }

    private func subsets() async throws -> [JSON] { try await cluster.get(.endpoints, "web")?["subsets"].items ?? [] }

    @Test func endpointsSayForWhomTheyAreWhereTheServicePrefersTrafficNearby() async throws {
        try await createService(["trafficDistribution": "PreferSameNode"])
        try await createPod("p1")
        try await createPod("p2")
        try await cluster.report("p1", ip: "10.1.0.1", ready: true)
        try await cluster.report("p2", ip: "10.1.0.2", ready: false)
        #expect(try await becomes(["10.1.0.1": true, "10.1.0.2": false]))
        let endpoints = try await slices().flatMap(\.endpoints)
        let ready = try #require(endpoints.first { $0.isReady })
        #expect(ready.hintedZones == ["z1"] && ready.hintedNodes == ["a"])
        #expect(endpoints.first { !$0.isReady }?.hintedZones == [])
        var service = try #require(try await cluster.get(.services, "web"))
        service["spec"]["trafficDistribution"] = "PreferClose"
        try await cluster.admin.update(.services, service)
        #expect(
            try await eventually {
                let endpoints = try await slices().flatMap(\.endpoints)
                return endpoints.contains { $0.hintedZones == ["z1"] && $0.hintedNodes.isEmpty }
            })
    }

    @Test func readyAndUnreadyPodsAreEndpoints() async throws {
        try await createService(labels: ["team": "x"])
        try await createPod("p1")
        try await createPod("p2")
        try await cluster.report("p1", ip: "10.1.0.1", ready: true)
        try await cluster.report("p2", ip: "10.1.0.2", ready: false)
        #expect(try await becomes(["10.1.0.1": true, "10.1.0.2": false]))
        let slice = try #require(try await slices().first)
        #expect(slice.addressType == "IPv4")
        #expect(slice.ports == [["name": "http", "port": 8080, "protocol": "TCP"]])
        #expect(slice.labels["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io")
        #expect(slice.labels["team"] == "x" && slice.labels["service.kubernetes.io/headless"] == nil)
        #expect(slice.annotations["endpoints.kubernetes.io/last-change-trigger-time"] != nil)
        #expect(slice.json.controllerReference?["kind"] == "Service")
        let endpoint = try #require(slice.endpoints.first { $0.address == "10.1.0.1" })
        #expect(endpoint.nodeName == "a" && endpoint.json["zone"] == "z1")
        #expect(endpoint.json["conditions"] == ["ready": true, "serving": true, "terminating": false])
        #expect(endpoint.json["targetRef"]["kind"] == "Pod" && endpoint.json["targetRef"]["name"] == "p1")
        #expect(try await eventually { try await subsets().first?["notReadyAddresses"].items.count == 1 })
        let subset = try await subsets()[0]
        #expect(subset["addresses"][0]["ip"] == "10.1.0.1" && subset["notReadyAddresses"][0]["ip"] == "10.1.0.2")
        #expect(subset["ports"] == [["name": "http", "port": 8080, "protocol": "TCP"]])
        let endpoints = try #require(try await cluster.get(.endpoints, "web"))
        #expect(endpoints.labels["endpoints.kubernetes.io/managed-by"] == "endpoint-controller")
    }

    @Test func aTerminatingPodServesButIsNotReady() async throws {
        try await createService()
        try await createPod("p1")
        try await cluster.report("p1", ip: "10.1.0.1", ready: true)
        #expect(try await becomes(["10.1.0.1": true]))
        try await cluster.admin.delete(.pods, namespace: "default", name: "p1")
        #expect(try await becomes(["10.1.0.1": false]))
        let conditions = try await slices()[0].endpoints[0].json["conditions"]
        #expect(conditions == ["ready": false, "serving": true, "terminating": true])
        #expect(try await eventually { try await subsets().isEmpty })
        try await cluster.deleteNow(.pods, "p1")
        #expect(try await becomes([:]))
        // One empty slice stays.
        #expect(try await slices().count == 1)
    }

    @Test func aServiceMayWantPodsThatAreNotReady() async throws {
        try await createService(["publishNotReadyAddresses": true])
        try await createPod("p1")
        try await cluster.report("p1", ip: "10.1.0.1", ready: false)
        #expect(try await becomes(["10.1.0.1": true]))
        #expect(try await slices()[0].endpoints[0].json["conditions"]["serving"] == false)
        try await cluster.admin.delete(.pods, namespace: "default", name: "p1")
        #expect(
            try await eventually { try await slices()[0].endpoints.first?.json["conditions"]["terminating"] == true })
        #expect(try await slices()[0].endpoints[0].isReady)
    }

    @Test func podsWithOtherPortsAreOtherSubsets() async throws {
        try await createService()
        try await createPod("p1", port: 8080)
        try await createPod("p2", port: 9090)
        try await createPod("p3", port: nil)
        for (index, name) in ["p1", "p2", "p3"].enumerated() {
            try await cluster.report(name, ip: "10.1.0.\(index + 1)", ready: true)
        }
        #expect(try await eventually { try await slices().flatMap(\.endpoints).count == 3 })
        let ports = Dictionary(
            uniqueKeysWithValues: try await slices().map { ($0.endpoints[0].address, $0.ports.map { $0["port"] }) })
        #expect(ports == ["10.1.0.1": [8080], "10.1.0.2": [9090], "10.1.0.3": []])
        #expect(try await eventually { try await subsets().count == 2 })
        #expect(Set(try await subsets().map { $0["ports"][0]["port"].int }) == [8080, 9090])
    }

    @Test func onlyPodsThatAreSelectedCount() async throws {
        try await createService()
        try await createPod("p1")
        try await cluster.createPod(Sample.pod("other", labels: ["app": "db"]))
        try await cluster.report("p1", ip: "10.1.0.1", ready: true)
        try await cluster.report("other", ip: "10.1.0.2", ready: true)
        #expect(try await becomes(["10.1.0.1": true]))
        try await cluster.admin.patch(.pods, namespace: "default", name: "p1", ["metadata": ["labels": ["app": "db"]]])
        #expect(try await becomes([:]))
        try await cluster.admin.patch(
            .services, namespace: "default", name: "web", ["spec": ["selector": ["app": "db"]]])
        #expect(try await becomes(["10.1.0.1": true, "10.1.0.2": true]))
        try await cluster.admin.patch(
            .pods, namespace: "default", name: "other", subresource: "status", ["status": ["phase": "Succeeded"]])
        #expect(try await becomes(["10.1.0.1": true]))
    }

    @Test func aHeadlessServiceNamesItsPods() async throws {
        try await createService(["clusterIP": "None", "ports": []])
        try await createPod("p1", ["hostname": "db-0", "subdomain": "web"])
        try await createPod("p2", ["hostname": "db-1", "subdomain": "else"])
        try await cluster.report("p1", ip: "10.1.0.1", ready: true)
        try await cluster.report("p2", ip: "10.1.0.2", ready: true)
        #expect(try await becomes(["10.1.0.1": true, "10.1.0.2": true]))
        let slice = try await slices()[0]
        #expect(slice.labels["service.kubernetes.io/headless"] == "")
        #expect(slice.endpoints.map { $0.json["hostname"] } == ["db-0", .null])
        #expect(try await eventually { try await subsets().first?["addresses"].items.count == 2 })
        #expect(try await subsets()[0]["addresses"][0]["hostname"] == "db-0")
    }

    @Test func manyPodsFillSlicesAndAreMadeOnce() async throws {
        try await createService()
        for number in 0..<130 {
            try await createPod("p\(number)")
            try await cluster.report("p\(number)", ip: "10.1.\(number / 100).\(number % 100 + 1)", ready: true)
        }
        #expect(try await eventually { try await ready().count == 130 })
        let counts = try await slices().map(\.endpoints.count).sorted()
        #expect(counts == [30, 100])
        #expect(try await eventually { try await subsets().first?["addresses"].items.count == 130 })
    }

    @Test func aSliceThatSomebodyBrokeIsSetRight() async throws {
        try await createService()
        try await createPod("p1")
        try await cluster.report("p1", ip: "10.1.0.1", ready: true)
        #expect(try await becomes(["10.1.0.1": true]))
        var slice = try await slices()[0].json
        slice["endpoints"] = [["addresses": ["10.9.9.9"]]]
        slice["metadata"]["resourceVersion"] = .null
        try await cluster.admin.update(.endpointSlices, slice)
        #expect(try await becomes(["10.1.0.1": true]))
        try await cluster.deleteNow(.endpointSlices, slice.name)
        #expect(try await eventually { try await slices().first.map { $0.uid != slice.uid } ?? false })
        #expect(try await becomes(["10.1.0.1": true]))
    }

    @Test func theEndpointsGoWithTheService() async throws {
        try await createService()
        #expect(try await eventually { try await slices().count == 1 })
        #expect(try await eventually { try await cluster.get(.endpoints, "web") != nil })
        try await cluster.deleteNow(.services, "web")
        #expect(try await eventually { try await slices().isEmpty })
        #expect(try await eventually { try await cluster.get(.endpoints, "web") == nil })
    }

    @Test func aServiceThatIsHeldServesOn() async throws {
        try await createService()
        try await createPod("p1")
        try await cluster.report("p1", ip: "10.1.0.1", ready: true)
        #expect(try await becomes(["10.1.0.1": true]))
        try await cluster.admin.patch(
            .services, namespace: "default", name: "web", ["metadata": ["finalizers": ["test/hold"]]])
        try await cluster.deleteNow(.services, "web")
        #expect(try await ready() == ["10.1.0.1": true])
        try await cluster.admin.patch(.services, namespace: "default", name: "web", ["metadata": ["finalizers": []]])
        #expect(try await eventually { try await slices().isEmpty })
    }

    // MARK: made by hand

    private func createByHand(_ subsets: JSON) async throws {
        try await cluster.admin.create(
            .endpoints, namespace: "default",
            ["metadata": ["name": "web", "labels": ["a": "b"], "annotations": ["note": "x"]], "subsets": subsets])
    }

    @Test func endpointsMadeByHandAreMirrored() async throws {
        // They may come before their service.
        try await createByHand([
            [
                "addresses": [["ip": "10.5.0.1", "nodeName": "a"]], "notReadyAddresses": [["ip": "10.5.0.2"]],
                "ports": [["name": "http", "port": 80]],
            ],
            ["addresses": [["ip": "10.5.0.3"]], "ports": [["name": "http", "port": 81]]],
        ])
        try await cluster.admin.create(
            .services, namespace: "default",
            ["metadata": ["name": "web"], "spec": ["ports": [["name": "http", "port": 80]]]])
        #expect(try await becomes(["10.5.0.1": true, "10.5.0.2": false, "10.5.0.3": true]))
        let slices = try await slices()
        #expect(slices.map { $0.ports[0]["port"] } == [80, 81])
        #expect(
            slices[0].labels["endpointslice.kubernetes.io/managed-by"] == "endpointslicemirroring-controller.k8s.io")
        #expect(slices[0].labels["a"] == "b" && slices[0].annotations["note"] == "x")
        #expect(slices[0].endpoints[0].nodeName == "a")
        var endpoints = try #require(try await cluster.get(.endpoints, "web"))
        endpoints["subsets"] = [endpoints["subsets"][1]]
        try await cluster.admin.update(.endpoints, endpoints)
        #expect(try await becomes(["10.5.0.3": true]))
        // A selector makes them the other controllers'.
        try await cluster.admin.patch(
            .services, namespace: "default", name: "web", ["spec": ["selector": ["app": "web"]]])
        #expect(try await becomes([:]))
        try await cluster.deleteNow(.services, "web")
        #expect(try await eventually { try await cluster.get(.endpoints, "web") == nil })
    }

    @Test func whoDoesNotWantAMirrorSaysSo() async throws {
        try await cluster.admin.create(
            .services, namespace: "default", ["metadata": ["name": "web"], "spec": ["ports": [["port": 80]]]])
        try await createByHand([["addresses": [["ip": "10.5.0.1"]]]])
        #expect(try await becomes(["10.5.0.1": true]))
        try await cluster.admin.patch(
            .endpoints, namespace: "default", name: "web",
            ["metadata": ["labels": ["endpointslice.kubernetes.io/skip-mirror": "true"]]])
        #expect(try await becomes([:]))
        #expect(try await cluster.get(.endpoints, "web") != nil)
    }
}

@Suite struct SlicePlanTests {
    private func endpoint(_ number: Int, ready: Bool = true) -> JSON {
        [
            "addresses": [.string("10.0.\(number / 250).\(number % 250 + 1)")], "conditions": ["ready": .bool(ready)],
            "targetRef": ["uid": .string("\(number)")],
        ]
    }

    private func slice(_ name: String, _ numbers: some Sequence<Int>) -> JSON {
        ["metadata": ["name": .string(name)], "endpoints": .array(numbers.map { endpoint($0) })]
    }

    private func changed(_ plan: SlicePlan) -> [String] {
        plan.slices.filter(\.isChanged).map { $0.old?.name ?? "new" }
    }

    @Test func newEndpointsFillNewSlices() {
        let plan = SlicePlan(wanted: (0..<250).map { endpoint($0) }, present: [])
        #expect(plan.slices.map(\.endpoints.count) == [100, 100, 50])
    }

    @Test func whatIsThereStaysWhereItIs() {
        let present = [slice("a", 0..<100), slice("b", 100..<150)]
        let plan = SlicePlan(wanted: (0..<150).shuffled().map { endpoint($0) }, present: present)
        #expect(changed(plan).isEmpty)
    }

    @Test func aChangedEndpointChangesItsSliceAlone() {
        let present = [slice("a", 0..<100), slice("b", 100..<150)]
        var wanted = (0..<150).map { endpoint($0) }
        wanted[120] = endpoint(120, ready: false)
        #expect(changed(SlicePlan(wanted: wanted, present: present)) == ["b"])
    }

    @Test func aNewEndpointGoesWhereSomethingChangesAnyway() {
        let present = [slice("a", 0..<50), slice("b", 50..<100)]
        // One of `a` went and one came.
        let plan = SlicePlan(wanted: (1..<101).map { endpoint($0) }, present: present)
        #expect(changed(plan) == ["a"])
        #expect(plan.slices[0].endpoints.count == 50)
    }

    @Test func newEndpointsGoToTheFullestSliceTheyFitInto() {
        let present = [slice("a", 0..<90), slice("b", 100..<150), slice("c", 200..<300)]
        let all = Array(0..<90) + Array(100..<150) + Array(200..<300)
        #expect(changed(SlicePlan(wanted: (all + [900]).map { endpoint($0) }, present: present)) == ["a"])
        #expect(changed(SlicePlan(wanted: (all + Array(900..<930)).map { endpoint($0) }, present: present)) == ["b"])
        // What fits into none is not spread over all of them.
        #expect(changed(SlicePlan(wanted: (all + Array(900..<980)).map { endpoint($0) }, present: present)) == ["new"])
    }

    @Test func anEmptiedSliceIsUsedAgain() {
        let plan = SlicePlan(wanted: (500..<600).map { endpoint($0) }, present: [slice("a", 0..<10)])
        #expect(plan.slices.count == 1 && plan.slices[0].endpoints.count == 100)
    }

    @Test func noSliceHoldsMoreThanAHundred() {
        var present: [JSON] = []
        for round in 1...20 {
            let wanted = (0..<(round * 37 % 400)).map { endpoint($0) }
            let plan = SlicePlan(wanted: wanted, present: present)
            #expect(plan.slices.allSatisfy { $0.endpoints.count <= 100 })
            #expect(
                Set(plan.slices.flatMap(\.endpoints).map { $0["targetRef"]["uid"].stringValue }).count == wanted.count)
            present = plan.slices.enumerated().filter { !$0.element.endpoints.isEmpty }.map {
                ["metadata": ["name": .string("s\(round)-\($0.offset)")], "endpoints": .array($0.element.endpoints)]
            }
        }
    }
}

@Suite struct TriggerTimesTests {
    private let service = Service([
        "metadata": ["name": "web", "namespace": "default", "creationTimestamp": "2024-01-01T00:00:00Z"]
    ])

    private func pod(_ name: String, _ time: String) -> Pod {
        var pod = Sample.pod(name)
        pod["status"]["conditions"] = [["type": "Ready", "status": "True", "lastTransitionTime": .string(time)]]
        return Pod(pod)
    }

    @Test func theOldestOfWhatChangedIsTold() {
        let times = TriggerTimes()
        #expect(times.next(service, []) == "2024-01-01T00:00:00Z")
        #expect(times.next(service, []) == nil)
        let first = pod("a", "2024-01-01T01:00:00Z")
        let second = pod("b", "2024-01-01T02:00:00Z")
        #expect(times.next(service, [first, second]) == "2024-01-01T01:00:00Z")
        #expect(times.next(service, [first, second]) == nil)
        #expect(times.next(service, [pod("a", "2024-01-01T03:00:00Z"), second]) == "2024-01-01T03:00:00Z")
        times.forget(service.key)
        #expect(times.next(service, []) == "2024-01-01T00:00:00Z")
    }
}

@Suite struct WrittenObjectsTests {
    private let server: TestServer
    private let written: WrittenObjects
    init() async throws {
        server = try await TestServer()
        // It is not run: it shows nothing.
        written = WrittenObjects(Informer(server.admin, .endpointSlices, log: quiet))
    }

    private func object(_ uid: String, _ revision: Int) -> JSON {
        ["metadata": ["name": .string(uid), "uid": .string(uid), "resourceVersion": .string(String(revision))]]
    }

    @Test func whatWasWrittenIsAwaited() {
        #expect(written.areSeen("k"))
        written.wrote("k", object("1", 10))
        written.observed("k", .added(object("1", 9)))
        #expect(!written.areSeen("k"))
        written.observed("k", .updated(old: object("1", 9), new: object("1", 12)))
        #expect(written.areSeen("k"))
    }

    @Test func whatCameAndWentBeforeTheAnswerIsNotAwaited() {
        written.observed("k", .added(object("1", 10)))
        written.observed("k", .deleted(object("1", 11)))
        written.wrote("k", object("1", 10))
        #expect(written.areSeen("k"))
        written.wrote("k", object("2", 12))
        #expect(!written.areSeen("k"))
    }

    @Test func whatIsShownAlreadyIsNotAwaited() async throws {
        let informer = Informer(server.admin, .configMaps, log: quiet)
        let task = Task { await informer.run() }
        await informer.waitForSync()
        let written = WrittenObjects(informer)
        let object = try await server.makeConfigMap("x")
        #expect(try await eventually { informer.get("default/x") != nil })
        written.wrote("k", object)
        #expect(written.areSeen("k"))
        written.deleted("k", object)
        #expect(!written.areSeen("k"))
        try await server.admin.delete(.configMaps, namespace: "default", name: "x")
        #expect(try await eventually { informer.get("default/x") == nil })
        written.deleted("k", object)
        #expect(written.areSeen("k"))
        task.cancel()
    }
}
