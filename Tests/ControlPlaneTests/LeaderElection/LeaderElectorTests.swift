import KubeAPI
import Logging
import Synchronization
import Testing

@testable import ControlPlane

/// An API that can be cut off.
private final class Switchable: APIClient {
    private let inner: any APIClient
    private let isOff = Mutex(false)

    init(_ inner: any APIClient) { self.inner = inner }

    func cut(_ off: Bool) { isOff.withLock { $0 = off } }

    func send(_ request: APIRequest) async throws -> APIResponse {
        if isOff.withLock({ $0 }) { throw APIConnectionError("cut off") }
        return try await inner.send(request)
    }

    func lines(_ request: APIRequest) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        try await inner.lines(request)
    }
}

@Suite struct LeaderElectorTests {
    private let server: TestServer
    private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() async throws {
        server = try await TestServer()
        for name in ["kube-system", "default"] {
            do {
                try await server.admin.create(.namespaces, ["metadata": ["name": .string(name)]])
            } catch let error as StatusError where error.isAlreadyExists {
                continue
            }
        }
    }

    private func elector(_ identity: String, _ client: any APIClient) -> LeaderElector {
        var timing = LeaderElector.Timing()
        timing.lease = .seconds(1)
        timing.renewDeadline = .milliseconds(400)
        timing.retry = .milliseconds(20)
        return LeaderElector(client: client, name: "test", identity: identity, timing: timing, log: quiet)
    }

    /// Waits for what must come; the test's time limit is the bound.
    private func until(_ condition: () -> Bool) async throws {
        while !condition() { try await Task.sleep(for: .milliseconds(5)) }
    }

    private func idle() async { try? await Task.sleep(for: .seconds(3600)) }  // until it is cancelled

    @Test(.timeLimit(.minutes(1))) func oneLeadsAndTheNextBeginsWhenItGivesUp() async throws {
        let (first, second) = (elector("a", server.admin), elector("b", server.admin))
        let leading = Task { await first.run { await idle() } }
        try await until { first.isLeader }
        let waiting = Task { await second.run { await idle() } }
        let lease = try await server.admin.get(.leases, namespace: "kube-system", name: "test")
        #expect(lease["spec"]["holderIdentity"] == "a")
        #expect(lease["spec"]["leaseTransitions"] == 0)
        #expect(!second.isLeader)
        leading.cancel()
        await leading.value
        try await until { second.isLeader }
        let taken = try await server.admin.get(.leases, namespace: "kube-system", name: "test")
        #expect(taken["spec"]["holderIdentity"] == "b")
        #expect(taken["spec"]["leaseTransitions"].int ?? 0 > 0)
        waiting.cancel()
        await waiting.value
        #expect(!second.isLeader)
    }

    @Test(.timeLimit(.minutes(1))) func stopsWorkingWhenItCannotRenewAndGoesOnAfterwards() async throws {
        let api = Switchable(server.admin)
        let elector = elector("a", api)
        let terms = Mutex(0)
        let works = Mutex(false)
        let task = Task {
            await elector.run {
                terms.withLock { $0 += 1 }
                works.withLock { $0 = true }
                await idle()
                works.withLock { $0 = false }
            }
        }
        try await until { works.withLock { $0 } }
        api.cut(true)
        try await until { !works.withLock { $0 } }
        #expect(!elector.isLeader)
        api.cut(false)
        try await until { elector.isLeader && terms.withLock { $0 } == 2 }
        task.cancel()
        await task.value
    }
}
