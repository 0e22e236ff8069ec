import KubeAPI
import Testing

@testable import NodeAgent

/// What the API is told of a pod.
@Suite struct PodStatusTests {
    private func status(
        _ pod: Pod, _ state: PodState, waiting: [String: PodState.Waiting] = [:], known: JSON = .null
    ) -> JSON {
        PodStatus.make(
            PodStatus.Input(
                pod: pod, state: state, waiting: waiting, hostIPs: ["192.0.2.2"], known: known, now: Sample.now))
    }
    private func condition(_ status: JSON, _ type: String) -> JSON {
        status["conditions"].items.first { $0["type"].string == type } ?? .null
    }

    @Test func aPodThatIsBeingMadeIsPending() throws {
        var state = PodState()
        state.startTime = Sample.now
        let status = status(try Sample.plainPod(), state)
        #expect(status["phase"] == "Pending")
        #expect(status["containerStatuses"][0]["state"] == ["waiting": ["reason": "ContainerCreating"]])
        #expect(status["containerStatuses"][0]["ready"] == false)
        #expect(status["containerStatuses"][0]["started"] == false)
        #expect(status["startTime"] == "2026-03-04T05:06:07Z")
        #expect(status["hostIP"] == "192.0.2.2")
        #expect(condition(status, "PodReadyToStartContainers")["status"] == "False")
        #expect(condition(status, "Initialized")["status"] == "True")
        #expect(condition(status, "Ready")["reason"] == "ContainersNotReady")
        #expect(condition(status, "Ready")["message"] == "containers with unready status: [main]")
        #expect(condition(status, "PodScheduled")["status"] == "True")
    }

