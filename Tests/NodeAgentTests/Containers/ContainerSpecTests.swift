import KubeAPI
import Testing

@testable import NodeAgent

/// What is handed to the runtime for a container.
@Suite struct ContainerSpecTests {
    private func spec(_ container: String, image: String = "{}", pod more: String = "") throws -> ContainerSpec {
        let pod = try Sample.pod("{\(more)containers: [{name: main, image: demo, \(container)}]}")
        let found = FoundImage(
            id: "sha256:1", reference: "sha256:1", name: "demo:1", config: try JSONImage.config(image), layers: ["/l"],
            accounts: ImageAccounts(passwd: Array("web:x:5:6::/home/web:".utf8), group: []))
        let source = EnvironmentSource(
            pod: pod, podIPs: [], hostIPs: [], nodeName: "node1", allocatable: [:], hostname: "web", services: [:],
            object: { _, _ in nil })
        let variables = try ContainerEnvironment.build(container: pod.containers[0], source: source)
        let run = ContainerRun(
            id: ContainerSpecMaker.newID(), attempt: 2, image: "demo", imageName: "demo:1", imageID: "sha256:1",
            stopSignal: ContainerSpecMaker.stopSignal(pod.containers[0], found))
        return try ContainerSpecMaker(
            pod: pod, container: pod.containers[0], image: found, run: run, logPath: "/log/2.log", environment: source,
            mounts: [], memoryCapacity: 1 << 30, seccompProfiles: "/seccomp", variables: variables
        ).make()
    }
    private static let image =
        #"{"Entrypoint":["/entry"],"Cmd":["default"],"WorkingDir":"/srv","User":"web","Env":["A=image","PATH=/bin"],"StopSignal":"SIGQUIT"}"#

    @Test func commandsAndArgumentsStandForTheImages() throws {
        #expect(try spec("ports: []", image: Self.image).args == ["/entry", "default"])
        #expect(try spec("args: [x]", image: Self.image).args == ["/entry", "x"])
        #expect(try spec("command: [run]", image: Self.image).args == ["run"])
        #expect(
            try spec("command: [run], args: ['$(A)', '$$(A)'], env: [{name: A, value: b}]").args == [
                "run", "b", "$(A)",
            ])
    }

    @Test func theImageFillsWhatTheSpecLeavesOut() throws {
        let spec = try spec("ports: []", image: Self.image)
        #expect(spec.workingDir == "/srv")
        #expect(spec.uid == 5 && spec.gid == 6)
        #expect(spec.env == ["A=image", "PATH=/bin", "HOSTNAME=web", "HOME=/home/web"])
        #expect(spec.name == "main" && spec.attempt == 2 && spec.logPath == "/log/2.log" && spec.layers == ["/l"])
        #expect(spec.id.utf8.count == 64)
        #expect(spec.annotation["stopSignal"] == 3)
        let bare = try self.spec("ports: []")
        #expect(bare.workingDir == "/")
        #expect(bare.env == [ContainerSpecMaker.defaultPath, "HOSTNAME=web", "HOME=/"])
    }

    @Test func idsAreNeverTheSame() {
        #expect(Set((0..<100).map { _ in ContainerSpecMaker.newID() }).count == 100)
    }

    @Test func rights() throws {
        #expect(try spec("ports: []").allowPrivilegeEscalation)
        #expect(try !spec("securityContext: {allowPrivilegeEscalation: false}").allowPrivilegeEscalation)
        #expect(
            try spec("securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [SYS_ADMIN]}}")
                .allowPrivilegeEscalation)
        #expect(try spec("securityContext: {readOnlyRootFilesystem: true}").readOnlyRootFilesystem)
        let privileged = try spec("securityContext: {privileged: true, seccompProfile: {type: RuntimeDefault}}")
        #expect(privileged.privileged && privileged.seccomp == .unconfined)
    }

    @Test func systemCallsByTheContainerOverThePod() throws {
        #expect(try spec("ports: []").seccomp == .unconfined)
        let pod = "securityContext: {seccompProfile: {type: RuntimeDefault}}, "
        #expect(try spec("ports: []", pod: pod).seccomp == .runtimeDefault)
        #expect(try spec("securityContext: {seccompProfile: {type: Unconfined}}", pod: pod).seccomp == .unconfined)
        let local = "securityContext: {seccompProfile: {type: Localhost, localhostProfile: "
        #expect(try spec(local + "a/b.json}}").seccomp == .localhost("/seccomp/a/b.json"))
        #expect(throws: ContainerConfigError.self) { try spec(local + "../x}}") }
        #expect(throws: ContainerConfigError.self) { try spec(local + "/x}}") }
    }

    @Test func aSandboxIsWhatThePodSays() throws {
        let pod = try Sample.pod(
            "{hostNetwork: true, shareProcessNamespace: true, securityContext: {sysctls: [{name: net/ipv4/tcp_syncookies, value: '1'}]}, containers: [{name: main, image: demo}]}",
            metadata: "managedFields: [{manager: x}]")
        let spec = SandboxSpecMaker.make(pod: pod, nodeHostname: "machine", startTime: Sample.now, number: 3)
        #expect(spec.hostname == "machine" && spec.hostNetwork && spec.shareProcessNamespace && !spec.hostPID)
        #expect(spec.sysctls == ["net.ipv4.tcp_syncookies": "1"])
        #expect(spec.qos == .besteffort)
        #expect(spec.annotation["pod"].name == "web")
        #expect(spec.annotation["pod"]["metadata"]["managedFields"].isNull)
        #expect(spec.annotation["sandboxNumber"] == 3)
        #expect(
            SandboxSpecMaker.make(pod: try Sample.plainPod(), nodeHostname: "machine", startTime: Sample.now, number: 0)
                .hostname == "web")
    }
}
