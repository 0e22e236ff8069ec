import KubeAPI
import Synchronization
import Testing

@testable import ControlPlane

@Suite struct NodeIPAMTests {
    private func cluster(
        _ range: String, _ maskSize: Int, second: (range: CIDR, maskSize: Int)? = nil
    ) async throws -> RunningControllers {
        let range = try #require(CIDR(range))
        return try await RunningControllers(try await TestServer()) { client, informers, recorder in
            [
                NodeIPAM(
                    client: client, informers: informers, range: range, maskSize: maskSize, second: second,
                    recorder: recorder, log: quiet)
            ]
        }
    }

    private func range(_ name: String, _ cluster: RunningControllers) async throws -> String? {
        _ = try await eventually { try await cluster.get(.nodes, name).flatMap { Node($0).podCIDR } != nil }
        return try await cluster.get(.nodes, name).flatMap { Node($0).podCIDR }
    }

    @Test func nodesGetPartsOfTheRangeInOrder() async throws {
        let cluster = try await cluster("10.244.0.0/16", 22)
        for name in ["a", "b"] {
            try await cluster.admin.create(.nodes, Sample.node(name))
            #expect(try await range(name, cluster) == (name == "a" ? "10.244.0.0/22" : "10.244.4.0/22"))
        }
        let node = try #require(try await cluster.get(.nodes, "b"))
        #expect(node["spec"]["podCIDRs"] == ["10.244.4.0/22"])
    }

    @Test func nodesGetAPartOfEachFamilysRange() async throws {
        let cluster = try await cluster(
            "10.244.0.0/16", 22, second: (try #require(CIDR("fd00:10:244::/56")), 64))
        for name in ["a", "b"] {
            try await cluster.admin.create(.nodes, Sample.node(name))
            _ = try await range(name, cluster)
        }
        let node = try #require(try await cluster.get(.nodes, "b"))
        #expect(node["spec"]["podCIDR"] == "10.244.4.0/22")
        #expect(node["spec"]["podCIDRs"] == ["10.244.4.0/22", "fd00:10:244:1::/64"])
    }

    @Test func rangesOfNodesAreKeptAndAvoided() async throws {
        let cluster = try await cluster("10.244.0.0/16", 24)
        var node = Sample.node("mine")
        node["spec"]["podCIDR"] = "10.244.0.0/23"
        try await cluster.admin.create(.nodes, node)
        try await cluster.admin.create(.nodes, Sample.node("a"))
        #expect(try await range("a", cluster) == "10.244.2.0/24")
        #expect(try await range("mine", cluster) == "10.244.0.0/23")
    }

    @Test func aRangeThatIsUsedUpIsToldAndGivenAgain() async throws {
        let cluster = try await cluster("10.244.0.0/23", 24)
        for name in ["a", "b"] {
            try await cluster.admin.create(.nodes, Sample.node(name))
            #expect(try await range(name, cluster) != nil)
        }
        try await cluster.admin.create(.nodes, Sample.node("c"))
        #expect(try await eventually { try await cluster.events("CIDRNotAvailable").count == 1 })
        try await cluster.deleteNow(.nodes, "a")
        #expect(try await range("c", cluster) == "10.244.0.0/24")
    }

    @Test func manyNodesGetRangesOfTheirOwn() async throws {
        let cluster = try await cluster("10.0.0.0/16", 24)
        for number in 0..<60 { try await cluster.admin.create(.nodes, Sample.node("n\(number)")) }
        let isDone = try await eventually {
            try await cluster.list(.nodes, nil).allSatisfy { Node($0).podCIDR != nil }
        }
        #expect(isDone)
        #expect(Set(try await cluster.list(.nodes, nil).compactMap { Node($0).podCIDR }).count == 60)
    }
}

/// A clock that stands still until the test moves it.
final class TestClock: Sendable {
    private let instant = Mutex(ContinuousClock.now)
    var now: ContinuousClock.Instant { instant.withLock { $0 } }
    func advance(_ seconds: Int) { instant.withLock { $0 += .seconds(seconds) } }
}

@Suite struct NodeLifecycleTests {
    private let clock = TestClock()

    private func start() async throws -> (RunningControllers, NodeLifecycle) {
        var lifecycle: NodeLifecycle?
        let cluster = try await RunningControllers(try await TestServer(namespaces: ["default", "kube-node-lease"])) {
            client, informers, recorder in
            let made = NodeLifecycle(
                client: client, informers: informers, recorder: recorder, log: quiet, now: { [clock] in clock.now })
            lifecycle = made
            return [made, TaintEviction(client: client, informers: informers, recorder: recorder, log: quiet)]
        }
        return (cluster, try #require(lifecycle))
    }

    private func cluster() async throws -> RunningControllers { try await start().0 }

    /// Has the nodes looked at now, as their timers would.
    private func wake(_ names: String..., in cluster: RunningControllers) async throws {
        for name in names {
            try await cluster.admin.patch(.nodes, name: name, ["spec": ["unschedulable": true]])
        }
    }

    private func taints(_ name: String, _ cluster: RunningControllers) async throws -> [String] {
        (try await cluster.get(.nodes, name)?["spec"]["taints"].items ?? []).map {
            "\($0["key"].stringValue):\($0["effect"].stringValue)"
        }.sorted()
    }

    private func setReady(_ name: String, _ status: String, _ cluster: RunningControllers) async throws {
        var node = try #require(try await cluster.get(.nodes, name))
        node["status"]["conditions"] = [["type": "Ready", "status": .string(status)]]
        node["metadata"]["resourceVersion"] = .null
        try await cluster.admin.update(.nodes, subresource: "status", node)
    }

    @Test func taintsFollowTheConditions() async throws {
        let cluster = try await cluster()
        var node = Sample.node("a")
        node["status"]["conditions"] = .null
        try await cluster.admin.create(.nodes, node)
        try await cluster.admin.create(.nodes, Sample.node("b"))
        let notReady = "node.kubernetes.io/not-ready"
        #expect(
            try await eventually {
                try await taints("a", cluster) == ["\(notReady):NoExecute", "\(notReady):NoSchedule"]
            })
        try await setReady("a", "True", cluster)
        #expect(try await eventually { try await taints("a", cluster).isEmpty })
        try await cluster.admin.patch(.nodes, name: "a", ["spec": ["unschedulable": true]])
        #expect(
            try await eventually { try await taints("a", cluster) == ["node.kubernetes.io/unschedulable:NoSchedule"] })
        try await cluster.admin.patch(.nodes, name: "a", ["spec": ["unschedulable": false]])
        #expect(try await eventually { try await taints("a", cluster).isEmpty })
    }

    @Test func taintsOfOthersStay() {
        var node = Sample.node("a", taints: [Sample.taint("mine")])
        node["status"]["conditions"] = [
            ["type": "Ready", "status": "Unknown"], ["type": "DiskPressure", "status": "True"],
            ["type": "MemoryPressure", "status": "False"],
        ]
        let texts = { (isDisrupted: Bool) in
            NodeLifecycle.taints(Node(node), isDisrupted: isDisrupted).map { "\($0.key):\($0.effect)" }
        }
        #expect(
            texts(false) == [
                "node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute",
                "node.kubernetes.io/disk-pressure:NoSchedule",
            ])
        #expect(!texts(true).contains("node.kubernetes.io/unreachable:NoExecute"))
    }

