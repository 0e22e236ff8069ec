import KubeAPI
import Testing

@testable import NodeAgent

/// Tokens of service accounts in projected volumes.
@Suite struct ServiceAccountTokenTests {
    private func pod(expirationSeconds: Int, security: String = "{}") throws -> Pod {
        try Sample.pod(
            """
            {serviceAccountName: robot, securityContext: \(security),
             volumes: [{name: api, projected: {defaultMode: 0644, sources: [
               {serviceAccountToken: {path: token, expirationSeconds: \(expirationSeconds)}},
               {downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}}]}}],
             containers: [{name: main, image: demo, volumeMounts: [{name: api, mountPath: /api}]}]}
            """)
    }
    private static let folder = "run/volumes/uid-1/kubernetes.io~projected/api"

    @Test func aPodGetsATokenOfItsAccountBoundToItself() async throws {
        let api = FakeAPI()
        let node = try TestNode(api: api)
        api.add(try pod(expirationSeconds: 3600))
        await api.wait(forPod: "web") { $0.isReady }
        #expect(try node.folder.read("\(Self.folder)/token").hasSuffix(" for robot"))
        #expect(try node.folder.read("\(Self.folder)/namespace") == "default")
        #expect(
            api.requests.filter { $0.hasSuffix("/token") } == [
                "POST /api/v1/namespaces/default/serviceaccounts/robot/token"
            ])
        await node.stop()
    }

    @Test func aTokenIsRenewedBeforeItExpires() async throws {
        let api = FakeAPI()
        let node = try TestNode(api: api)
        api.add(try pod(expirationSeconds: 2))
        await api.wait(forPod: "web") { $0.isReady }
        let first = try node.folder.read("\(Self.folder)/token")
        while try node.folder.read("\(Self.folder)/token") == first { await Task.yield() }
        await node.stop()
    }

    @Test func aTokenThatCannotBeHadIsTold() async throws {
        let api = FakeAPI()
        let tokens = ServiceAccountTokens(client: api, onDue: { _ in })
        let request = TokenRequest(["path": "token"], of: try pod(expirationSeconds: 3600))
        #expect(request.expirationSeconds == 3600)
        let first = try await tokens.token(request)
        api.setAway(true)
        // What is known is good for most of its time.
        #expect(try await tokens.token(request) == first)
        tokens.forget(podUID: "uid-1")
        await #expect(throws: APIConnectionError.self) { try await tokens.token(request) }
    }

    @Test func aContainerIsStartedAgainWithTheTokenOfBeforeWhileTheAPIIsAway() async throws {
        let api = FakeAPI()
        let first = try TestNode(api: api)
        api.add(try pod(expirationSeconds: 3600))
        await api.wait(forPod: "web") { $0.isReady }
        await first.stop()
        let token = try first.folder.read("\(Self.folder)/token")
        let spec = try #require(first.runtime.running("main"))
        let sandbox = try #require(first.runtime.state.withLock { $0.sandboxes["uid-1"] })
        let runtime = FakeRuntime(recovered: [
            RecoveredSandbox(
                spec: sandbox, info: Sample.sandbox, isAlive: true,
                containers: [
                    ContainerInfo(
                        id: spec.id, name: "main", attempt: 0, podUID: "uid-1", pid: 1, startedAt: Sample.now,
                        state: .exited(FakeRuntime.record(1)), logPath: spec.logPath, annotation: spec.annotation)
                ])
        ])
        api.setAway(true)
        let second = try TestNode(first.folder, api: api, runtime: runtime)
        while runtime.running("main") == nil { await Task.yield() }
        #expect(runtime.calls == ["start main 1"])
        #expect(try first.folder.read("\(Self.folder)/token") == token)
        await second.stop()
    }

    @Test func aVolumeWithAGroupKeepsItsTokenToThat() throws {
        for (security, mode) in [("{}", UInt32(0o644)), ("{fsGroup: 99}", 0o600)] {
            let pod = try pod(expirationSeconds: 3600, security: security)
            let environment = EnvironmentSource(
                pod: pod, podIPs: [], hostIPs: [], nodeName: "node1", allocatable: [:], services: [:],
                object: { _, _ in nil })
            let request = try #require(TokenRequest.all(of: pod.volumes[0], in: pod).first)
            let files = try VolumeContent(
                pod: pod, environment: environment, objects: [:], tokens: [request: "secret"]
            ).files(of: pod.volumes[0])
            #expect(files["token"] == VolumeFile(bytes: Array("secret".utf8), mode: mode))
        }
    }
}
