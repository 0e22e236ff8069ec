import KubeAPI
import Testing

@testable import NodeAgent

/// What commands on the node understand by the names that they are given.
@Suite struct NodeTargetTests {
    private func snapshot(
        _ name: String, namespace: String = "default", uid: String, _ state: PodState = Sample.state(),
        after: Duration = .zero
    ) throws -> PodSnapshot {
        var pod = try Sample.pod(
            "{containers: [{name: main, image: demo}, {name: side, image: demo}]}", name: name, uid: uid)
        pod.json["metadata"]["namespace"] = .string(namespace)
        return PodSnapshot(
            pod: pod, state: state, status: .emptyObject, timings: PodStartTimings(seenAt: Sample.start + after))
    }
    private func refusal(_ text: String, container: String? = nil, _ pods: [PodSnapshot]) -> StatusError? {
        do throws(StatusError) {
            _ = try NodeTarget.find(text, container: container, in: pods)
            return nil
        } catch {
            return error
        }
    }

    @Test func aPodByItsName() throws {
        let pods = [try snapshot("web", uid: "u1"), try snapshot("db", namespace: "other", uid: "u2")]
        for text in ["db", "other/db", "pod/db"] {
            let target = try NodeTarget.find(text, in: pods)
            #expect(target.pod.pod.uid == "u2" && target.container == nil)
            #expect(target.defaultContainer == "main")
        }
        #expect(refusal("default/db", pods)?.message == "there is no pod or container \"default/db\" on this node")
    }

    @Test func aNameInTwoNamespacesIsAmbiguous() throws {
        let pods = [try snapshot("web", uid: "u1"), try snapshot("web", namespace: "other", uid: "u2")]
        #expect(refusal("web", pods)?.message == "\"web\" is ambiguous: default/web, other/web")
        #expect(try NodeTarget.find("other/web", in: pods).pod.pod.uid == "u2")
    }

    @Test func aNameThatIsUsedAgainMeansTheNewerPod() throws {
        var leaving = Sample.state()
        leaving.leaving = PodState.Leaving(graceSeconds: 30, since: Sample.start, isInAPI: true)
        let pods = [
            try snapshot("web", uid: "u1", after: .seconds(1)), try snapshot("web", uid: "u2", after: .seconds(2)),
            try snapshot("web", uid: "u3", leaving, after: .seconds(3)),
        ]
        #expect(try NodeTarget.find("web", in: pods).pod.pod.uid == "u2")
        #expect(try NodeTarget.find("web", in: pods.reversed()).pod.pod.uid == "u2")
    }

    @Test func idsByTheirBeginnings() throws {
        var state = Sample.state(["main": Sample.running("abcdef01", attempt: 1)])
        state.containers["main"]?.previous = Sample.ended(1, id: "abcd9999")
        let pods = [try snapshot("web", uid: "12345-6", state)]
        let newest = try NodeTarget.find("abcde", in: pods)
        #expect(newest.container == "main" && newest.run?.attempt == 1)
        #expect(newest.json["isPrevious"].bool == false)
        #expect(try NodeTarget.find("swiftlet://abcd9", in: pods).json["isPrevious"].bool == true)
        #expect(try NodeTarget.find("12345", in: pods).container == nil)
        #expect(refusal("abcd", pods)?.message == "\"abcd\" is ambiguous: abcd9999, abcdef01")
        #expect(refusal("abc", pods)?.code == 404, "three letters are no id")
    }

    @Test func aContainerOfAPod() throws {
        let pods = [try snapshot("web", uid: "u1", Sample.state(["side": Sample.ended(3, id: "s1")]))]
        #expect(try NodeTarget.find("web", container: "side", in: pods).run?.id == "s1")
        #expect(try NodeTarget.find("web", container: "main", in: pods).run == nil)
        #expect(
            refusal("web", container: "x", pods)?.message == "pod default/web has no container \"x\": it has main, side"
        )
    }
}

/// The documents of `swiftlet inspect`.
@Suite struct NodeInspectionTests {
    private let paths = KubeletPaths(Sample.config("/r"))

    private func target(_ run: ContainerRun, container: String? = nil) throws -> NodeTarget {
        var state = Sample.state(["main": run])
        state.volumes = .ready(["v": PreparedVolume(source: .path("/data/v"), isReadOnly: true)])
        let pod = try Sample.pod(
            "{containers: [{name: main, image: demo, volumeMounts: [{name: v, mountPath: /v, subPath: s}]}]}")
        return try NodeTarget.find(
            "web", container: container,
            in: [
                PodSnapshot(
                    pod: pod, state: state, status: ["qosClass": "Burstable"],
                    timings: PodStartTimings(seenAt: Sample.start))
            ])
    }

