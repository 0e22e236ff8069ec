import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct ReplicationManagerTests {
    private let cluster: RunningControllers
    init() async throws {
        cluster = try await RunningControllers(try await TestServer(namespaces: ["default", "team"])) {
            client, informers, recorder in
            [ReplicationManager(.replicationController, client: client, informers: informers, recorder: recorder)]
        }
    }

    private static func controller(_ name: String = "web", replicas: Int, _ change: (inout JSON) -> Void = { _ in })
        -> JSON
    {
        var controller: JSON = [
            "metadata": ["name": .string(name)],
            "spec": [
                "replicas": .int(Int64(replicas)), "selector": ["app": .string(name)],
                "template": [
                    "metadata": ["labels": ["app": .string(name)], "annotations": ["note": "x"]],
                    "spec": ["containers": [["name": "c", "image": "i"]]],
                ],
            ],
        ]
        change(&controller)
        return controller
    }

    @discardableResult
    private func create(_ controller: JSON) async throws -> JSON {
        try await cluster.admin.create(.replicationControllers, namespace: "default", controller)
    }

    private func status() async throws -> JSON {
        try await cluster.admin.get(.replicationControllers, namespace: "default", name: "web")["status"]
    }

    private func has(_ count: Int, _ labels: [String: String] = ["app": "web"]) async throws -> Bool {
        try await eventually { try await cluster.pods(labels).count == count }
    }

    private func scale(_ replicas: Int) async throws {
        try await cluster.admin.patch(
            .replicationControllers, namespace: "default", name: "web", ["spec": ["replicas": .int(Int64(replicas))]])
    }

    @Test func podsAreMadeOfTheTemplateAndOwned() async throws {
        let controller = try await create(Self.controller(replicas: 3))
        #expect(try await has(3))
        for pod in try await cluster.pods() {
            #expect(pod.name.hasPrefix("web-") && pod.annotations["note"] == "x")
            #expect(
                pod.json.controllerReference == [
                    "apiVersion": "v1", "kind": "ReplicationController", "name": "web", "uid": .string(controller.uid),
                    "controller": true, "blockOwnerDeletion": true,
                ])
        }
        #expect(try await eventually { try await self.status()["replicas"] == 3 })
        let status = try await status()
        #expect(status["observedGeneration"] == 1 && status["fullyLabeledReplicas"] == 3)
        #expect(try await eventually { try await cluster.events("SuccessfulCreate").count == 3 })
        let names = Set(try await cluster.pods().map { "Created pod: \($0.name)" })
        #expect(Set(try await cluster.events("SuccessfulCreate").map { $0["message"].stringValue }) == names)
    }

    @Test func neverMoreThanAreWanted() async throws {
        // Every event of its own pods brings the controller again; none may see too few.
        try await create(Self.controller(replicas: 60))
        #expect(try await has(60))
        #expect(try await eventually { try await status()["replicas"] == 60 })
        #expect(try await cluster.events("SuccessfulDelete").isEmpty)
        #expect(try await cluster.pods().count == 60)
    }

    @Test func whatIsLostIsReplaced() async throws {
        try await create(Self.controller(replicas: 2))
        #expect(try await has(2))
        let first = try await cluster.pods()[0]
        try await cluster.deleteNow(.pods, first.name)
        #expect(
            try await eventually {
                let pods = try await cluster.pods()
                return pods.count == 2 && !pods.contains { $0.uid == first.uid }
            })
        // One that ended for good is replaced, and stays.
        let second = try await cluster.pods()[0]
        try await cluster.admin.patch(
            .pods, namespace: "default", name: second.name, subresource: "status", ["status": ["phase": "Failed"]])
        #expect(try await has(3))
        #expect(try await eventually { try await status()["replicas"] == 2 })
    }

    @Test func readyPodsStayWhenThereAreTooMany() async throws {
        try await create(Self.controller(replicas: 4))
        #expect(try await has(4))
        let pods = try await cluster.pods()
        try await cluster.report(pods[1].name, ip: "10.0.0.1", ready: true)
        try await cluster.report(pods[2].name, ip: "10.0.0.2", ready: false)
        #expect(try await eventually { try await status()["readyReplicas"] == 1 })
        try await scale(2)
        #expect(
            try await eventually {
                Set(try await cluster.pods().filter { !$0.isDeleting }.map(\.name)) == [pods[1].name, pods[2].name]
            })
        try await scale(1)
        #expect(
            try await eventually { try await cluster.pods().filter { !$0.isDeleting }.map(\.name) == [pods[1].name] })
        #expect(try await eventually { try await cluster.events("SuccessfulDelete").count == 3 })
    }

    @Test func orphansAreAdoptedAndStrangersLetGo() async throws {
        try await cluster.createPod(Sample.pod("stray", labels: ["app": "web"]))
        try await cluster.createPod(Sample.pod("other", labels: ["app": "db"]))
        let controller = try await create(Self.controller(replicas: 2))
        #expect(try await has(2))
        #expect(
            try await eventually {
                try await cluster.get(.pods, "stray")?.controllerReference?["uid"].string == controller.uid
            })
        #expect(try await cluster.get(.pods, "other")?.ownerReferences.isEmpty == true)
        // A pod that is relabelled leaves the controller, which makes another.
        try await cluster.admin.patch(
            .pods, namespace: "default", name: "stray", ["metadata": ["labels": ["app": "x"]]])
        #expect(try await has(2))
        #expect(try await eventually { try await cluster.get(.pods, "stray")?.ownerReferences.isEmpty == true })
    }

    @Test func aPodOfAnotherControllerIsLeftAlone() async throws {
        var pod = Sample.pod("taken", labels: ["app": "web"])
        pod["metadata"]["ownerReferences"] = [
            ["apiVersion": "v1", "kind": "ReplicationController", "name": "else", "uid": "1", "controller": true]
        ]
        try await cluster.createPod(pod)
        try await create(Self.controller(replicas: 1))
        #expect(try await has(2))
        #expect(try await cluster.get(.pods, "taken")?.controllerReference?["uid"] == "1")
    }

    @Test func aTemplateThatCannotBeMadeIsReported() async throws {
        try await create(
            Self.controller(replicas: 2) { $0["spec"]["template"]["spec"]["priorityClassName"] = "mine" })
        #expect(
            try await eventually {
                try await status()["conditions"][0]["reason"] == "FailedCreate"
            })
        let condition = try await status()["conditions"][0]
        #expect(condition["type"] == "ReplicaFailure" && condition["status"] == "True")
        #expect(condition["message"].stringValue.contains("no PriorityClass with name mine was found"))
        #expect(try await eventually { try await cluster.events("FailedCreate").isEmpty == false })
        #expect(try await cluster.events("FailedCreate")[0]["message"].stringValue.hasPrefix("Error creating: pods "))
        #expect(try await cluster.pods().isEmpty)
        // Once it can be made the condition goes.
        var controller = try await cluster.admin.get(.replicationControllers, namespace: "default", name: "web")
        controller["spec"]["template"]["spec"]["priorityClassName"] = .null
        controller["metadata"]["resourceVersion"] = .null
        try await cluster.admin.update(.replicationControllers, controller)
        #expect(try await has(2))
        #expect(try await eventually { try await status()["conditions"].isNull })
    }

    @Test func availabilityTakesTime() async throws {
        try await create(Self.controller(replicas: 1) { $0["spec"]["minReadySeconds"] = 1 })
        #expect(try await has(1))
        try await cluster.report(try await cluster.pods()[0].name, ip: "10.0.0.1", ready: true)
        #expect(try await eventually { try await status()["readyReplicas"] == 1 })
        #expect(try await eventually { try await status()["availableReplicas"] == 1 })
    }

    @Test func aRestartedManagerMakesNothingTwice() async throws {
        try await create(Self.controller(replicas: 5))
        #expect(try await has(5))
        await cluster.stop()
        let again = try await RunningControllers(cluster.server) { client, informers, recorder in
            [ReplicationManager(.replicationController, client: client, informers: informers, recorder: recorder)]
        }
        try await scale(6)
        #expect(try await has(6))
        #expect(try await eventually { try await status()["replicas"] == 6 })
        #expect(try await again.pods().count == 6)
    }
}

