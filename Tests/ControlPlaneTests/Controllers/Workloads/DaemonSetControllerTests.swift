import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct DaemonSetControllerTests {
    private let cluster: RunningControllers
    init() async throws {
        cluster = try await RunningControllers(try await TestServer()) { client, informers, recorder in
            [DaemonSetController(client: client, informers: informers, recorder: recorder)]
        }
        for name in ["a", "b", "c"] { try await addNode(name) }
    }

    private func addNode(_ name: String, _ change: (inout JSON) -> Void = { _ in }) async throws {
        var node: JSON = ["metadata": ["name": .string(name), "labels": ["kubernetes.io/hostname": .string(name)]]]
        change(&node)
        try await cluster.admin.create(.nodes, node)
        // It is ready at once: a new node bears a taint until it says so.
        try await cluster.admin.patch(.nodes, name: name, ["spec": ["taints": []]])
    }

    private func create(_ change: (inout JSON) -> Void = { _ in }) async throws {
        var set: JSON = [
            "metadata": ["name": "log"],
            "spec": [
                "selector": ["matchLabels": ["app": "log"]],
                "template": [
                    "metadata": ["labels": ["app": "log"]], "spec": ["containers": [["name": "c", "image": "i:1"]]],
                ],
            ],
        ]
        change(&set)
        try await cluster.admin.create(.daemonSets, namespace: "default", set)
    }

    private func setImage(_ image: String) async throws {
        try await cluster.admin.patch(
            .daemonSets, namespace: "default", name: "log", type: .strategic,
            ["spec": ["template": ["spec": ["containers": [["name": "c", "image": .string(image)]]]]]])
    }

    /// The scheduler and the kubelets in one: pods go where they are meant for, and become ready.
    private func playNodes(ready: (Pod) -> Bool = { _ in true }) async throws {
        for pod in try await cluster.pods() {
            do {
                if pod.isDeleting {
                    try await cluster.deleteNow(.pods, pod.name)
                } else if !pod.isTerminal, pod.isReady != ready(pod) || pod.nodeName.isEmpty {
                    let node = try #require(DaemonPod.node(of: pod))
                    try await cluster.report(pod.name, ip: "10.0.0.1", ready: ready(pod), on: node)
                }
            } catch let error as StatusError where error.isNotFound || error.isConflict {
                continue  // the controller was faster
            }
        }
    }

    private func status() async throws -> JSON {
        try await cluster.admin.get(.daemonSets, namespace: "default", name: "log")["status"]
    }

    private func settles(_ status: JSON) async throws -> Bool {
        try await eventually {
            try await playNodes()
            let now = try await self.status()
            return status.object?.allSatisfy { now[$0.key] == $0.value } == true
        }
    }

    private func nodes() async throws -> [String] {
        try await cluster.pods().filter { !$0.isDeleting }.compactMap(DaemonPod.node).sorted()
    }

    @Test func everyNodeGetsOne() async throws {
        try await create()
        #expect(
            try await settles([
                "desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberReady": 3, "numberAvailable": 3,
                "updatedNumberScheduled": 3, "numberMisscheduled": 0, "observedGeneration": 1,
            ]))
        #expect(try await nodes() == ["a", "b", "c"])
        let pod = try #require(try await cluster.pods().first)
        let revision = try #require(try await cluster.list(.controllerRevisions).first)
        #expect(pod.labels["controller-revision-hash"] == revision.labels["controller-revision-hash"])
        #expect(pod.labels["pod-template-generation"] == "1" && pod.name.hasPrefix("log-"))
        #expect(pod.json.controllerReference?["kind"] == "DaemonSet")
        let keys = Set(pod.tolerations.map { $0["key"].stringValue })
        for name in ["not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"] {
            #expect(keys.contains("node.kubernetes.io/\(name)"), "\(name)")
        }
        #expect(try await eventually { try await cluster.events("SuccessfulCreate").count == 3 })
    }

    @Test func nodesComeAndGo() async throws {
        try await create { $0["spec"]["template"]["spec"]["nodeSelector"] = ["disk": "ssd"] }
        #expect(try await settles(["desiredNumberScheduled": 0, "observedGeneration": 1]))
        try await addNode("d") { $0["metadata"]["labels"]["disk"] = "ssd" }
        #expect(try await settles(["numberReady": 1, "desiredNumberScheduled": 1]))
        #expect(try await nodes() == ["d"])
        // A label brings a node in, and takes another out.
        try await cluster.admin.patch(.nodes, name: "a", ["metadata": ["labels": ["disk": "ssd"]]])
        #expect(try await eventually { try await self.nodes() == ["a", "d"] })
        try await cluster.admin.patch(.nodes, name: "d", ["metadata": ["labels": ["disk": "hdd"]]])
        try await eventuallyOnly(["a"])
        // A pod that was waiting for a node that is gone goes with it.
        try await addNode("e") { $0["metadata"]["labels"]["disk"] = "ssd" }
        #expect(try await eventually { try await self.nodes() == ["a", "e"] })
        try await cluster.admin.delete(.nodes, name: "e")
        #expect(try await eventually { try await self.nodes() == ["a"] })
    }

    private func eventuallyOnly(_ nodes: [String]) async throws {
        #expect(
            try await eventually {
                try await playNodes()
                return try await self.nodes() == nodes
            })
    }

    @Test func taintsKeepPodsAwayAndDriveThemOut() async throws {
        try await cluster.admin.patch(
            .nodes, name: "a", ["spec": ["taints": [["key": "only", "value": "us", "effect": "NoSchedule"]]]])
        try await create()
        #expect(try await settles(["desiredNumberScheduled": 2, "numberReady": 2]))
        #expect(try await nodes() == ["b", "c"])
        // One that is there already may stay, unless it is told to leave.
        try await cluster.admin.patch(
            .nodes, name: "b", ["spec": ["taints": [["key": "only", "effect": "NoSchedule"]]]])
        #expect(try await settles(["desiredNumberScheduled": 1, "numberMisscheduled": 1]))
        #expect(try await nodes() == ["b", "c"])
        try await cluster.admin.patch(
            .nodes, name: "b", ["spec": ["taints": [["key": "only", "effect": "NoExecute"]]]])
        #expect(try await settles(["desiredNumberScheduled": 1, "numberMisscheduled": 0]))
        #expect(try await nodes() == ["c"])
    }

    @Test func anUpdateGoesNodeByNode() async throws {
        try await create()
        #expect(try await settles(["numberAvailable": 3]))
        try await setImage("i:2")
        var fewest = 3
        #expect(
            try await eventually {
                fewest = min(fewest, try await cluster.pods().count { $0.isReady && !$0.isDeleting })
                try await playNodes()
                let now = try await status()
                return now["observedGeneration"] == 2 && now["updatedNumberScheduled"] == 3
                    && now["numberAvailable"] == 3
            })
        #expect(fewest == 2)
        #expect(Set(try await cluster.pods().map { $0.containers[0].image }) == ["i:2"])
    }

    @Test func withSurgeNoNodeIsEverWithout() async throws {
        try await create {
            $0["spec"]["updateStrategy"] = ["rollingUpdate": ["maxSurge": 1, "maxUnavailable": 0]]
        }
        #expect(try await settles(["numberAvailable": 3]))
        try await setImage("i:2")
        var worst = (fewest: 3, most: 3)
        #expect(
            try await eventually {
                let pods = try await cluster.pods().filter { !$0.isDeleting }
                worst.most = max(worst.most, pods.count)
                worst.fewest = min(
                    worst.fewest, Set(pods.filter(\.isReady).compactMap(DaemonPod.node)).count)
                try await playNodes()
                let now = try await status()
                return now["observedGeneration"] == 2 && now["updatedNumberScheduled"] == 3
                    && now["numberAvailable"] == 3
            })
        #expect(worst.fewest == 3 && worst.most <= 4, "\(worst)")
    }

    @Test func onDeleteWaitsForSomebodyToDelete() async throws {
        try await create { $0["spec"]["updateStrategy"] = ["type": "OnDelete"] }
        #expect(try await settles(["numberAvailable": 3]))
        try await setImage("i:2")
        #expect(try await eventually { try await status()["observedGeneration"] == 2 })
        #expect(try await settles(["numberAvailable": 3]))
        #expect(try await status()["updatedNumberScheduled"].isNull)
        try await cluster.deleteNow(.pods, try #require(try await cluster.pods().first).name)
        #expect(try await settles(["updatedNumberScheduled": 1, "numberAvailable": 3]))
    }

    /// What `kubectl rollout undo` does: it applies the data of a revision to the set.
    @Test func revisionsLeadBack() async throws {
        try await create { $0["spec"]["revisionHistoryLimit"] = 1 }
        #expect(try await settles(["numberAvailable": 3]))
        for version in 2...3 {
            try await setImage("i:\(version)")
            #expect(
                try await settles([
                    "observedGeneration": .int(Int64(version)), "updatedNumberScheduled": 3, "numberAvailable": 3,
                ]))
        }
        #expect(
            try await eventually {
                Set(try await cluster.list(.controllerRevisions).map { $0["revision"].int ?? 0 }) == [2, 3]
            })
        let second = try #require(
            try await cluster.list(.controllerRevisions).first { $0["revision"] == 2 })
        try await cluster.admin.patch(
            .daemonSets, namespace: "default", name: "log", type: .strategic, second["data"])
        #expect(
            try await eventually {
                try await playNodes()
                return Set(try await cluster.pods().map { $0.containers[0].image }) == ["i:2"]
            })
        // The state is the newest now, under a new number.
        #expect(
            try await eventually {
                try await cluster.get(.controllerRevisions, second.name)?["revision"] == 4
            })
    }

    @Test func podsThatEndAreReplaced() async throws {
        try await create()
        #expect(try await settles(["numberAvailable": 3]))
        let pod = try #require(try await cluster.pods().first)
        try await cluster.admin.patch(
            .pods, namespace: "default", name: pod.name, subresource: "status", ["status": ["phase": "Failed"]])
        #expect(
            try await eventually {
                try await playNodes()
                let pods = try await cluster.pods()
                return pods.count == 3 && !pods.contains { $0.uid == pod.uid }
            })
        let node = pod.nodeName
        #expect(
            try await eventually {
                try await cluster.events("FailedDaemonPod").map { $0["message"].stringValue } == [
                    "Found failed daemon pod default/\(pod.name) on node \(node), will try to kill it"
                ]
            })
    }
}