    @Test func aRunningPodIsReady() throws {
        var run = Sample.running("abc")
        run.imageName = "docker.io/library/demo:latest"
        run.imageID = "sha256:1"
        let status = status(try Sample.plainPod(), Sample.state(["main": run]))
        #expect(status["phase"] == "Running")
        #expect(status["podIP"] == "10.244.0.5")
        #expect(status["podIPs"] == [["ip": "10.244.0.5"]])
        #expect(
            status["containerStatuses"][0] == [
                "name": "main", "state": ["running": ["startedAt": "2026-03-04T05:06:07Z"]], "lastState": [:],
                "ready": true, "restartCount": 0, "image": "docker.io/library/demo:latest", "imageID": "sha256:1",
                "containerID": "swiftlet://abc", "started": true,
            ])
        for type in ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"] {
            #expect(condition(status, type)["status"] == "True", "\(type)")
        }
    }

    @Test(arguments: [(0, "Succeeded", "Completed"), (3, "Failed", "Error")])
    func aPodThatRunsNoMoreTellsHowItEnded(exitCode: Int, phase: String, reason: String) throws {
        var state = Sample.state(["main": Sample.ended(exitCode, id: "abc")])
        state.isFinal = true
        let status = status(try Sample.plainPod(restartPolicy: "Never"), state)
        #expect(status["phase"].string == phase)
        let terminated = status["containerStatuses"][0]["state"]["terminated"]
        #expect(terminated["exitCode"].int == exitCode)
        #expect(terminated["reason"].string == reason)
        #expect(terminated["containerID"] == "swiftlet://abc")
        #expect(condition(status, "Ready")["reason"].string == (exitCode == 0 ? "PodCompleted" : "PodFailed"))
        // Its address is history, and told as such.
        #expect(status["podIP"] == "10.244.0.5")
    }

    @Test func aContainerThatWaitsToBeRestartedTellsItsLastEnd() throws {
        let state = Sample.state(["main": Sample.ended(1, attempt: 2)])
        let status = status(
            try Sample.plainPod(), state,
            waiting: ["main": PodState.Waiting(reason: "CrashLoopBackOff", message: "back-off")])
        #expect(status["phase"] == "Running")
        let container = status["containerStatuses"][0]
        #expect(container["state"] == ["waiting": ["reason": "CrashLoopBackOff", "message": "back-off"]])
        #expect(container["lastState"]["terminated"]["exitCode"] == 1)
        #expect(container["restartCount"] == 2)
        #expect(condition(status, "Ready")["status"] == "False")
    }

    @Test func aRestartedContainerRemembersTheRunBefore() throws {
        var state = Sample.state(["main": Sample.running("b", attempt: 1)])
        state.containers["main"]?.previous = Sample.ended(137, id: "a")
        let container = status(try Sample.plainPod(), state)["containerStatuses"][0]
        #expect(container["restartCount"] == 1)
        #expect(container["lastState"]["terminated"]["exitCode"] == 137)
        #expect(container["lastState"]["terminated"]["containerID"] == "swiftlet://a")
        #expect(container["ready"] == true)
    }

    @Test func aFailedStartHasContainerdsWords() throws {
        var run = Sample.running()
        run.state = .ended(.failedStart("exec: \"/nope\": no such file or directory", at: Sample.now))
        var state = Sample.state(["main": run])
        state.isFinal = true
        let status = status(try Sample.plainPod(restartPolicy: "Never"), state)
        let terminated = status["containerStatuses"][0]["state"]["terminated"]
        #expect(status["phase"] == "Failed")
        #expect(terminated["exitCode"] == 128)
        #expect(terminated["reason"] == "StartError")
        #expect(terminated["startedAt"] == "1970-01-01T00:00:00Z")
        #expect(terminated["message"].stringValue.contains("no such file or directory"))
    }

    @Test func lastWordsAreSharedOutAmongThePodsContainers() throws {
        let containers = (0..<4).map { "{name: c\($0), image: demo}" }.joined(separator: ", ")
        let pod = try Sample.pod("{restartPolicy: Never, containers: [\(containers)]}")
        var run = Sample.running()
        run.state = .ended(
            ContainerEnd(
                exitCode: 1, reason: "Error", message: String(repeating: "ä", count: 2048), finishedAt: Sample.now))
        let status = status(pod, Sample.state(["c0": run, "c1": run, "c2": run, "c3": run]))
        let words = status["containerStatuses"].items.map {
            $0["state"]["terminated"]["message"].stringValue.utf8.count
        }
        #expect(words == [3072, 3072, 3072, 3072])
    }

    @Test func aContainerIsReadyByItsProbeAndStartedByItsHook() throws {
        let pod = try Sample.pod(
            "{containers: [{name: main, image: demo, readinessProbe: {tcpSocket: {port: 80}}, startupProbe: {tcpSocket: {port: 80}}}]}"
        )
        var state = Sample.state(["main": Sample.running()])
        func shown() -> [JSON] {
            let container = status(pod, state)["containerStatuses"][0]
            return [container["started"], container["ready"]]
        }
        #expect(shown() == [false, false])
        state.containers["main"]?.health[.readiness] = true
        #expect(shown() == [false, false])
        state.containers["main"]?.health[.startup] = true
        #expect(shown() == [true, true])
        state.containers["main"]?.health[.readiness] = false
        #expect(shown() == [true, false])
        state.containers["main"]?.postStart = .running
        #expect(shown() == [false, false])
        #expect(status(pod, state)["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating")
    }

    @Test func memoryThatRanOutIsTold() {
        let record = ExitRecord(
            exitCode: 137, signal: 9, oomKilled: true, startedAt: Sample.now, finishedAt: Sample.now)
        #expect(ContainerEnd(record).reason == "OOMKilled")
    }

    @Test func mainContainersWaitForInitialization() throws {
        let pod = try Sample.pod(
            "{initContainers: [{name: first, image: demo}], containers: [{name: main, image: demo}]}")
        let status = status(pod, Sample.state(["first": Sample.running()]))
        #expect(status["phase"] == "Pending")
        #expect(status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing")
        #expect(status["initContainerStatuses"][0]["state"]["running"].isObject)
        #expect(status["initContainerStatuses"][0]["ready"] == false)
        let initialized = condition(status, "Initialized")
        #expect(initialized["reason"] == "ContainersNotInitialized")
        #expect(initialized["message"] == "containers with incomplete status: [first]")
    }

    @Test func aFailedInitContainerFailsAPodThatMustNotRestart() throws {
        let pod = try Sample.pod(
            "{restartPolicy: Never, initContainers: [{name: first, image: demo}], containers: [{name: main, image: demo}]}"
        )
        var state = Sample.state(["first": Sample.ended(1)])
        state.isFinal = true
        #expect(status(pod, state)["phase"] == "Failed")
    }

    @Test func statusesAreSortedByName() throws {
        let pod = try Sample.pod("{containers: [{name: b, image: demo}, {name: a, image: demo}]}")
        let names = status(pod, Sample.state())["containerStatuses"].items.map { $0["name"].stringValue }
        #expect(names == ["a", "b"])
    }

    @Test func aPodThatWasRefusedSaysNothingButWhy() throws {
        var state = PodState()
        state.failure = PodState.Failure(reason: "OutOfcpu", message: "Pod was rejected: no", since: Sample.start)
        #expect(
            status(try Sample.plainPod(), state) == [
                "phase": "Failed", "reason": "OutOfcpu", "message": "Pod was rejected: no", "qosClass": "BestEffort",
            ])
    }

    @Test func aDeadlineFailsThePodWhileItsContainersStillEnd() throws {
        var state = Sample.state(["main": Sample.running()])
        state.failure = PodState.Failure(reason: "DeadlineExceeded", message: "too long", since: Sample.start)
        let status = status(try Sample.plainPod(), state)
        #expect(status["phase"] == "Failed")
        #expect(status["reason"] == "DeadlineExceeded")
        #expect(status["containerStatuses"][0]["state"]["running"].isObject)
    }

    @Test func transitionsKeepTheirTimeAndOthersTheirConditions() throws {
        let known: JSON = [
            "conditions": [
                ["type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"],
                ["type": "ContainersReady", "status": "False", "lastTransitionTime": "2020-01-01T00:00:00Z"],
                ["type": "example.com/gate", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"],
            ]
        ]
        let status = status(try Sample.plainPod(), Sample.state(["main": Sample.running()]), known: known)
        #expect(condition(status, "Ready")["lastTransitionTime"] == "2020-01-01T00:00:00Z")
        #expect(condition(status, "ContainersReady")["lastTransitionTime"] == "2026-03-04T05:06:07Z")
        #expect(condition(status, "example.com/gate") == known["conditions"][2])
    }

    @Test func readinessGatesHoldThePodBack() throws {
        let pod = try Sample.plainPod("readinessGates: [{conditionType: example.com/gate}]")
        let ready = condition(status(pod, Sample.state(["main": Sample.running()])), "Ready")
        #expect(ready["status"] == "False")
        #expect(ready["reason"] == "ReadinessGatesNotReady")
        #expect(
            ready["message"] == "corresponding condition of pod readiness gate \"example.com/gate\" does not exist.")
    }

    @Test func conditionsNameTheGenerationThatTheyAreAbout() throws {
        let pod = try Sample.pod("{containers: [{name: main, image: demo}]}", metadata: "generation: 3")
        let status = status(pod, Sample.state(["main": Sample.running()]))
        #expect(status["observedGeneration"] == 3)
        #expect(condition(status, "Ready")["observedGeneration"] == 3)
    }

    // MARK: patches

    @Test func onlyWhatHasChangedIsSent() {
        let known: JSON = [
            "phase": "Pending", "hostIP": "1", "reason": "Gone", "nominatedNodeName": "other",
            "conditions": [["type": "A", "status": "True"], ["type": "B", "status": "False"]],
        ]
        let desired: JSON = [
            "phase": "Running", "hostIP": "1",
            "conditions": [["type": "A", "status": "True"], ["type": "B", "status": "True"]],
        ]
        let patch = StatusPatch.make(from: known, to: desired, owned: StatusPatch.podMembers)
        #expect(patch["phase"] == "Running")
        #expect(patch["conditions"] == [["type": "B", "status": "True"]])
        #expect(patch.object?.contains("hostIP") == false)
        #expect(patch.object?.contains("reason") == true, "what is no more is set to null")
        #expect(patch.object?.contains("nominatedNodeName") == false, "others' members are left alone")
        #expect(StatusPatch.make(from: desired, to: desired, owned: StatusPatch.podMembers).isNull)
    }

    @Test func whatAConditionSaysNoMoreIsTakenBack() throws {
        let schema = try #require(Scheme.builtin.schema(apiVersion: "v1", kind: "Pod"))
        let known: JSON = ["conditions": [["type": "Ready", "status": "False", "reason": "x", "message": "y"]]]
        let desired: JSON = ["conditions": [["type": "Ready", "status": "True"]]]
        let patch = StatusPatch.make(from: known, to: desired, owned: StatusPatch.podMembers)
        // By way of its bytes, as it is sent.
        let sent = try JSON.parse((["status": patch] as JSON).serialized())
        let merged = try StrategicMergePatch.apply(sent, to: ["status": known], schema: schema)
        #expect(merged["status"] == desired)
    }

    @Test func aChangedAddressReplacesTheOldOneWhenMerged() throws {
        let schema = try #require(Scheme.builtin.schema(apiVersion: "v1", kind: "Pod"))
        let known: JSON = ["podIP": "10.0.0.1", "podIPs": [["ip": "10.0.0.1"]]]
        let desired: JSON = ["podIP": "10.0.0.2", "podIPs": [["ip": "10.0.0.2"]]]
        let patch = StatusPatch.make(from: known, to: desired, owned: StatusPatch.podMembers)
        let merged = try StrategicMergePatch.apply(["status": patch], to: ["status": known], schema: schema)
        #expect(merged["status"] == desired)
    }

    /// A node has two addresses of one type, which is what a merge goes by.
    @Test func aSecondAddressOfANodeStandsBesideTheFirst() throws {
        let schema = try #require(Scheme.builtin.schema(apiVersion: "v1", kind: "Node"))
        let name: JSON = ["type": "Hostname", "address": "node1"]
        let four: JSON = ["type": "InternalIP", "address": "192.0.2.2"]
        let six: JSON = ["type": "InternalIP", "address": "2001:db8::2"]
        for (known, desired) in [([four, name], [four, six, name]), ([four, six, name], [four, name])] {
            let patch = StatusPatch.make(
                from: ["addresses": .array(known)], to: ["addresses": .array(desired)], owned: [])
            let sent = try JSON.parse((["status": patch] as JSON).serialized())
            let merged = try StrategicMergePatch.apply(
                sent, to: ["status": ["addresses": .array(known)]], schema: schema)
            #expect(merged["status"]["addresses"].items == desired)
        }
    }
}