@Suite struct ScaleDownOrderTests {
    private func pod(
        _ name: String, node: String = "a", phase: String = "Running", ready: String? = "2024-01-01T00:00:00Z",
        created: String = "2024-01-01T00:00:00Z", restarts: Int = 0, cost: Int? = nil
    ) -> JSON {
        var pod = Sample.pod(name)
        pod["spec"]["nodeName"] = node.isEmpty ? .null : .string(node)
        pod["metadata"]["creationTimestamp"] = .string(created)
        if let cost {
            pod["metadata"]["annotations"] = ["controller.kubernetes.io/pod-deletion-cost": .string(String(cost))]
        }
        pod["status"] = ["phase": .string(phase), "containerStatuses": [["restartCount": .int(Int64(restarts))]]]
        if let ready {
            pod["status"]["conditions"] = [
                ["type": "Ready", "status": "True", "lastTransitionTime": .string(ready)]
            ]
        }
        return pod
    }

    /// One goes; which.
    private func first(_ pods: JSON...) -> String? { ScaleDownOrder.firstToGo(pods, count: 1).first?.name }

    @Test func whatServesLeastGoesFirst() {
        #expect(
            first(pod("bound", phase: "Pending", ready: nil), pod("unbound", node: "", phase: "Pending", ready: nil))
                == "unbound")
        #expect(first(pod("running", ready: nil), pod("pending", phase: "Pending", ready: nil)) == "pending")
        #expect(first(pod("running", ready: nil), pod("unknown", phase: "Unknown", ready: nil)) == "unknown")
        #expect(first(pod("ready"), pod("unready", ready: nil)) == "unready")
        #expect(first(pod("dear", cost: 10), pod("cheap", cost: -10)) == "cheap")
        #expect(first(pod("alone", node: "b"), pod("x"), pod("y")).map(["x", "y"].contains) == true)
        #expect(first(pod("old"), pod("fresh", ready: "2024-01-02T00:00:00Z")) == "fresh")
        #expect(first(pod("steady"), pod("shaky", restarts: 5)) == "shaky")
        #expect(first(pod("old"), pod("young", created: "2024-01-02T00:00:00Z")) == "young")
    }

    @Test func readinessWeighsMoreThanCost() {
        #expect(first(pod("ready", cost: -100), pod("unready", ready: nil, cost: 100)) == "unready")
    }

    @Test func asManyGoAsAreAskedFor() {
        let pods = (0..<5).map { pod("p\($0)") }
        #expect(ScaleDownOrder.firstToGo(pods, count: 2).count == 2)
        #expect(ScaleDownOrder.firstToGo(pods, count: 9).count == 5)
    }
}