    @Test func aSilentNodeIsUnknownAndItsPodsAreNotReady() async throws {
        let (cluster, lifecycle) = try await start()
        try await cluster.admin.create(.nodes, Sample.node("a"))
        try await cluster.createPod(Sample.pod("p"))
        try await cluster.report("p", ip: "10.0.0.1", ready: true, on: "a")
        #expect(try await eventually { lifecycle.silence(of: "a") != nil })
        clock.advance(41)
        try await wake("a", in: cluster)
        #expect(try await eventually { try await readiness("a", cluster) == "Unknown" })
        let node = Node(try await cluster.get(.nodes, "a") ?? .null)
        #expect(node.condition("Ready")?["reason"] == "NodeStatusUnknown")
        #expect(node.condition("Ready")?["message"] == "Kubelet stopped posting node status.")
        #expect(node.condition("MemoryPressure")?["reason"] == "NodeStatusNeverUpdated")
        #expect(try await eventually { try await cluster.pods().first?.isReady == false })
        #expect(try await eventually { try await cluster.events("NodeNotReady").count == 2 })
        // It was the only node: rather we are cut off than it is dead, and nobody is driven away.
        #expect(
            try await eventually {
                try await taints("a", cluster) == [
                    "node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unschedulable:NoSchedule",
                ]
            })
    }

    @Test func aNodeThatRenewsItsLeaseIsAlive() async throws {
        let (cluster, lifecycle) = try await start()
        for name in ["quiet", "alive"] { try await cluster.admin.create(.nodes, Sample.node(name)) }
        var lease = try await cluster.admin.create(
            .leases, namespace: "kube-node-lease",
            ["metadata": ["name": "alive"], "spec": ["renewTime": "2024-01-01T00:00:00.000000Z"]])
        #expect(
            try await eventually { lifecycle.silence(of: "quiet") == .zero && lifecycle.silence(of: "alive") == .zero })
        clock.advance(30)
        lease["spec"]["renewTime"] = "2024-01-01T00:00:30.000000Z"
        try await cluster.admin.update(.leases, lease)
        #expect(try await eventually { lifecycle.silence(of: "alive") == .zero })
        clock.advance(15)
        try await wake("quiet", "alive", in: cluster)
        #expect(try await eventually { try await readiness("quiet", cluster) == "Unknown" })
        // The other one was looked at, too: its taint is there.
        #expect(
            try await eventually {
                try await taints("alive", cluster) == ["node.kubernetes.io/unschedulable:NoSchedule"]
            })
        #expect(try await readiness("alive", cluster) == "True")
        #expect(
            try await eventually {
                try await taints("quiet", cluster) == [
                    "node.kubernetes.io/unreachable:NoExecute", "node.kubernetes.io/unreachable:NoSchedule",
                    "node.kubernetes.io/unschedulable:NoSchedule",
                ]
            })
    }

    private func readiness(_ name: String, _ cluster: RunningControllers) async throws -> String? {
        Node(try await cluster.get(.nodes, name) ?? .null).condition("Ready")?["status"].string
    }

    // MARK: eviction

    private func bear(_ name: String, _ tolerations: JSON, _ cluster: RunningControllers) async throws {
        var pod = Sample.pod(name)
        pod["spec"]["tolerations"] = tolerations
        pod["spec"]["nodeName"] = "a"
        try await cluster.createPod(pod)
    }

    @Test func podsThatDoNotBearATaintLeave() async throws {
        let cluster = try await cluster()
        try await cluster.admin.create(.nodes, Sample.node("a"))
        try await bear("leaves", [], cluster)
        try await bear("stays", [["key": "k", "operator": "Exists"]], cluster)
        try await bear(
            "later", [["key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1]], cluster)
        try await bear(
            "muchlater", [["key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3600]], cluster
        )
        try await cluster.admin.patch(.nodes, name: "a", ["spec": ["taints": [Sample.taint("k", effect: "NoExecute")]]])
        let isLeaving = { (name: String) in try await cluster.get(.pods, name)?.isDeleting ?? true }
        #expect(try await eventually { try await isLeaving("leaves") })
        #expect(try await eventually { try await isLeaving("later") })
        #expect(try await !isLeaving("stays"))
        #expect(try await !isLeaving("muchlater"))
        let pod = Pod(try await cluster.get(.pods, "leaves") ?? .null)
        #expect(pod.condition("DisruptionTarget")?["reason"] == "DeletionByTaintManager")
        #expect(try await eventually { try await cluster.events("TaintManagerEviction").count == 2 })
        // One that comes too late leaves as well.
        try await bear("late", [], cluster)
        #expect(try await eventually { try await isLeaving("late") })
        try await cluster.admin.patch(.nodes, name: "a", ["spec": ["taints": []]])
        #expect(
            try await eventually {
                try await cluster.events("TaintManagerEviction").contains {
                    $0["message"] == "Cancelling deletion of Pod default/muchlater"
                }
            })
    }

    @Test func theShortestBoundCounts() {
        let verdict = { (tolerations: [JSON], taints: [Taint]) in
            TaintEviction.verdict(tolerations.map(Toleration.init), taints)
        }
        let first = Taint(key: "a", effect: "NoExecute")
        let second = Taint(key: "b", effect: "NoExecute")
        let bearing = { (key: String, seconds: Int64?) -> JSON in
            ["key": .string(key), "operator": "Exists", "tolerationSeconds": seconds.map { .int($0) } ?? .null]
        }
        #expect(verdict([], [first]) == .leaves(after: .zero))
        #expect(verdict([bearing("a", nil)], [first]) == .stays)
        #expect(verdict([bearing("a", nil)], [first, second]) == .leaves(after: .zero))
        #expect(verdict([bearing("a", 60), bearing("b", 30)], [first, second]) == .leaves(after: .seconds(30)))
        #expect(verdict([bearing("a", 60), bearing("a", 30)], [first]) == .leaves(after: .seconds(30)))
        #expect(verdict([bearing("a", -5)], [first]) == .leaves(after: .zero))
    }
}

@Suite struct PodGCTests {
    private let clock = TestClock()

    private func start(limit: Int = 100) async throws -> (RunningControllers, PodGC) {
        var collector: PodGC?
        let cluster = try await RunningControllers(try await TestServer()) { client, informers, _ in
            collector = PodGC(
                client: client, informers: informers, log: quiet, terminatedLimit: limit, now: { [clock] in clock.now })
            return []
        }
        return (cluster, try #require(collector))
    }

    private func pod(_ name: String, on node: String?) -> JSON {
        var pod = Sample.pod(name)
        pod["spec"]["nodeName"] = JSON(node)
        return pod
    }

    /// Sweeps until the condition holds: the informers may lag.
    private func sweeps(_ collector: PodGC, _ condition: () async throws -> Bool) async throws -> Bool {
        try await eventually {
            await collector.sweep()
            return try await condition()
        }
    }

    @Test func podsOfANodeThatIsGoneGoAfterAWhile() async throws {
        let (cluster, collector) = try await start()
        try await cluster.admin.create(.nodes, Sample.node("there"))
        try await cluster.createPod(pod("kept", on: "there"))
        try await cluster.createPod(pod("waiting", on: nil))
        try await cluster.createPod(pod("lost", on: "gone"))
        // The first sweep that sees it starts the clock.
        clock.advance(41)
        #expect(
            try await sweeps(collector) {
                clock.advance(41)
                return try await cluster.get(.pods, "lost") == nil
            })
        #expect(try await Set(cluster.pods().map(\.name)) == ["kept", "waiting"])
    }

    @Test func aNodeThatComesBackKeepsItsPods() async throws {
        let (cluster, collector) = try await start()
        try await cluster.createPod(pod("p", on: "a"))
        try await cluster.createPod(pod("marker", on: "b"))
        #expect(try await sweeps(collector) { try await cluster.pods().count == 2 })
        try await cluster.admin.create(.nodes, Sample.node("a"))
        #expect(
            try await sweeps(collector) {
                clock.advance(41)
                return try await cluster.get(.pods, "marker") == nil
            })
        #expect(try await cluster.get(.pods, "p") != nil)
    }

    @Test func theOldestOfTooManyEndedPodsGo() async throws {
        let (cluster, collector) = try await start(limit: 1)
        try await cluster.admin.create(.nodes, Sample.node("a"))
        for name in ["p1", "p2", "running"] {
            try await cluster.createPod(pod(name, on: "a"))
            if name != "running" {
                try await cluster.admin.patch(
                    .pods, namespace: "default", name: name, subresource: "status", ["status": ["phase": "Succeeded"]])
            }
        }
        #expect(try await sweeps(collector) { try await cluster.get(.pods, "p1") == nil })
        #expect(try await Set(cluster.pods().map(\.name)) == ["p2", "running"])
    }
}

@Suite struct ObjectIndexTests {
    @Test func objectsAreFoundByWhatTheyShare() async throws {
        let server = try await TestServer()
        let informer = Informer(server.admin, .configMaps, log: quiet)
        let index = ObjectIndex(informer) { $0.labels["group"] }
        let task = Task { await informer.run() }
        defer { task.cancel() }
        let names = { (group: String) in index(group).map(\.name).sorted() }
        try await server.makeConfigMap("a", labels: ["group": "x"])
        try await server.makeConfigMap("b", labels: ["group": "x"])
        try await server.makeConfigMap("c")
        #expect(try await eventually { names("x") == ["a", "b"] })
        try await server.admin.patch(
            .configMaps, namespace: "default", name: "a", ["metadata": ["labels": ["group": "y"]]])
        #expect(try await eventually { names("x") == ["b"] && names("y") == ["a"] })
        try await server.admin.delete(.configMaps, namespace: "default", name: "a")
        #expect(try await eventually { names("y").isEmpty })
    }
}

@Suite struct EventTTLTests {
    @Test func eventsGoWhenTheirTimeIsOver() async throws {
        let server = try await TestServer()
        let make = { (name: String, age: Int) in
            try await server.admin.create(
                .events, namespace: "default",
                [
                    "metadata": ["name": .string(name)],
                    "involvedObject": ["kind": "Pod", "namespace": "default", "name": "p"],
                    "lastTimestamp": .string((Timestamp.now() - .seconds(age)).rfc3339),
                ])
        }
        _ = try await make("over", 3)
        _ = try await make("soon", 0)
        _ = try await make("later", -3600)
        let cluster = try await RunningControllers(server) { client, _, _ in
            [EventTTL(client: client, ttl: .seconds(2), log: quiet)]
        }
        for name in ["over", "soon"] { #expect(try await eventually { try await cluster.get(.events, name) == nil }) }
        #expect(try await cluster.get(.events, "later") != nil)
    }

    @Test func theLastSightingCounts() {
        let event: JSON = [
            "lastTimestamp": "2024-01-01T00:00:00Z", "series": ["lastObservedTime": "2024-01-02T00:00:00.000000Z"],
        ]
        #expect(EventTTL.lastSeen(event) == Timestamp(rfc3339: "2024-01-02T00:00:00Z"))
    }
}
