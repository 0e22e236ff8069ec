import KubeAPI
import Kernel
import Synchronization
import Testing
import Transport

@testable import NodeAgent

/// What a node answers before a stream begins.
@Suite struct NodeStreamsTests {
    /// Keeps the answer.
    private final class Catcher: HTTPResponder {
        private let answer = Mutex<(status: Int, text: String)?>(nil)
        var status: Int { answer.withLock { $0?.status ?? 0 } }
        var text: String { answer.withLock { $0?.text ?? "" } }

        func respond(status: Int, headers: [(String, String)], body: [UInt8]) {
            answer.withLock { $0 = (status, String(decoding: body, as: UTF8.self)) }
        }
        func stream(status: Int, headers: [(String, String)]) -> any HTTPStream { fatalError("not a stream") }
        func upgrade(_ change: ProtocolSwitch) { answer.withLock { $0 = (101, "") } }
    }

    private static let spdy = [
        ("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", "v4.channel.k8s.io"),
    ]

    /// One that has begun: one that has not cannot be stopped.
    private func runningNode() async throws -> TestNode {
        let node = try TestNode()
        while !node.kubelet.isHealthy { try await Task.sleep(for: .milliseconds(5)) }
        return node
    }

    private func ask(_ node: TestNode, _ target: String, method: String = "POST", peer: String = "") throws -> Catcher {
        let catcher = Catcher()
        let request = try #require(
            HTTPServerRequest(
                method: method, target: target, headers: Self.spdy, peer: PeerIdentity(address: peer)))
        node.kubelet.nodeAPI.handle(request, catcher)
        return catcher
    }

    @Test func aPodThatIsNotHere() async throws {
        let node = try await runningNode()
        for target in [
            "/exec/default/web/main?command=ls&output=1", "/attach/default/web/main?output=1",
            "/portForward/default/web",
        ] {
            let answer = try ask(node, target)
            #expect(answer.status == 404 && answer.text == "pod does not exist\n")
        }
        #expect(try ask(node, "/exec/default/web").status == 405)
        await node.stop()
    }

    @Test func whoeverComesFromOutsideShowsACertificate() async throws {
        let node = try await runningNode()
        #expect(try ask(node, "/exec/default/web/main?command=ls&output=1", peer: "192.0.2.1").status == 401)
        await node.stop()
    }

    @Test func aSocketOfAnotherNamespaceIsMadeThereOrSaysWhy() async throws {
        // Our own namespace needs no rights to be looked at, but some to be entered: either way there is an answer.
        let sockets = PodSockets(
            threads: try WorkerThreads(name: "test-net", count: 1), loop: try EpollLoop(name: "test-net"))
        guard case .failure(let failure) = await sockets.connect(supervisor: -1, port: 9) else {
            Issue.record("connected to nothing")
            return
        }
        #expect(failure.text.hasPrefix("failed to connect to localhost:9 inside the pod's network namespace, IPv4: "))
        #expect(failure.text.contains("no such file or directory"))
        sockets.threads.stop()
        sockets.loop.stop()
    }
}