@Suite struct ExpectationsTests {
    private let expectations = Expectations()

    @Test func nothingIsExpectedAtFirst() { #expect(expectations.areMet("k")) }

    @Test func creationsAreExpectedUntilTheyAreSeen() {
        expectations.expectCreations("k", 2)
        expectations.created("k", "1")
        expectations.observedCreation("k", "1")
        #expect(!expectations.areMet("k"))
        // The event may come before the answer.
        expectations.observedCreation("k", "2")
        expectations.created("k", "2")
        #expect(expectations.areMet("k"))
    }

    @Test func aFailedCreationIsNotExpected() {
        expectations.expectCreations("k", 1)
        expectations.creationFailed("k")
        #expect(expectations.areMet("k"))
    }

    @Test func aPodThatWentBeforeItWasSeenIsNotExpected() {
        expectations.expectCreations("k", 1)
        expectations.created("k", "1")
        expectations.observedDeletion("k", "1")
        #expect(expectations.areMet("k"))
    }

    @Test func deletionsAreExpectedByUID() {
        expectations.expectDeletions("k", ["1", "2"])
        expectations.observedDeletion("k", "3")
        expectations.observedDeletion("k", "1")
        #expect(!expectations.areMet("k"))
        expectations.observedDeletion("k", "2")
        #expect(expectations.areMet("k"))
        expectations.expectDeletions("k", ["4"])
        expectations.forget("k")
        #expect(expectations.areMet("k"))
    }
}
