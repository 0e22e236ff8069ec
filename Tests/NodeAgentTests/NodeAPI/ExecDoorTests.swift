import Glibc
import KubeAPI
import Kernel
import Testing

@testable import NodeAgent

/// The socket by which commands on the machine execute programs in containers.
@Suite struct ExecDoorTests {
    /// What the door answers to that request.
    private func answer(_ request: [UInt8], pods: [PodSnapshot] = []) async throws -> JSON {
        let folder = try TemporaryFolder()
        let loop = try EpollLoop(name: "test-exec")
        defer { loop.stop() }
        let door = try ExecDoor(
            folder: folder.file("exec"), loop: loop, runtime: FakeRuntime(), log: LogCollector().logger, pods: { pods })
        let client = try PacketSocket(
            connectingIn: try FileDescriptor.folder(folder.file("exec")), name: ExecDoor.socketName)
        try client.send(request)
        // Not by a call that waits: it would keep a thread from whoever answers.
        var packet: [UInt8]?
        while packet == nil {
            packet = try client.receive(limit: ExecDoor.packetLimit)
            if packet == nil { try await Task.sleep(for: .milliseconds(1)) }
        }
        withExtendedLifetime(door) {}
        return try JSON.parse(packet ?? [])
    }
    private func snapshot(_ run: ContainerRun) throws -> PodSnapshot {
        PodSnapshot(
            pod: try Sample.plainPod(), state: Sample.state(["main": run]), status: .emptyObject,
            timings: PodStartTimings(seenAt: Sample.start))
    }

    @Test func onlyItsOwnerMayEnter() throws {
        let folder = try TemporaryFolder()
        let loop = try EpollLoop(name: "test-exec")
        defer { loop.stop() }
        let door = try ExecDoor(
            folder: folder.file("exec"), loop: loop, runtime: FakeRuntime(), log: LogCollector().logger, pods: { [] })
        var info = stat()
        #expect(stat(folder.file("exec"), &info) == 0 && info.st_mode & 0o7777 == 0o700)
        withExtendedLifetime(door) {}
    }

    @Test func whatIsNotThereIsRefused() async throws {
        let request = Array(#"{"target": "web", "command": ["ls"]}"#.utf8)
        #expect(try await answer(request)["error"] == "there is no pod or container \"web\" on this node")
        #expect(
            try await answer(request, pods: [try snapshot(Sample.ended(0))])["error"]
                == "container \"main\" of pod default/web does not run")
    }

    @Test func whatIsNoRequestIsRefused() async throws {
        #expect(try await answer(Array("{".utf8))["error"] == "the request is no JSON document")
        #expect(try await answer(Array("{}".utf8))["error"].string != nil)
    }
}
