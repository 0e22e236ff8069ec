import Glibc
import KubeAPI
import Kernel
import Testing
import Transport

@testable import NodeAgent

/// The kubelet as a whole, over a runtime and an API that are not real.
@Suite struct KubeletTests {
    private func withNode(
        podCIDR: CIDR? = Sample.range("10.244.0.0/24"), _ body: (TestNode, FakeAPI) async throws -> Void
    ) async throws {
        let api = FakeAPI()
        let node = try TestNode(api: api, podCIDR: podCIDR)
        try await body(node, api)
        await node.stop()
    }
    private static func isRunning(_ pod: Pod) -> Bool { pod.phase == "Running" && pod.isReady }

    @Test func aBoundPodRuns() async throws {
        try await withNode { node, api in
            api.add(try Sample.plainPod())
            await api.wait(forPod: "web", Self.isRunning)
            let pod = api.pod("web")
            #expect(pod.podIP == "10.244.0.5")
            let status = try #require(pod.containerStatuses.first)
            #expect(status.containerID == "swiftlet://\(node.runtime.running("main")?.id ?? "none")")
            #expect(status.image == "docker.io/library/demo:latest")
            await api.wait { objects in objects.values.contains { $0.kind == "Event" && $0["reason"] == "Started" } }
            #expect(
                api.events("web") == [
                    "Pulled: Container image \"demo\" already present on machine", "Created: Created container: main",
                    "Started: Started container main",
                ])
            #expect(try node.folder.read("run/volumes/uid-1/etc-hosts").contains("10.244.0.5\tweb"))
        }
    }

    @Test func aDeletedPodIsStoppedToldAndForgotten() async throws {
        try await withNode { node, api in
            api.add(try Sample.plainPod())
            await api.wait(forPod: "web", Self.isRunning)
            try await api.delete(.pods, namespace: "default", name: "web")
            await api.wait(untilGone: "/api/v1/namespaces/default/pods/web")
            #expect(node.runtime.calls == ["create web", "start main 0", "stop main 30", "remove web"])
            #expect(FileTree.names(in: node.folder.file("data/pods")).isEmpty)
            #expect(FileTree.names(in: node.folder.file("run/volumes")).isEmpty)
            #expect(FileTree.names(in: node.folder.file("log/pods")).isEmpty)
            #expect(FileTree.names(in: node.folder.file("log/containers")).isEmpty)
            #expect(api.events("web").contains("Killing: Stopping container main"))
        }
    }

    @Test func aSecondShorterGraceKillsAtOnce() async throws {
        try await withNode { node, api in
            node.runtime.state.withLock { _ = $0.stubborn.insert("main") }
            api.add(try Sample.plainPod())
            await api.wait(forPod: "web", Self.isRunning)
            try await api.delete(.pods, namespace: "default", name: "web")
            while !node.runtime.calls.contains("stop main 30") { await Task.yield() }
            try await api.delete(.pods, namespace: "default", name: "web", options: ["gracePeriodSeconds": 0])
            while !node.runtime.calls.contains("remove web") { await Task.yield() }
            #expect(node.runtime.calls.suffix(3) == ["stop main 30", "stop main 0", "remove web"])
        }
    }

    @Test func anEndedContainerIsRestartedAndItsEndIsTold() async throws {
        try await withNode { node, api in
            api.add(try Sample.plainPod())
            await api.wait(forPod: "web", Self.isRunning)
            node.runtime.exit("main", uid: "uid-1", code: 3)
            await api.wait(forPod: "web") { $0.containerStatuses.first?.restartCount == 1 && $0.isReady }
            #expect(api.pod("web").containerStatuses.first?.lastTerminated?["exitCode"] == 3)
            // The second time it waits.
            node.runtime.exit("main", uid: "uid-1", code: 4)
            await api.wait(forPod: "web") { $0.containerStatuses.first?.waitingReason == "CrashLoopBackOff" }
            await api.wait { objects in objects.values.contains { $0["reason"] == "BackOff" } }
            #expect(
                api.events("web").last == "BackOff: Back-off restarting failed container main in pod web_default(uid-1)"
            )
        }
    }

    @Test func aPodThatIsToRunOnceEnds() async throws {
        try await withNode { node, api in
            api.add(try Sample.plainPod(restartPolicy: "Never"))
            await api.wait(forPod: "web", Self.isRunning)
            node.runtime.exit("main", uid: "uid-1", code: 0)
            await api.wait(forPod: "web") { $0.phase == "Succeeded" }
            while !node.runtime.calls.contains("remove web") { await Task.yield() }
            #expect(api.pod("web").podIP == "10.244.0.5")
        }
    }

    @Test func aProgramThatCantBeExecutedIsAFailedRun() async throws {
        try await withNode { node, api in
            node.runtime.state.withLock {
                $0.startErrors["main"] = RuntimeError(
                    .cannotStart(exitCode: 127), "exec: \"/nope\": no such file or directory")
            }
            api.add(try Sample.plainPod(restartPolicy: "Never"))
            await api.wait(forPod: "web") { $0.phase == "Failed" }
            let terminated = try #require(api.pod("web").containerStatuses.first?.terminated)
            #expect(terminated["exitCode"] == 128 && terminated["reason"] == "StartError")
            #expect(terminated["message"].stringValue.contains("no such file or directory"))
        }
    }

    @Test func aContainerThatFailsWithoutAWordIsQuotedFromItsLog() async throws {
        try await withNode { node, api in
            api.add(
                try Sample.pod(
                    "{restartPolicy: Never, containers: [{name: main, image: demo, "
                        + "terminationMessagePolicy: FallbackToLogsOnError}]}"))
            await api.wait(forPod: "web", Self.isRunning)
            try node.folder.write(
                "2026-03-04T05:06:07.000000000Z stderr F it broke\n", to: "log/pods/default_web_uid-1/main/0.log")
            node.runtime.exit("main", uid: "uid-1", code: 1)
            await api.wait(forPod: "web") { $0.phase == "Failed" }
            #expect(api.pod("web").containerStatuses.first?.terminated?["message"] == "it broke\n")
        }
    }

    @Test func aNodeWhoseObjectIsDeletedComesBackWithItsRange() async throws {
        try await withNode(podCIDR: nil) { _, api in
            let path = "/api/v1/nodes/node1"
            await api.wait { $0[path] != nil }
            var object = api.object(path)
            object["spec"]["podCIDR"] = "10.244.3.0/24"
            api.put(path, object)
            await api.wait { Node_($0[path])?.isReady == true }
            let uid = api.object(path).uid
            api.remove(path)
            await api.wait { $0[path].map { $0.uid != uid } == true }
            #expect(api.object(path)["spec"]["podCIDR"] == "10.244.3.0/24")
        }
    }

    @Test func aSandboxThatDiesIsMadeAnew() async throws {
        try await withNode { node, api in
            api.add(try Sample.plainPod())
            await api.wait(forPod: "web", Self.isRunning)
            node.runtime.killSupervisor("uid-1")
            await api.wait(forPod: "web") { $0.containerStatuses.first?.restartCount == 1 && $0.isReady }
            #expect(node.runtime.calls == ["create web", "start main 0", "remove web", "create web", "start main 1"])
        }
    }

    @Test func anImageThatComesLaterIsFoundAtOnce() async throws {
        try await withNode { node, api in
            api.add(try Sample.pod("{containers: [{name: main, image: 'late:1', imagePullPolicy: Never}]}"))
            await api.wait(forPod: "web") { $0.containerStatuses.first?.waitingReason == "ErrImageNeverPull" }
            var tar = TarWriter()
            tar.add("x", text: "x")
            let archive = ImageArchiveWriter(layers: [tar.finished], name: "late:1").oci()
            try HostFiles.writeAtomically(archive, to: node.folder.file("late.tar"), isDurable: false)
            try ImageStore(folder: node.folder.file("images")).importArchive(path: node.folder.file("late.tar"))
            await api.wait(forPod: "web", Self.isRunning)
        }
    }

    @Test func aVolumeWaitsForItsConfigMap() async throws {
        try await withNode { node, api in
            api.add(
                try Sample.pod(
                    "{containers: [{name: main, image: demo, volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, configMap: {name: conf}}]}"
                ))
            await api.wait { objects in objects.values.contains { $0["reason"] == "FailedMount" } }
            #expect(
                api.events("web") == [
                    "FailedMount: MountVolume.SetUp failed for volume \"v\" : configmap \"conf\" not found"
                ])
            api.put(
                "/api/v1/namespaces/default/configmaps/conf",
                [
                    "kind": "ConfigMap", "apiVersion": "v1", "metadata": ["name": "conf", "namespace": "default"],
                    "data": ["key": "value"],
                ])
            await api.wait(forPod: "web", Self.isRunning)
            #expect(try node.folder.read("data/pods/uid-1/volumes/kubernetes.io~configmap/v/key") == "value")
            let mount = try #require(node.runtime.running("main")?.mounts.first { $0.target == "/v" })
            #expect(mount.readOnly)
        }
    }

    @Test func anEnvironmentWaitsForItsSecret() async throws {
        try await withNode { node, api in
            api.add(
                try Sample.pod(
                    "{containers: [{name: main, image: demo, env: [{name: P, valueFrom: {secretKeyRef: {name: sec, key: p}}}]}]}"
                ))
            await api.wait(forPod: "web") { $0.containerStatuses.first?.waitingReason == "CreateContainerConfigError" }
            #expect(api.pod("web").containerStatuses.first?.state["waiting"]["message"] == "secret \"sec\" not found")
            api.put(
                "/api/v1/namespaces/default/secrets/sec",
                [
                    "kind": "Secret", "apiVersion": "v1", "metadata": ["name": "sec", "namespace": "default"],
                    "data": ["p": "eA=="],
                ])
            await api.wait(forPod: "web", Self.isRunning)
            #expect(node.runtime.running("main")?.env.contains("P=x") == true)
        }
    }

    @Test func aPodThatDoesNotFitIsRefused() async throws {
        try await withNode { node, api in
            api.add(try Sample.pod("{containers: [{name: main, image: demo, resources: {requests: {cpu: '100000'}}}]}"))
            await api.wait(forPod: "web") { $0.phase == "Failed" }
            #expect(api.pod("web").status["reason"] == "OutOfcpu")
            #expect(
                api.pod("web").status["message"].stringValue.hasPrefix(
                    "Pod was rejected: Node didn't have enough resource: cpu"))
            #expect(node.runtime.calls.isEmpty)
        }
    }

    @Test func whatTheAPIMissesIsToldWhenItIsBack() async throws {
        try await withNode { node, api in
            api.add(try Sample.plainPod(restartPolicy: "Never"))
            await api.wait(forPod: "web", Self.isRunning)
            api.setAway(true)
            node.runtime.exit("main", uid: "uid-1", code: 7)
            while !node.runtime.calls.contains("remove web") { await Task.yield() }
            api.setAway(false)
            await api.wait(forPod: "web") { $0.phase == "Failed" }
            #expect(api.pod("web").containerStatuses.first?.terminated?["exitCode"] == 7)
        }
    }

    // MARK: the node

    @Test func theNodeRegistersAndIsReadyOnceItHasItsRange() async throws {
        try await withNode(podCIDR: nil) { node, api in
            let path = "/api/v1/nodes/node1"
            await api.wait { $0[path] != nil }
            await api.wait { Node_($0[path])?.condition("Ready")?["status"] == "False" }
            #expect(
                Node_(api.object(path))?.condition("Ready")?["message"].stringValue.contains("no pod range yet") == true
            )
            #expect(api.object(path).labels["kubernetes.io/hostname"] == "node1")
            var object = api.object(path)
            object["spec"]["podCIDR"] = "10.244.3.0/24"
            api.put(path, object)
            await api.wait { Node_($0[path])?.isReady == true }
            #expect(node.runtime.state.withLock { $0.range } == Sample.range("10.244.3.0/24"))
            await api.wait { $0["/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node1"] != nil }
        }
    }

    @Test func aRebootIsTold() async throws {
        let api = FakeAPI()
        api.put(
            "/api/v1/nodes/node1",
            [
                "kind": "Node", "apiVersion": "v1", "metadata": ["name": "node1"],
                "status": ["nodeInfo": ["bootID": "the boot before"]],
            ])
        let node = try TestNode(api: api)
        await api.wait { objects in objects.values.contains { $0.kind == "Event" && $0["reason"] == "Rebooted" } }
        await api.wait {
            !["", "the boot before"].contains($0["/api/v1/nodes/node1"]?["status"]["nodeInfo"]["bootID"].stringValue)
        }
        await node.stop()
    }

    @Test func aRangeOfItsOwnIsToldToTheAPI() async throws {
        try await withNode { _, api in
            await api.wait { Node_($0["/api/v1/nodes/node1"])?.isReady == true }
            #expect(api.object("/api/v1/nodes/node1")["spec"]["podCIDR"] == "10.244.0.0/24")
        }
    }

    @Test func aRangeThatAnotherNodeHasIsRefused() async throws {
        let api = FakeAPI()
        api.put(
            "/api/v1/nodes/other",
            ["kind": "Node", "apiVersion": "v1", "metadata": ["name": "other"], "spec": ["podCIDR": "10.244.0.0/22"]])
        let node = try TestNode(api: api)
        await api.wait { Node_($0["/api/v1/nodes/node1"])?.condition("Ready")?["status"] == "False" }
        #expect(
            Node_(api.object("/api/v1/nodes/node1"))?.condition("Ready")?["message"]
                == "the pod range 10.244.0.0/24 overlaps that of node other")
        await node.stop()
    }

    // MARK: adoption

    /// A sandbox with one container `main`, as an earlier kubelet has left it.
    private func left(_ pod: Pod, _ state: ContainerInfo.State, isAlive: Bool = true) -> RecoveredSandbox {
        let spec = SandboxSpecMaker.make(pod: pod, nodeHostname: "machine", startTime: Sample.now, number: 0)
        let run = ContainerRun(
            id: "old", attempt: 2, image: "demo", imageName: "docker.io/library/demo:latest", imageID: "sha256:1")
        return RecoveredSandbox(
            spec: spec, info: SandboxInfo(podUID: pod.uid, address: "10.244.0.9", createdAt: Sample.now, podinitPID: 9),
            isAlive: isAlive,
            containers: [
                ContainerInfo(
                    id: "old", name: "main", attempt: 2, podUID: pod.uid, pid: 99, startedAt: Sample.now, state: state,
                    logPath: "/log", annotation: run.annotation)
            ])
    }

    @Test func whatRunsGoesOn() async throws {
        let api = FakeAPI()
        let pod = api.add(try Sample.plainPod())
        let runtime = FakeRuntime(recovered: [left(pod, .running)])
        let node = try TestNode(api: api, runtime: runtime)
        await api.wait(forPod: "web", Self.isRunning)
        #expect(runtime.calls.isEmpty)
        let status = try #require(api.pod("web").containerStatuses.first)
        #expect(status.containerID == "swiftlet://old" && status.restartCount == 2)
        #expect(api.pod("web").podIP == "10.244.0.9")
        await node.stop()
    }

    @Test func whatEndedMeanwhileIsToldWithItsRealTimeAndStartedAgain() async throws {
        let api = FakeAPI()
        let pod = api.add(try Sample.plainPod())
        let runtime = FakeRuntime(recovered: [
            left(
                pod,
                .exited(
                    ExitRecord(exitCode: 137, signal: 9, startedAt: Sample.now, finishedAt: Sample.now + .seconds(5))))
        ])
        let node = try TestNode(api: api, runtime: runtime)
        await api.wait(forPod: "web") { $0.containerStatuses.first?.restartCount == 3 && $0.isReady }
        let last = try #require(api.pod("web").containerStatuses.first?.lastTerminated)
        #expect(last["exitCode"] == 137 && last["finishedAt"] == "2026-03-04T05:06:12Z")
        #expect(runtime.calls == ["start main 3"])
        await node.stop()
    }

    @Test func aPodThatWasDeletedMeanwhileIsEnded() async throws {
        let api = FakeAPI()
        let runtime = FakeRuntime(recovered: [left(try Sample.plainPod(), .running)])
        let node = try TestNode(api: api, runtime: runtime)
        while !runtime.calls.contains("remove web") { await Task.yield() }
        #expect(runtime.calls == ["stop ? 2", "remove web"])
        await node.stop()
    }

    @Test func aPodIsNotEndedBeforeTheAPIWasHeard() async throws {
        let api = FakeAPI()
        api.setAway(true)
        let runtime = FakeRuntime(recovered: [left(try Sample.plainPod(), .exited(FakeRuntime.record(1)))])
        let node = try TestNode(api: api, runtime: runtime)
        // It is looked after all the same.
        while runtime.running("main") == nil { await Task.yield() }
        #expect(runtime.calls == ["start main 3"])
        await node.stop()
    }

    @Test func anEndedPodIsNotStartedAgainByTheNextKubelet() async throws {
        let api = FakeAPI()
        let folder = try TemporaryFolder()
        let first = try TestNode(folder, api: api)
        api.add(try Sample.plainPod(restartPolicy: "Never"))
        await api.wait(forPod: "web", Self.isRunning)
        // The end is known here, and the API is not told any more.
        api.setAway(true)
        first.runtime.exit("main", uid: "uid-1", code: 5)
        while !first.runtime.calls.contains("remove web") { await Task.yield() }
        await first.stop()
        api.setAway(false)
        let second = try TestNode(folder, api: api)
        await api.wait(forPod: "web") { $0.phase == "Failed" }
        #expect(second.runtime.calls.isEmpty)
        #expect(api.pod("web").containerStatuses.first?.terminated?["exitCode"] == 5)
        await second.stop()
    }

    @Test func whatNobodyKnowsIsSweptAway() async throws {
        let folder = try TemporaryFolder()
        try folder.write("x", to: "data/pods/stranger/volumes/x")
        try folder.write("x", to: "run/volumes/stranger/x")
        try folder.write("x", to: "log/pods/default_gone_stranger/main/0.log")
        let node = try TestNode(folder)
        while ["data/pods", "run/volumes", "log/pods"].contains(where: { !FileTree.names(in: folder.file($0)).isEmpty })
        {
            await Task.yield()
        }
        await node.stop()
    }

    // MARK: static pods

    private static let manifest =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: main, image: demo, imagePullPolicy: IfNotPresent}]}\n"

    @Test func aStaticPodRunsWithoutAnAPI() async throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.manifest, to: "manifests/web.yaml")
        let node = try TestNode(folder, api: nil)
        while node.runtime.running("main") == nil { await Task.yield() }
        unlink(folder.file("manifests/web.yaml"))
        while !node.runtime.calls.contains("remove web-node1") { await Task.yield() }
        #expect(node.runtime.calls == ["create web-node1", "start main 0", "stop main 30", "remove web-node1"])
        await node.stop()
    }

    @Test func aStaticPodHasAMirrorThatComesBackAndGoesWithIt() async throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.manifest, to: "manifests/web.yaml")
        let api = FakeAPI()
        let node = try TestNode(folder, api: api)
        await api.wait(forPod: "web-node1", Self.isRunning)
        let first = api.pod("web-node1")
        #expect(first.isMirror)
        #expect(first.json.ownerReferences.first?["kind"] == "Node")
        try await api.delete(.pods, namespace: "default", name: "web-node1")
        await api.wait(forPod: "web-node1") { !$0.uid.isEmpty && $0.uid != first.uid && Self.isRunning($0) }
        #expect(api.pod("web-node1").containerStatuses.first?.containerID == first.containerStatuses.first?.containerID)
        unlink(folder.file("manifests/web.yaml"))
        await api.wait(untilGone: "/api/v1/namespaces/default/pods/web-node1")
        #expect(node.runtime.calls == ["create web-node1", "start main 0", "stop main 30", "remove web-node1"])
        await node.stop()
    }

    @Test func aMirrorWithoutAManifestIsDeleted() async throws {
        let api = FakeAPI()
        api.add(
            try Sample.pod(
                "{containers: [{name: main, image: demo}]}", name: "web-node1",
                metadata: "annotations: {kubernetes.io/config.mirror: x, kubernetes.io/config.source: file}"))
        let node = try TestNode(api: api)
        await api.wait(untilGone: "/api/v1/namespaces/default/pods/web-node1")
        #expect(node.runtime.calls.isEmpty)
        await node.stop()
    }

    @Test func aChangedManifestIsAnotherPodOnceTheOldOneIsGone() async throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.manifest, to: "manifests/web.yaml")
        let node = try TestNode(folder, api: nil)
        while node.runtime.running("main") == nil { await Task.yield() }
        try folder.write(
            Self.manifest.replacing("image: demo", with: "image: demo, args: [x]"), to: "manifests/web.yaml")
        while node.runtime.running("main")?.args != ["x"] { await Task.yield() }
        #expect(
            node.runtime.calls == [
                "create web-node1", "start main 0", "stop main 30", "remove web-node1", "create web-node1",
                "start main 0",
            ])
        await node.stop()
    }
}

/// The view of a node that may be missing. (`Node` is something else here.)
private func Node_(_ json: JSON?) -> KubeAPI.Node? { json.flatMap { $0.isNull ? nil : KubeAPI.Node($0) } }
