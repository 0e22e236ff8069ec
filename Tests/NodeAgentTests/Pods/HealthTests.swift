import KubeAPI
import Testing

@testable import NodeAgent

/// Probes and hooks in a whole kubelet, over a runtime, an API and a health that are not real.
@Suite struct HealthTests {
    private func withNode(_ body: (TestNode, FakeAPI, FakeHealth) async throws -> Void) async throws {
        let api = FakeAPI()
        let health = FakeHealth()
        let node = try TestNode(api: api, health: health)
        try await body(node, api, health)
        await node.stop()
    }

    private func pod(_ fields: String, restartPolicy: String = "Always") throws -> Pod {
        try Sample.pod("{restartPolicy: \(restartPolicy), containers: [{name: main, image: demo, \(fields)}]}")
    }

    private static func isRunning(_ pod: Pod) -> Bool { pod.phase == "Running" }
    private static func message(_ pod: Pod, _ condition: String) -> String? {
        pod.condition(condition).map { "\($0["reason"].stringValue): \($0["message"].stringValue)" }
    }

    // MARK: probes

    @Test func aPodIsReadyWhenItsReadinessProbeSaysSo() async throws {
        try await withNode { node, api, health in
            health.find(.failure("HTTP probe failed with statuscode: 503"), in: "main")
            api.add(try pod("readinessProbe: {httpGet: {port: 80}, periodSeconds: 1, failureThreshold: 1}"))
            await api.wait(forPod: "web", Self.isRunning)
            var shown = api.pod("web")
            #expect(!shown.isReady)
            #expect(shown.containerStatuses.first?.isStarted == true)
            #expect(Self.message(shown, "Ready") == "ContainersNotReady: containers with unready status: [main]")
            #expect(
                Self.message(shown, "ContainersReady") == "ContainersNotReady: containers with unready status: [main]")
            await api.wait { $0.values.contains { $0["reason"] == "Unhealthy" } }
            #expect(
                api.events("web").last == "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503")
            health.find(.success, in: "main")
            await api.wait(forPod: "web") { $0.isReady }
            health.find(.failure("no"), in: "main")
            await api.wait(forPod: "web") { !$0.isReady }
            shown = api.pod("web")
            #expect(shown.containerStatuses.first?.restartCount == 0)
            #expect(!node.runtime.calls.contains { $0.hasPrefix("stop") })
        }
    }

    @Test func aContainerThatDoesNotLiveIsReplaced() async throws {
        try await withNode { node, api, health in
            health.find(.failure("HTTP probe failed with statuscode: 500"), in: "main")
            api.add(
                try pod(
                    "livenessProbe: {httpGet: {port: 80}, periodSeconds: 1, failureThreshold: 1, terminationGracePeriodSeconds: 7}"
                ))
            await api.wait(forPod: "web") { $0.containerStatuses.first?.restartCount == 1 }
            health.find(.success, in: "main")
            #expect(node.runtime.calls.contains("stop main 7"))
            await api.wait { $0.values.contains { $0["reason"] == "Killing" } }
            let events = api.events("web")
            #expect(events.contains("Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500"))
            #expect(events.contains("Killing: Container main failed liveness probe, will be restarted"))
            await api.wait(forPod: "web") { $0.isReady }
            #expect(api.pod("web").containerStatuses.first?.lastTerminated?["exitCode"] == 143)
        }
    }

    @Test func aPodThatMustNotRestartFailsByItsProbe() async throws {
        try await withNode { _, api, health in
            health.find(.failure("no"), in: "main")
            api.add(
                try pod("startupProbe: {tcpSocket: {port: 80}, failureThreshold: 1}", restartPolicy: "Never"))
            await api.wait(forPod: "web") { $0.phase == "Failed" }
            await api.wait { $0.values.contains { $0["reason"] == "Killing" } }
            #expect(api.events("web").contains("Killing: Container main failed startup probe"))
        }
    }

    @Test func theOtherProbesWaitForTheStartupProbe() async throws {
        try await withNode { _, api, health in
            health.find(.failure("not yet"), in: "main")
            api.add(
                try pod(
                    "startupProbe: {tcpSocket: {port: 80}, periodSeconds: 1, failureThreshold: 100}, livenessProbe: {tcpSocket: {port: 80}, failureThreshold: 1}, readinessProbe: {tcpSocket: {port: 80}}"
                ))
            await api.wait { $0.values.contains { $0["reason"] == "Unhealthy" } }
            #expect(api.pod("web").containerStatuses.first?.isStarted == false)
            #expect(api.events("web").last == "Unhealthy: Startup probe failed: not yet")
            health.find(.success, in: "main")
            await api.wait(forPod: "web") { $0.isReady }
            #expect(api.pod("web").containerStatuses.first?.isStarted == true)
            #expect(api.pod("web").containerStatuses.first?.restartCount == 0)
        }
    }

    @Test func aProbeThatDoesNotWorkChangesNothing() async throws {
        try await withNode { _, api, health in
            health.find(.error(state: "unknown", message: "invalid port number: 0"), in: "main")
            api.add(try pod("livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 1, failureThreshold: 1}"))
            await api.wait { $0.values.contains { $0["reason"] == "Unhealthy" && $0["count"] == 2 } }
            #expect(
                api.events("web").last
                    == "Unhealthy: Liveness probe errored and resulted in unknown state: invalid port number: 0")
            #expect(api.pod("web").isReady)
        }
    }

    @Test func aKubeletThatComesBackMakesNobodyUnready() async throws {
        let api = FakeAPI()
        let health = FakeHealth()
        let first = try TestNode(api: api, health: health)
        api.add(try pod("readinessProbe: {httpGet: {port: 80}, failureThreshold: 3}"))
        await api.wait(forPod: "web") { $0.isReady }
        await first.stop()
        let spec = try #require(first.runtime.running("main"))
        let sandbox = try #require(first.runtime.state.withLock { $0.sandboxes["uid-1"] })
        let container = ContainerInfo(
            id: spec.id, name: "main", attempt: 0, podUID: "uid-1", pid: 1, startedAt: Sample.now, state: .running,
            logPath: spec.logPath, annotation: spec.annotation)
        let runtime = FakeRuntime(recovered: [
            RecoveredSandbox(spec: sandbox, info: Sample.sandbox, isAlive: true, containers: [container])
        ])
        // One failure is below the threshold: what was known still counts.
        health.find(.failure("busy"), in: "main")
        let second = try TestNode(first.folder, api: api, runtime: runtime, health: health)
        await api.wait { $0.values.contains { $0["reason"] == "Unhealthy" } }
        #expect(api.pod("web").isReady)
        await second.stop()
    }

    // MARK: hooks

    @Test func aContainerRunsOnceItsPostStartHookIsThrough() async throws {
        try await withNode { node, api, health in
            health.hold("main")
            api.add(try pod("lifecycle: {postStart: {sleep: {seconds: 1}}}"))
            await api.wait(forPod: "web") { $0.podIP != nil }
            while health.hooks.isEmpty { await Task.yield() }
            #expect(api.pod("web").phase == "Pending")
            #expect(api.pod("web").containerStatuses.first?.waitingReason == "ContainerCreating")
            health.letGo("main")
            await api.wait(forPod: "web") { $0.isReady }
            #expect(health.hooks == ["main"])
            #expect(node.runtime.calls == ["create web", "start main 0"])
        }
    }

    @Test func aFailedPostStartHookEndsTheContainer() async throws {
        try await withNode { node, api, health in
            health.fail("main", "secret words")
            api.add(try pod("lifecycle: {postStart: {sleep: {seconds: 1}}}"))
            await api.wait { $0.values.contains { $0["reason"] == "BackOff" } }
            let events = api.events("web")
            #expect(events.contains("FailedPostStartHook: PostStartHook failed"))
            #expect(events.contains("Killing: FailedPostStartHook"))
            #expect(!events.contains { $0.contains("secret") })
            #expect(node.runtime.calls.contains("stop main 30"))
        }
    }

    @Test func aDeletedPodRunsItsPreStopHookFirst() async throws {
        try await withNode { node, api, health in
            health.hold("main")
            api.add(try pod("lifecycle: {preStop: {sleep: {seconds: 1}}}"))
            await api.wait(forPod: "web") { $0.isReady }
            try await api.delete(.pods, namespace: "default", name: "web")
            while health.hooks.isEmpty { await Task.yield() }
            #expect(node.runtime.calls == ["create web", "start main 0"])
            health.letGo("main")
            await api.wait(untilGone: "/api/v1/namespaces/default/pods/web")
            let stop = try #require(node.runtime.calls.first { $0.hasPrefix("stop main ") })
            #expect((2...30).contains(Int(stop.split(separator: " ").last ?? "") ?? 0))
            #expect(api.events("web").filter { $0.hasPrefix("Killing") } == ["Killing: Stopping container main"])
        }
    }

    @Test func aFailedPreStopHookIsToldAndTheContainerEndsAllTheSame() async throws {
        try await withNode { _, api, health in
            health.fail("main", "secret words")
            api.add(try pod("lifecycle: {preStop: {sleep: {seconds: 1}}}"))
            await api.wait(forPod: "web") { $0.isReady }
            try await api.delete(.pods, namespace: "default", name: "web")
            await api.wait(untilGone: "/api/v1/namespaces/default/pods/web")
            await api.wait { $0.values.contains { $0["reason"] == "FailedPreStopHook" } }
            #expect(api.events("web").contains("FailedPreStopHook: PreStopHook failed"))
        }
    }

    @Test func aHookThatNeverEndsIsLeftWhenThePodIsForced() async throws {
        try await withNode { node, api, health in
            health.hold("main")
            api.add(try pod("lifecycle: {preStop: {sleep: {seconds: 1}}}"))
            await api.wait(forPod: "web") { $0.isReady }
            try await api.delete(.pods, namespace: "default", name: "web")
            while health.hooks.isEmpty { await Task.yield() }
            try await api.delete(.pods, namespace: "default", name: "web", options: ["gracePeriodSeconds": 0])
            while !node.runtime.calls.contains("remove web") { await Task.yield() }
            #expect(node.runtime.calls.contains("stop main 0"))
        }
    }

    // MARK: volumes

    private func volumePod() throws -> Pod {
        try Sample.pod(
            """
            {volumes: [{name: conf, configMap: {name: conf}}, {name: me, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}],
             containers: [{name: main, image: demo, volumeMounts: [{name: conf, mountPath: /conf}, {name: me, mountPath: /me}]}]}
            """, metadata: "labels: {a: '1'}")
    }

    @Test func volumesFollowWhatTheyAreMadeOf() async throws {
        try await withNode { node, api, _ in
            let path = "/api/v1/namespaces/default/configmaps/conf"
            var object: JSON = [
                "kind": "ConfigMap", "apiVersion": "v1", "metadata": ["name": "conf", "namespace": "default"],
                "data": ["color": "blue"],
            ]
            api.put(path, object)
            let pod = api.add(try volumePod())
            await api.wait(forPod: "web") { $0.isReady }
            let conf = "data/pods/uid-1/volumes/kubernetes.io~configmap/conf"
            let labels = "run/volumes/uid-1/kubernetes.io~downward-api/me/labels"
            #expect(try node.folder.read("\(conf)/color") == "blue")
            #expect(try node.folder.read(labels) == "a=\"1\"")
            let before = HostFiles.linkTarget(node.folder.file("\(conf)/..data"))

            object["data"] = ["color": "red", "more": "x"]
            api.put(path, object)
            while HostFiles.linkTarget(node.folder.file("\(conf)/..data")) == before { await Task.yield() }
            #expect(try node.folder.read("\(conf)/color") == "red")

            var changed = api.pod("web").json
            changed["metadata"]["labels"]["a"] = "2"
            api.put("/api/v1/namespaces/default/pods/\(pod.name)", changed)
            while try node.folder.read(labels) != "a=\"2\"" { await Task.yield() }
            #expect(!node.runtime.calls.contains { $0.hasPrefix("stop") })
        }
    }

    @Test func anObjectThatGoesLeavesItsFilesAndIsTold() async throws {
        try await withNode { node, api, _ in
            let path = "/api/v1/namespaces/default/configmaps/conf"
            api.put(
                path,
                [
                    "kind": "ConfigMap", "apiVersion": "v1", "metadata": ["name": "conf", "namespace": "default"],
                    "data": ["color": "blue"],
                ])
            api.add(try volumePod())
            await api.wait(forPod: "web") { $0.isReady }
            api.remove(path)
            await api.wait { $0.values.contains { $0["reason"] == "FailedMount" } }
            #expect(
                api.events("web").last
                    == "FailedMount: MountVolume.SetUp failed for volume \"conf\" : configmap \"conf\" not found")
            #expect(
                try node.folder.read("data/pods/uid-1/volumes/kubernetes.io~configmap/conf/color") == "blue")
        }
    }
}
