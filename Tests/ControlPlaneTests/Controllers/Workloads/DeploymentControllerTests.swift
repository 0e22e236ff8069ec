import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct DeploymentControllerTests {
    private let cluster: RunningControllers
    init() async throws {
        cluster = try await RunningControllers(try await TestServer()) { client, informers, recorder in
            [
                ReplicationManager(.replicaSet, client: client, informers: informers, recorder: recorder),
                DeploymentController(client: client, informers: informers, recorder: recorder),
                GarbageCollector(
                    client: client, informers: informers, resources: [.pods, .replicaSets, .deployments], log: quiet),
            ]
        }
    }

    private func create(replicas: Int = 3, _ change: (inout JSON) -> Void = { _ in }) async throws {
        var deployment: JSON = [
            "metadata": ["name": "web", "annotations": ["note": "x"]],
            "spec": [
                "replicas": .int(Int64(replicas)), "selector": ["matchLabels": ["app": "web"]],
                "template": [
                    "metadata": ["labels": ["app": "web"]], "spec": ["containers": [["name": "c", "image": "i:1"]]],
                ],
            ],
        ]
        change(&deployment)
        try await cluster.admin.create(.deployments, namespace: "default", deployment)
    }

    private func patch(_ spec: JSON) async throws {
        try await cluster.admin.patch(
            .deployments, namespace: "default", name: "web", type: .strategic, ["spec": spec])
    }

    private func setImage(_ image: String) async throws {
        try await patch(["template": ["spec": ["containers": [["name": "c", "image": .string(image)]]]]])
    }

    private func deployment() async throws -> JSON {
        try await cluster.admin.get(.deployments, namespace: "default", name: "web")
    }

    private func condition(_ type: String) async throws -> JSON {
        DeploymentStatus.condition(try await deployment()["status"], type) ?? .null
    }

    private func sets() async throws -> [JSON] { try await cluster.list(.replicaSets) }

    private func set(image: String) async throws -> JSON? {
        try await sets().first { $0["spec"]["template"]["spec"]["containers"][0]["image"].string == image }
    }

    /// With a kubelet that makes all pods ready.
    private func completes() async throws -> Bool {
        try await eventually {
            try await cluster.playKubelet()
            let now = Deployment(try await deployment())
            return DeploymentStatus.isComplete(now, now.status)
                && DeploymentStatus.condition(now.status, "Progressing")?["reason"] == "NewReplicaSetAvailable"
        }
    }

    @Test func aDeploymentMakesASetWhichMakesThePods() async throws {
        try await create()
        #expect(try await completes())
        let set = try #require(try await sets().first)
        let hash = try #require(set.labels["pod-template-hash"])
        #expect(set.name == "web-\(hash)")
        #expect(set["spec"]["selector"] == ["matchLabels": ["app": "web", "pod-template-hash": .string(hash)]])
        #expect(set.controllerReference?["kind"] == "Deployment")
        #expect(
            set.annotations == [
                "note": "x", "deployment.kubernetes.io/revision": "1", "deployment.kubernetes.io/desired-replicas": "3",
                "deployment.kubernetes.io/max-replicas": "4",
            ])
        #expect(try await cluster.pods(["pod-template-hash": hash]).count == 3)
        let now = try await deployment()
        #expect(now.annotations["deployment.kubernetes.io/revision"] == "1")
        for counter in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
            #expect(now["status"][counter] == 3, "\(counter)")
        }
        #expect(now["status"]["unavailableReplicas"].isNull && now["status"]["observedGeneration"] == 1)
        let progressing = try await condition("Progressing")
        #expect(progressing["message"].string == "ReplicaSet \"\(set.name)\" has successfully progressed.")
        let available = try await condition("Available")
        #expect(available["reason"] == "MinimumReplicasAvailable" && available["status"] == "True")
        #expect(available["message"] == "Deployment has minimum availability.")
        #expect(
            try await eventually {
                try await cluster.events("ScalingReplicaSet").map { $0["message"].stringValue } == [
                    "Scaled up replica set \(set.name) from 0 to 3"
                ]
            })
    }

    @Test func whileNothingIsReadyItSaysSo() async throws {
        try await create()
        #expect(
            try await eventually { try await condition("Progressing")["reason"] == "ReplicaSetUpdated" })
        let name = try #require(try await sets().first).name
        #expect(try await condition("Progressing")["message"].string == "ReplicaSet \"\(name)\" is progressing.")
        let available = try await condition("Available")
        #expect(available["status"] == "False" && available["reason"] == "MinimumReplicasUnavailable")
        #expect(available["message"] == "Deployment does not have minimum availability.")
        #expect(try await deployment()["status"]["unavailableReplicas"] == 3)
    }

    @Test func aRollingUpdateNeverHasTooFewOrTooMany() async throws {
        try await create(replicas: 4) {
            $0["spec"]["strategy"] = ["rollingUpdate": ["maxSurge": 1, "maxUnavailable": 1]]
        }
        #expect(try await completes())
        try await setImage("i:2")
        var worst = (most: 0, fewest: 99)
        #expect(
            try await eventually {
                let active = try await cluster.pods().filter { !$0.isDeleting }
                worst.most = max(worst.most, active.count)
                worst.fewest = min(worst.fewest, active.filter(\.isReady).count)
                try await cluster.playKubelet()
                let now = Deployment(try await deployment())
                return DeploymentStatus.isComplete(now, now.status)
            })
        #expect(worst.most <= 5 && worst.fewest >= 3, "\(worst)")
        #expect(try await eventually { try await set(image: "i:1")?["spec"]["replicas"] == 0 })
        #expect(try await set(image: "i:2")?.annotations["deployment.kubernetes.io/revision"] == "2")
        #expect(try await deployment().annotations["deployment.kubernetes.io/revision"] == "2")
    }

    @Test func anImageThatNeverStartsLeavesTheOldPods() async throws {
        try await create(replicas: 4) { $0["spec"]["progressDeadlineSeconds"] = 1 }
        #expect(try await completes())
        try await setImage("missing")
        // A quarter more may come, a quarter may go: what remains stays as it is.
        let isNew = { (pod: Pod) in pod.containers[0].image == "missing" }
        #expect(
            try await eventually {
                try await cluster.playKubelet { !isNew($0) }
                return try await condition("Progressing")["reason"] == "ProgressDeadlineExceeded"
            })
        let late = try await condition("Progressing")
        let name = try #require(try await set(image: "missing")).name
        #expect(late["status"] == "False")
        #expect(late["message"].string == "ReplicaSet \"\(name)\" has timed out progressing.")
        #expect(try await condition("Available")["status"] == "True")
        #expect(
            try await eventually {
                let pods = try await cluster.pods().filter { !$0.isDeleting }
                return pods.filter(isNew).count == 2 && pods.filter { !isNew($0) }.count == 3
            })
        // Mended, it goes on and is on time again.
        try await setImage("i:3")
        #expect(try await completes())
    }

    @Test func goingBackUsesTheOldSetAgain() async throws {
        try await create()
        #expect(try await completes())
        let first = try #require(try await sets().first).name
        try await setImage("i:2")
        #expect(try await completes())
        try await setImage("i:1")
        #expect(try await completes())
        let again = try #require(try await set(image: "i:1"))
        #expect(again.name == first && again["spec"]["replicas"] == 3)
        #expect(again.annotations["deployment.kubernetes.io/revision"] == "3")
        #expect(again.annotations["deployment.kubernetes.io/revision-history"] == "1")
        #expect(try await sets().count == 2)
    }

    @Test func recreateEndsAllOldPodsFirst() async throws {
        try await create { $0["spec"]["strategy"] = ["type": "Recreate"] }
        #expect(try await completes())
        try await setImage("i:2")
        var sawBoth = false
        #expect(
            try await eventually {
                let images = Set(try await cluster.pods().map { $0.containers[0].image })
                if images.count > 1 { sawBoth = true }
                try await cluster.playKubelet()
                let now = Deployment(try await deployment())
                return images == ["i:2"] && DeploymentStatus.isComplete(now, now.status)
            })
        #expect(!sawBoth)
    }

    @Test func scalingIsNoRollout() async throws {
        try await create()
        #expect(try await completes())
        try await patch(["replicas": 5])
        #expect(try await completes())
        let set = try #require(try await sets().first)
        #expect(set["spec"]["replicas"] == 5 && set.annotations["deployment.kubernetes.io/desired-replicas"] == "5")
        #expect(set.annotations["deployment.kubernetes.io/revision"] == "1")
        try await patch(["replicas": 0])
        #expect(
            try await eventually {
                try await cluster.playKubelet()
                return try await cluster.pods().isEmpty
            })
        #expect(
            try await eventually {
                try await cluster.events("ScalingReplicaSet").map { $0["message"].stringValue }.contains(
                    "Scaled down replica set \(set.name) from 5 to 0")
            })
    }

    @Test func pausedChangesWait() async throws {
        try await create()
        #expect(try await completes())
        try await patch(["paused": true])
        #expect(try await eventually { try await condition("Progressing")["reason"] == "DeploymentPaused" })
        #expect(try await condition("Progressing")["message"] == "Deployment is paused")
        try await setImage("i:2")
        // It scales all the same.
        try await patch(["replicas": 4])
        #expect(
            try await eventually {
                try await cluster.playKubelet()
                return try await deployment()["status"]["availableReplicas"] == 4
            })
        #expect(try await sets().count == 1)
        try await patch(["paused": false])
        #expect(try await completes())
        #expect(try await set(image: "i:2")?["spec"]["replicas"] == 4)
    }

    @Test func aNameThatIsTakenIsPassedOver() async throws {
        try await create { $0["spec"]["paused"] = true }
        let hash = TemplateHash.make(try await deployment()["spec"]["template"], collisions: nil)
        try await cluster.admin.create(
            .replicaSets, namespace: "default",
            [
                "metadata": ["name": .string("web-\(hash)")],
                "spec": [
                    "replicas": 0, "selector": ["matchLabels": ["app": "other"]],
                    "template": [
                        "metadata": ["labels": ["app": "other"]],
                        "spec": ["containers": [["name": "c", "image": "i"]]],
                    ],
                ],
            ])
        try await patch(["paused": false])
        #expect(try await completes())
        #expect(try await deployment()["status"]["collisionCount"] == 1)
        #expect(try await set(image: "i:1")?.name != "web-\(hash)")
    }

    @Test func onlySoMuchHistoryIsKept() async throws {
        try await create(replicas: 1) { $0["spec"]["revisionHistoryLimit"] = 1 }
        for version in 1...4 {
            try await setImage("i:\(version)")
            #expect(try await completes())
        }
        #expect(
            try await eventually {
                Set(try await sets().map { $0["spec"]["template"]["spec"]["containers"][0]["image"].stringValue })
                    == ["i:3", "i:4"]
            })
    }

    @Test func podsThatCannotBeMadeAreReported() async throws {
        try await create { $0["spec"]["template"]["spec"]["priorityClassName"] = "mine" }
        #expect(try await eventually { try await condition("ReplicaFailure")["reason"] == "FailedCreate" })
        #expect(
            try await condition("ReplicaFailure")["message"].stringValue.contains(
                "no PriorityClass with name mine was found"))
    }

    @Test func setsThatMatchAreAdopted() async throws {
        try await create { $0["spec"]["replicas"] = 0 }
        #expect(try await eventually { try await sets().count == 1 })
        let name = try #require(try await sets().first).name
        try await cluster.admin.delete(
            .deployments, namespace: "default", name: "web", options: ["propagationPolicy": "Orphan"])
        #expect(try await eventually { try await cluster.get(.deployments, "web") == nil })
        #expect(try await eventually { try await cluster.get(.replicaSets, name)?.ownerReferences.isEmpty == true })
        try await create { $0["spec"]["replicas"] = 1 }
        #expect(
            try await eventually {
                let set = try await cluster.get(.replicaSets, name)
                return set?.controllerReference?["name"] == "web" && set?["spec"]["replicas"] == 1
            })
        #expect(try await sets().count == 1)
    }
}
