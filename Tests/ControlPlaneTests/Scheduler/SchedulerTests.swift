import KubeAPI
import Testing

@testable import ControlPlane

/// A scheduler at work on a server.
final class RunningScheduler: Sendable {
    let server: TestServer
    private let task: Task<Void, Never>

    init(_ server: TestServer) {
        self.server = server
        let scheduler = Scheduler(client: server.client(as: .scheduler), log: quiet)
        task = Task { await scheduler.run() }
    }

    deinit { task.cancel() }

    func addNode(_ node: JSON) async throws { try await server.admin.create(.nodes, node) }

    func addPod(_ pod: JSON) async throws { try await server.admin.create(.pods, namespace: "default", pod) }

    func pod(_ name: String) async throws -> Pod {
        Pod(try await server.admin.get(.pods, namespace: "default", name: name))
    }

    /// The node that the pod gets.
    func node(of name: String) async throws -> String {
        let isBound = try await eventually { try await !pod(name).nodeName.isEmpty }
        #expect(isBound, "the pod \(name) was not bound")
        return try await pod(name).nodeName
    }

    /// What the pod's condition says once it says so.
    func waits(_ name: String, _ message: String) async throws -> Bool {
        try await eventually { try await pod(name).condition("PodScheduled")?["message"].string == message }
    }

    func events(_ reason: String, about name: String) async throws -> [JSON] {
        try await server.admin.list(.events, namespace: "default")["items"].items.filter {
            $0["reason"].string == reason && $0["involvedObject"]["name"].string == name
        }
    }
}

@Suite struct SchedulerTests {
    private let cluster: RunningScheduler
    init() async throws { cluster = RunningScheduler(try await TestServer()) }

    @Test func aPodIsBoundAndTold() async throws {
        try await cluster.addNode(Sample.node("a"))
        try await cluster.addPod(Sample.pod("web"))
        #expect(try await cluster.node(of: "web") == "a")
        #expect(try await cluster.pod("web").isTrue("PodScheduled"))
        #expect(try await eventually { try await cluster.events("Scheduled", about: "web").count == 1 })
        let event = try #require(try await cluster.events("Scheduled", about: "web").first)
        #expect(event["message"] == "Successfully assigned default/web to a")
        #expect(event["source"]["component"] == "default-scheduler")
    }

    @Test func aPodThatFitsNowhereWaitsAndSaysWhyOnce() async throws {
        try await cluster.addNode(Sample.node("a", cpu: "1"))
        try await cluster.addPod(Sample.pod("web", cpu: "2"))
        #expect(try await cluster.waits("web", "0/1 nodes are available: 1 Insufficient cpu."))
        let condition = try await cluster.pod("web").condition("PodScheduled")
        #expect(condition?["status"] == "False" && condition?["reason"] == "Unschedulable")
        // A change that does not help says nothing new.
        try await cluster.server.admin.patch(.nodes, name: "a", ["metadata": ["labels": ["x": "y"]]])
        try await cluster.addNode(Sample.node("b", cpu: "1"))
        #expect(try await cluster.waits("web", "0/2 nodes are available: 2 Insufficient cpu."))
        let events = try await cluster.events("FailedScheduling", about: "web")
        #expect(events.allSatisfy { $0["type"] == "Warning" && $0["count"] == 1 })
        #expect(events.count == 2)
    }

    @Test func aPodIsBoundWhenANodeComes() async throws {
        try await cluster.addPod(Sample.pod("web"))
        #expect(try await cluster.waits("web", "no nodes available to schedule pods"))
        try await cluster.addNode(Sample.node("a"))
        #expect(try await cluster.node(of: "web") == "a")
        #expect(try await cluster.pod("web").isTrue("PodScheduled"))
    }

    @Test func aPodIsBoundWhenAnotherEndsOrGoes() async throws {
        try await cluster.addNode(Sample.node("a", cpu: "1"))
        try await cluster.addPod(Sample.pod("first", cpu: "1"))
        _ = try await cluster.node(of: "first")
        try await cluster.addPod(Sample.pod("second", cpu: "1"))
        #expect(try await cluster.waits("second", "0/1 nodes are available: 1 Insufficient cpu."))
        try await cluster.server.admin.patch(
            .pods, namespace: "default", name: "first", subresource: "status", ["status": ["phase": "Succeeded"]])
        #expect(try await cluster.node(of: "second") == "a")
        try await cluster.addPod(Sample.pod("third", cpu: "1"))
        #expect(try await cluster.waits("third", "0/1 nodes are available: 1 Insufficient cpu."))
        try await cluster.server.admin.delete(
            .pods, namespace: "default", name: "second", options: ["gracePeriodSeconds": 0])
        #expect(try await cluster.node(of: "third") == "a")
    }