    @Test func aPodIsShownLikeASandbox() throws {
        var run = Sample.running("abc")
        run.pid = 42
        let json = NodeInspection(target: try target(run), paths: paths, timings: nil).json
        #expect(json["status"]["id"] == "uid-1" && json["status"]["state"] == "SANDBOX_READY")
        #expect(json["status"]["network"]["ip"] == "10.244.0.5")
        #expect(json["status"]["linux"]["namespaces"]["options"]["pid"] == "CONTAINER")
        #expect(json["info"]["pid"] == 1 && json["info"]["cgroup"] == "burstable/poduid-1")
        #expect(json["info"]["containers"][0]["pid"] == 42)
        #expect(json["info"]["pod"]["spec"]["containers"][0]["name"] == "main")
    }

    @Test func aContainerIsShownWithItsEnd() throws {
        let run = Sample.ended(3, id: "abc", attempt: 2)
        let json = NodeInspection(target: try target(run, container: "main"), paths: paths, timings: nil).json
        let status = json["status"]
        #expect(status["id"] == "abc" && status["state"] == "CONTAINER_EXITED" && status["exitCode"] == 3)
        #expect(status["metadata"] == ["name": "main", "attempt": 2])
        #expect(status["reason"] == "Error" && status["finishedAt"] == "2026-03-04T05:06:07.000000000Z")
        #expect(status["logPath"] == "/r/log/pods/default_web_uid-1/main/2.log")
        #expect(
            status["mounts"] == [
                ["containerPath": "/v", "hostPath": "/data/v/s", "readonly": true, "propagation": "None"]
            ])
        #expect(json["info"]["cgroup"] == "burstable/poduid-1/abc" && json["info"]["pid"] == 0)
    }
}

/// What the node remembers of its events.
@Suite struct NodeEventsTests {
    private func pod(_ name: String) throws -> JSON {
        var json = try Sample.plainPod().json
        json["metadata"]["name"] = .string(name)
        return json
    }

    @Test func theSameAgainIsCounted() throws {
        let events = NodeEvents(recorder: nil)
        events.record(object: try pod("a"), type: .warning, reason: "BackOff", message: "again", now: Sample.now)
        events.record(object: try pod("b"), type: .normal, reason: "Started", message: "b")
        events.record(
            object: try pod("a"), type: .warning, reason: "BackOff", message: "again", now: Sample.now + .seconds(5))
        let entries = events.entries
        #expect(entries.map(\.count) == [1, 2], "what happened last is last")
        #expect(
            entries.last?.json == [
                "kind": "Event", "apiVersion": "v1", "type": "Warning", "reason": "BackOff", "message": "again",
                "count": 2, "firstTimestamp": "2026-03-04T05:06:07Z", "lastTimestamp": "2026-03-04T05:06:12Z",
                "involvedObject": ["kind": "Pod", "name": "a", "namespace": "default", "uid": "uid-1"],
            ])
    }

    @Test func theOldestGo() throws {
        let events = NodeEvents(recorder: nil)
        for number in 0...3 * NodeEvents.limit {
            events.record(object: try pod("a"), type: .normal, reason: "R", message: "\(number)")
            if number % 7 == 0 { events.record(object: try pod("b"), type: .normal, reason: "R", message: "again") }
            guard number == NodeEvents.limit else { continue }
            #expect(events.entries.count == NodeEvents.limit)
            #expect(events.entries.contains { $0.message == "again" && $0.count == 143 })
        }
        #expect(events.entries.count == NodeEvents.limit)
        #expect(events.entries.first?.message == "\(2 * NodeEvents.limit + 2)")
        #expect(events.entries.contains { $0.message == "again" && $0.count == 429 })
    }

    @Test func aFollowerGetsTheOldAndTheNew() async throws {
        let events = NodeEvents(recorder: nil)
        events.record(object: try pod("a"), type: .normal, reason: "R", message: "old")
        var follower = events.follow().makeAsyncIterator()
        events.record(object: try pod("a"), type: .normal, reason: "R", message: "new")
        #expect(await follower.next()?.message == "old")
        #expect(await follower.next()?.message == "new")
    }
}
