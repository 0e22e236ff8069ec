import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct JobControllerTests {
    private let server: TestServer
    private let cluster: RunningControllers

    init() async throws {
        server = try await TestServer()
        cluster = try await Self.controllers(server)
    }

    private static func controllers(_ server: TestServer) async throws -> RunningControllers {
        try await RunningControllers(server) { client, informers, recorder in
            [
                JobController(client: client, informers: informers, recorder: recorder, firstPause: .milliseconds(20)),
                JobTTL(client: client, informers: informers),
                GarbageCollector(client: client, informers: informers, resources: [.pods, .jobs], log: quiet),
            ]
        }
    }

    private func create(_ spec: JSON = .emptyObject, restartPolicy: String = "Never") async throws {
        var job: JSON = ["metadata": ["name": "pi"], "spec": spec]
        job["spec"]["template"] = [
            "spec": ["restartPolicy": .string(restartPolicy), "containers": [["name": "c", "image": "i"]]]
        ]
        try await cluster.admin.create(.jobs, namespace: "default", job)
    }

    private func patch(_ spec: JSON) async throws {
        try await cluster.admin.patch(.jobs, namespace: "default", name: "pi", ["spec": spec])
    }

    private func job() async throws -> Job {
        Job(try await cluster.admin.get(.jobs, namespace: "default", name: "pi"))
    }

    private func condition(_ type: String) async throws -> JSON { try await job().condition(type) ?? .null }

    private func active() async throws -> [Pod] { try await cluster.pods().filter(\.isActive) }

    private func hasActive(_ count: Int) async throws -> Bool {
        try await eventually {
            let (shown, counted) = (try await self.active().count, try await self.job().status["active"].int ?? 0)
            return shown == count && counted == count
        }
    }

    private func end(_ pod: Pod, _ phase: String) async throws {
        try await cluster.admin.patch(
            .pods, namespace: "default", name: pod.name, subresource: "status", ["status": ["phase": .string(phase)]])
    }

    /// Pods that were deleted vanish, as far as their finalizers let them.
    private func sweep() async throws {
        for pod in try await cluster.pods() where pod.isDeleting {
            do { try await cluster.deleteNow(.pods, pod.name) } catch let error as StatusError where error.isNotFound {}
        }
    }

    @Test func aPlainJobRunsOnePodToItsEnd() async throws {
        try await create()
        #expect(try await hasActive(1))
        let pod = try #require(try await active().first)
        #expect(pod.name.hasPrefix("pi-") && pod.json.finalizers == ["batch.kubernetes.io/job-tracking"])
        #expect(pod.labels["job-name"] == "pi" && pod.json.controllerReference?["kind"] == "Job")
        var now = try await job()
        #expect(now.startTime != nil && now.status["ready"] == 0 && now.status["terminating"] == 0)
        try await end(pod, "Succeeded")
        #expect(try await eventually { try await job().finished != nil })
        now = try await job()
        #expect(now.status["succeeded"] == 1 && now.status["active"].isNull && now.status["failed"].isNull)
        #expect(now.status["uncountedTerminatedPods"] == .emptyObject)
        #expect(now.status["completionTime"] == (try await condition("Complete"))["lastTransitionTime"])
        for type in ["SuccessCriteriaMet", "Complete"] {
            let condition = try await condition(type)
            #expect(condition["reason"] == "CompletionsReached", "\(type)")
            #expect(condition["message"] == "Reached expected number of succeeded pods", "\(type)")
        }
        #expect(try await cluster.pods().allSatisfy { $0.json.finalizers.isEmpty })
        #expect(
            try await eventually {
                try await cluster.events("Completed").map { $0["message"].stringValue } == ["Job completed"]
            })
    }

    @Test func neverMoreThanParallelismNorThanIsLeft() async throws {
        try await create(["completions": 5, "parallelism": 2])
        var seen: Set<String> = []
        for done in 0..<5 {
            #expect(try await hasActive(min(2, 5 - done)))
            let pods = try await active()
            seen.formUnion(pods.map(\.uid))
            try await end(pods[0], "Succeeded")
            #expect(try await eventually { try await job().status["succeeded"].int ?? 0 == done + 1 })
        }
        #expect(try await eventually { try await job().finished?["type"] == "Complete" })
        #expect(seen.count == 5)
        #expect(try await cluster.pods().count == 5)
    }

    /// Many ends at once, and one after the other: each counts once.
    @Test func noEndIsLostOrCountedTwice() async throws {
        try await create(["completions": 40, "parallelism": 20])
        #expect(try await hasActive(20))
        var ended: Set<String> = []
        for _ in 0..<400 where try await job().finished == nil {
            for pod in try await active() where ended.insert(pod.uid).inserted { try await end(pod, "Succeeded") }
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(try await eventually { try await job().finished?["type"] == "Complete" })
        #expect(try await job().status["succeeded"] == 40 && ended.count == 40)
        #expect(try await cluster.pods().count == 40)
    }

    @Test func aRestartedControllerCountsOn() async throws {
        try await create(["completions": 6, "parallelism": 3])
        #expect(try await hasActive(3))
        await cluster.stop()
        // What ends meanwhile, and even what is deleted, waits to be counted.
        let pods = try await active()
        try await end(pods[0], "Succeeded")
        try await end(pods[1], "Succeeded")
        try await cluster.deleteNow(.pods, pods[1].name)
        #expect(try await cluster.get(.pods, pods[1].name) != nil)
        let again = try await Self.controllers(server)
        #expect(try await eventually { try await job().status["succeeded"] == 2 })
        #expect(try await hasActive(3))
        for _ in 0..<4 {
            let next = try #require(try await active().first)
            let before = try await job().status["succeeded"].int ?? 0
            try await end(next, "Succeeded")
            #expect(try await eventually { try await job().status["succeeded"].int ?? 0 == before + 1 })
        }
        #expect(try await eventually { try await job().finished?["type"] == "Complete" })
        #expect(try await job().status["succeeded"] == 6)
        await again.stop()
    }

    @Test func failuresAreRepeatedUpToTheLimit() async throws {
        try await create(["backoffLimit": 2])
        for failures in 1...3 {
            #expect(try await hasActive(1))
            try await end(try #require(try await active().first), "Failed")
            #expect(try await eventually { try await job().status["failed"].int == failures })
        }
        #expect(try await eventually { try await job().finished?["type"] == "Failed" })
        for type in ["FailureTarget", "Failed"] {
            let condition = try await condition(type)
            #expect(condition["reason"] == "BackoffLimitExceeded", "\(type)")
            #expect(condition["message"] == "Job has reached the specified backoff limit", "\(type)")
        }
        #expect(try await cluster.pods().count == 3)
        #expect(
            try await eventually {
                try await cluster.events("BackoffLimitExceeded").map { $0["type"].stringValue } == ["Warning"]
            })
    }

    @Test func aFailingJobTakesItsOtherPodsAlong() async throws {
        try await create(["backoffLimit": 0, "completions": 3, "parallelism": 3])
        #expect(try await hasActive(3))
        try await end(try #require(try await active().first), "Failed")
        #expect(try await eventually { try await !condition("FailureTarget").isNull })
        #expect(
            try await eventually {
                try await sweep()
                return try await job().finished?["type"] == "Failed"
            })
        // They did not succeed: they count as failed.
        let status = try await job().status
        #expect(status["failed"] == 3 && status["active"].isNull && status["terminating"] == 0)
        #expect(try await cluster.pods().count == 1)
    }

    @Test func restartsInsideThePodCountToo() async throws {
        try await create(["backoffLimit": 1], restartPolicy: "OnFailure")
        #expect(try await hasActive(1))
        try await cluster.admin.patch(
            .pods, namespace: "default", name: try #require(try await active().first).name, subresource: "status",
            ["status": ["phase": "Running", "containerStatuses": [["name": "c", "restartCount": 1]]]])
        #expect(
            try await eventually {
                try await sweep()
                return try await job().finished?["reason"] == "BackoffLimitExceeded"
            })
    }

    @Test func aDeletedPodIsReplaced() async throws {
        try await create()
        #expect(try await hasActive(1))
        let first = try #require(try await active().first)
        try await cluster.deleteNow(.pods, first.name)
        #expect(try await eventually { try await job().status["failed"] == 1 })
        #expect(try await hasActive(1))
        #expect(try #require(try await active().first).uid != first.uid)
        #expect(try await eventually { try await cluster.get(.pods, first.name) == nil })
    }

    @Test func theDeadlineEndsIt() async throws {
        try await create(["activeDeadlineSeconds": 1])
        #expect(try await hasActive(1))
        #expect(
            try await eventually {
                try await sweep()
                return try await job().finished?["type"] == "Failed"
            })
        let failed = try await condition("Failed")
        #expect(failed["reason"] == "DeadlineExceeded")
        #expect(failed["message"] == "Job was active longer than specified deadline")
    }

    @Test func aWorkQueueIsDoneWithItsFirstSuccess() async throws {
        try await create(["parallelism": 3])
        #expect(try await hasActive(3))
        let pods = try await active()
        try await end(pods[0], "Succeeded")
        #expect(try await eventually { try await job().status["succeeded"] == 1 })
        // The others end by themselves; none is started in their place.
        try await end(pods[1], "Succeeded")
        #expect(try await hasActive(1))
        #expect(try await job().finished == nil)
        try await end(pods[2], "Succeeded")
        #expect(try await eventually { try await job().finished?["type"] == "Complete" })
        #expect(try await job().status["succeeded"] == 3)
    }

    @Test func suspendedNothingRuns() async throws {
        try await create(["suspend": true])
        #expect(try await eventually { try await condition("Suspended")["reason"] == "JobSuspended" })
        #expect(try await cluster.pods().isEmpty)
        #expect(try await job().startTime == nil)
        try await patch(["suspend": false])
        #expect(try await hasActive(1))
        let status = try await job().status
        #expect(status["conditions"][0]["status"] == "False" && status["conditions"][0]["reason"] == "JobResumed")
        #expect(!status["startTime"].isNull)
        // Suspending removes what runs, and holds it against nobody.
        try await patch(["suspend": true])
        #expect(
            try await eventually {
                try await sweep()
                return try await cluster.pods().isEmpty
            })
        #expect(try await eventually { try await condition("Suspended")["message"] == "Job suspended" })
        #expect(try await job().status["failed"].isNull)
        #expect(try await eventually { try await cluster.events("Suspended").isEmpty == false })
    }

    @Test func moreOrFewerAtATime() async throws {
        try await create(["completions": 9, "parallelism": 1])
        #expect(try await hasActive(1))
        try await patch(["parallelism": 4])
        #expect(try await hasActive(4))
        try await patch(["parallelism": 2])
        #expect(try await hasActive(2))
        #expect(try await job().status["failed"].isNull)
    }

    @Test func finishedJobsGoAfterTheirTime() async throws {
        try await create(["ttlSecondsAfterFinished": 1])
        #expect(try await hasActive(1))
        try await end(try #require(try await active().first), "Succeeded")
        #expect(try await eventually { try await job().finished != nil })
        #expect(try await eventually { try await cluster.get(.jobs, "pi") == nil })
        #expect(try await eventually { try await cluster.pods().isEmpty })
    }

    @Test(arguments: ["Background", "Foreground"])
    func deletedJobsTakeTheirPodsAlong(policy: String) async throws {
        try await create(["parallelism": 2, "completions": 2])
        #expect(try await hasActive(2))
        try await cluster.admin.delete(
            .jobs, namespace: "default", name: "pi", options: ["propagationPolicy": .string(policy)])
        #expect(
            try await eventually {
                try await sweep()
                let isGone = try await cluster.get(.jobs, "pi") == nil
                let pods = try await cluster.pods()
                return isGone && pods.isEmpty
            })
    }

    @Test func orphansAreLetGo() async throws {
        try await create()
        #expect(try await hasActive(1))
        try await cluster.admin.delete(
            .jobs, namespace: "default", name: "pi", options: ["propagationPolicy": "Orphan"])
        #expect(
            try await eventually {
                let pods = try await cluster.pods()
                return pods.count == 1 && pods[0].json.finalizers.isEmpty && pods[0].json.ownerReferences.isEmpty
            })
    }

    @Test func pausesDoubleUntilOneSucceeds() throws {
        let now = try #require(Timestamp(rfc3339: "2024-01-01T00:00:00Z"))
        func pod(_ seconds: Int) -> Pod {
            var pod = Sample.pod("p")
            pod["status"]["containerStatuses"] = [
                ["state": ["terminated": ["finishedAt": .string((now + .seconds(seconds)).rfc3339)]]]
            ]
            return Pod(pod)
        }
        var backoff = JobBackoff()
        #expect(backoff.remaining(now) == .zero)
        backoff.note(succeeded: [], failed: [pod(0)], now)
        #expect(backoff.remaining(now) == .seconds(10))
        #expect(backoff.remaining(now + .seconds(4)) == .seconds(6))
        backoff.note(succeeded: [], failed: [pod(12)], now)
        #expect(backoff.remaining(now + .seconds(12)) == .seconds(20))
        backoff.note(succeeded: [pod(20)], failed: [pod(15), pod(25)], now)
        #expect(backoff.failures == 1 && backoff.remaining(now + .seconds(25)) == .seconds(10))
        for _ in 0..<40 { backoff.note(succeeded: [], failed: [pod(30)], now) }
        #expect(backoff.remaining(now + .seconds(30)) == .seconds(600))
    }

    // MARK: indexes

    @Test func eachIndexIsDoneOnce() async throws {
        try await create(["completionMode": "Indexed", "completions": 3, "parallelism": 2])
        #expect(try await hasActive(2))
        func index(_ pod: Pod) -> String? { pod.annotations["batch.kubernetes.io/job-completion-index"] }
        let first = try await active().sorted { $0.name < $1.name }
        #expect(first.map(index) == ["0", "1"])
        #expect(first[1].name.hasPrefix("pi-1-") && first[1].spec["hostname"] == "pi-1")
        #expect(first[1].json.labels["batch.kubernetes.io/job-completion-index"] == "1")
        #expect(
            first[1].spec["containers"][0]["env"][0] == [
                "name": "JOB_COMPLETION_INDEX",
                "valueFrom": [
                    "fieldRef": [
                        "apiVersion": "v1", "fieldPath": "metadata.labels['batch.kubernetes.io/job-completion-index']",
                    ]
                ],
            ])
        // One that fails is tried again, under its own index.
        try await end(first[0], "Failed")
        try await end(first[1], "Succeeded")
        #expect(
            try await eventually {
                let (job, pods) = (try await self.job(), try await self.active())
                return job.status["completedIndexes"] == "1" && pods.compactMap(index).sorted() == ["0", "2"]
            })
        for pod in try await active() { try await end(pod, "Succeeded") }
        #expect(try await eventually { try await self.condition("Complete").isObject })
        let status = try await job().status
        #expect(status["completedIndexes"] == "0-2" && status["succeeded"] == 3 && status["failed"] == 1)
    }
}