    @Test func aPodIsBoundWhenATaintGoes() async throws {
        try await cluster.addNode(Sample.node("a", taints: [Sample.taint("k")]))
        try await cluster.addPod(Sample.pod("web"))
        #expect(try await cluster.waits("web", "0/1 nodes are available: 1 node(s) had untolerated taint(s)."))
        try await cluster.server.admin.patch(.nodes, name: "a", ["spec": ["taints": []]])
        #expect(try await cluster.node(of: "web") == "a")
    }

    @Test func gatesHoldAPodBack() async throws {
        try await cluster.addNode(Sample.node("a"))
        try await cluster.addPod(Sample.pod("gated", spec: ["schedulingGates": [["name": "a/b"]]]))
        try await cluster.addPod(Sample.pod("free"))
        _ = try await cluster.node(of: "free")
        #expect(try await cluster.pod("gated").nodeName.isEmpty)
        try await cluster.server.admin.patch(
            .pods, namespace: "default", name: "gated", ["spec": ["schedulingGates": []]])
        #expect(try await cluster.node(of: "gated") == "a")
    }

    @Test func podsOfOtherSchedulersAreLeftAlone() async throws {
        try await cluster.addNode(Sample.node("a"))
        try await cluster.addPod(Sample.pod("theirs", spec: ["schedulerName": "mine"]))
        try await cluster.addPod(Sample.pod("ours"))
        _ = try await cluster.node(of: "ours")
        #expect(try await cluster.pod("theirs").nodeName.isEmpty)
    }

    @Test func aBurstFillsTheNodesAndNotMore() async throws {
        for name in ["a", "b"] { try await cluster.addNode(Sample.node(name, cpu: "1")) }
        for number in 0..<25 { try await cluster.addPod(Sample.pod("p\(number)", cpu: "100m")) }
        let isFull = try await eventually {
            let pods = try await cluster.server.admin.list(.pods, namespace: "default")["items"].items.map(Pod.init)
            let waiting = pods.filter { $0.condition("PodScheduled")?["reason"].string == "Unschedulable" }
            return pods.count { !$0.nodeName.isEmpty } == 20 && waiting.count == 5
        }
        #expect(isFull)
        let pods = try await cluster.server.admin.list(.pods, namespace: "default")["items"].items.map(Pod.init)
        for name in ["a", "b"] { #expect(pods.count { $0.nodeName == name } == 10) }
    }

    @Test func whatIsPlacedAlreadyCountsFromTheFirstDecisionOn() async throws {
        let server = try await TestServer()
        try await server.admin.create(.nodes, Sample.node("a", cpu: "1"))
        for number in 0..<10 {
            var pod = Sample.pod("old\(number)", cpu: "100m")
            pod["spec"]["nodeName"] = "a"
            try await server.admin.create(.pods, namespace: "default", pod)
        }
        try await server.admin.create(.pods, namespace: "default", Sample.pod("new", cpu: "100m"))
        let restarted = RunningScheduler(server)
        #expect(try await restarted.waits("new", "0/1 nodes are available: 1 Insufficient cpu."))
    }

    @Test func theMoreImportantPodComesFirst() async throws {
        for number in 0..<3 { try await cluster.addPod(Self.small("low\(number)")) }
        try await cluster.addPod(Self.small("high", ["priorityClassName": "system-cluster-critical"]))
        for name in ["low0", "low1", "low2", "high"] {
            #expect(try await cluster.waits(name, "no nodes available to schedule pods"))
        }
        try await cluster.addNode(Sample.node("a", cpu: "1"))
        #expect(try await cluster.node(of: "high") == "a")
        #expect(try await cluster.waits("low0", "0/1 nodes are available: 1 Insufficient cpu."))
    }

    private static func small(_ name: String, _ spec: JSON = [:]) -> JSON {
        var pod = Sample.pod(name, cpu: "1")
        for (key, value) in spec.object ?? JSONObject() { pod["spec"][key] = value }
        return pod
    }
}
