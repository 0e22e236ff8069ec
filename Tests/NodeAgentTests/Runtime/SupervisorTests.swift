import Glibc
import Kernel
import Synchronization
import Testing

@testable import NodeAgent

/// The other end of a supervisor's socket, played by the test.
private final class FakePodinit: Sendable {
    private let listener: FileDescriptor
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        let handle = try FileDescriptor.folder(folder.path)
        listener = try PacketSocket.listen(in: handle, name: RuntimePaths.socketName)
    }

    /// Waits for a connection.
    func accept() throws -> Int32 {
        var poll = pollfd(fd: listener.raw, events: Int16(POLLIN), revents: 0)
        try #require(Glibc.poll(&poll, 1, 60_000) == 1)
        let raw = Glibc.accept(listener.raw, nil, nil)
        try #require(raw >= 0)
        return raw
    }

    static func say(_ socket: Int32, _ packet: [UInt8]) {
        #expect(send(socket, packet, packet.count, 0) == packet.count)
    }

    /// The next request: its type and number.
    static func hear(_ socket: Int32) -> (type: UInt16, request: UInt32)? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        guard recv(socket, &bytes, bytes.count, 0) >= 12 else { return nil }
        return bytes.withUnsafeBytes { bytes in
            (
                bytes.loadUnaligned(fromByteOffset: 4, as: UInt16.self),
                bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
            )
        }
    }
}

/// What was heard, for those that wait for it.
private final class HeardEvents: Sendable {
    private let kept = Mutex<[String]>([])
    private let stream: AsyncStream<Void>
    private let tell: AsyncStream<Void>.Continuation

    init() { (stream, tell) = AsyncStream.makeStream() }

    var all: [String] { kept.withLock { $0 } }

    func add(_ event: String) {
        kept.withLock { $0.append(event) }
        tell.yield()
    }

    func note(_ event: Supervisor.Event) {
        switch event {
        case .exited(let report): add("exited \(report.exitCode)")
        case .hungUp: add("hung up")
        case .died: add("died")
        }
    }

    /// Waits until there are so many.
    func first(_ count: Int) async -> [String] {
        if all.count < count {
            for await _ in stream where all.count >= count { break }
        }
        return Array(all.prefix(count))
    }
}

/// A question that is already on its way, with an answer to wait for. (A test that blocks a thread of Swift's pool must
/// not wait for a task that needs one.)
private final class Question: Sendable {
    private let stream: AsyncStream<Supervisor.Reply>

    init(_ supervisor: Supervisor, _ type: SupervisorProtocol.MessageType) {
        let (stream, answer) = AsyncStream<Supervisor.Reply>.makeStream()
        self.stream = stream
        supervisor.ask(type) {
            answer.yield($0)
            answer.finish()
        }
    }

    var answer: Supervisor.Reply? {
        get async {
            for await reply in stream { return reply }
            return nil
        }
    }
}

@Suite("The daemon's end of a supervisor")
final class SupervisorTests {
    private let podinit: FakePodinit
    private let loop: EpollLoop
    private let events = HeardEvents()

    init() throws {
        podinit = try FakePodinit()
        loop = try EpollLoop(name: "test")
    }

    deinit { loop.stop() }

    /// Connected to the fake; `pid` stands for its process.
    private func connect(pid: Int32 = getpid()) throws -> (Supervisor, Int32) {
        let folder = try FileDescriptor.folder(podinit.folder.path)
        let socket = try PacketSocket(connectingIn: folder, name: RuntimePaths.socketName)
        let supervisor = Supervisor(pid: pid, pidfd: try Pidfd(pid: pid), socket: socket, loop: loop) {
            [events] event in
            events.note(event)
        }
        let far = try podinit.accept()
        try supervisor.listen()
        return (supervisor, far)
    }

    @Test func answersFindTheirRequestsInAnyOrder() async throws {
        let (supervisor, far) = try connect()
        defer { close(far) }
        let first = Question(supervisor, .forget)
        let one = try #require(FakePodinit.hear(far))
        let second = Question(supervisor, .start)
        let two = try #require(FakePodinit.hear(far))
        #expect(one.type == 8 && two.type == 4 && one.request != two.request && one.request != 0)
        FakePodinit.say(
            far, SupervisorProtocolTests.message(5, request: two.request, SupervisorProtocolTests.report(state: 2)))
        FakePodinit.say(far, SupervisorProtocolTests.message(11, request: one.request))
        guard case .container(let report) = await second.answer, case .done(let listed) = await first.answer else {
            Issue.record("other answers")
            return
        }
        #expect(report.state == .running && listed.isEmpty)
        supervisor.close()
    }

    @Test func aListIsGatheredUntilItIsDone() async throws {
        let (supervisor, far) = try connect()
        defer { close(far) }
        let question = Question(supervisor, .list)
        let request = try #require(FakePodinit.hear(far)).request
        let other = String(RuntimeSamples.id.reversed())
        FakePodinit.say(
            far, SupervisorProtocolTests.message(3, request: request, SupervisorProtocolTests.report(state: 2)))
        FakePodinit.say(
            far,
            SupervisorProtocolTests.message(3, request: request, SupervisorProtocolTests.report(other, state: 3))
                + SupervisorProtocolTests.message(11, request: request))
        guard case .done(let listed) = await question.answer else {
            Issue.record("no list")
            return
        }
        #expect(listed.map(\.id) == [RuntimeSamples.id, other])
        #expect(listed.map(\.state) == [.running, .exited])
        supervisor.close()
    }

    @Test func aStartIsAnsweredBeforeItsEndIsTold() async throws {
        let (supervisor, far) = try connect()
        defer { close(far) }
        supervisor.ask(.start) { [events] _ in events.add("started") }
        let request = try #require(FakePodinit.hear(far)).request
        FakePodinit.say(
            far,
            SupervisorProtocolTests.message(5, request: request, SupervisorProtocolTests.report(state: 2))
                + SupervisorProtocolTests.message(10, SupervisorProtocolTests.report(state: 3, exitCode: 4)))
        #expect(await events.first(2) == ["started", "exited 4"])
        supervisor.close()
    }

    @Test func anOlderOneSaysThatItDoesNotKnow() async throws {
        let (supervisor, far) = try connect()
        defer { close(far) }
        let question = Question(supervisor, .exec)
        let request = try #require(FakePodinit.hear(far)).request
        FakePodinit.say(far, SupervisorProtocolTests.message(12, request: request))
        guard case .unknown = await question.answer else {
            Issue.record("another answer")
            return
        }
        supervisor.close()
    }

    @Test func aHangUpEndsWhatIsAskedAndIsToldOnce() async throws {
        let (supervisor, far) = try connect()
        let question = Question(supervisor, .list)
        _ = FakePodinit.hear(far)
        close(far)
        guard case .gone = await question.answer else {
            Issue.record("another answer")
            return
        }
        #expect(await events.first(1) == ["hung up"])
        guard case .gone = await supervisor.ask(.list) else {
            Issue.record("asked nobody, and was answered")
            return
        }
        // The process lives.
        #expect(supervisor.isAlive)
        #expect(events.all == ["hung up"])
        supervisor.close()
    }

    @Test func aDeathIsToldAfterWhatItSaidBefore() async throws {
        var child = pid_t()
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("1000"), nil]
        defer { for argument in arguments { free(argument) } }
        try #require(posix_spawn(&child, "/bin/sleep", nil, nil, &arguments, nil) == 0)
        let (supervisor, far) = try connect(pid: child)
        defer { close(far) }
        FakePodinit.say(far, SupervisorProtocolTests.message(10, SupervisorProtocolTests.report(state: 3, exitCode: 9)))
        kill(child, SIGKILL)
        #expect(await supervisor.waitForDeath(.seconds(60)))
        #expect(!supervisor.isAlive)
        #expect(await events.first(2) == ["exited 9", "died"])
        // Reaped: it is no zombie.
        #expect(kill(child, 0) == -1)
        #expect(await supervisor.waitForDeath(.zero))
        supervisor.close()
    }

    @Test func oneThatLivesOnIsNotWaitedForLonger() async throws {
        let (supervisor, far) = try connect()
        defer { close(far) }
        #expect(await supervisor.waitForDeath(.milliseconds(10)) == false)
        supervisor.close()
    }

    @Test(arguments: [
        SupervisorProtocolTests.hello(uid: "b2c1", pid: getpid()),
        SupervisorProtocolTests.hello(uid: "other", pid: getpid()),
        SupervisorProtocolTests.hello(uid: "b2c1", major: 2, pid: getpid()),
        SupervisorProtocolTests.hello(uid: "b2c1", pid: Int32.max),
        SupervisorProtocolTests.message(11), [1, 2, 3],
    ])
    func onlyThePodsOwnIsFoundAgain(_ greeting: [UInt8]) async throws {
        let folder = podinit.folder.path
        let threads = try WorkerThreads(name: "test", count: 1)
        defer { threads.stop() }
        async let isFound = threads.run {
            Supervisor.connect(folder: folder, podUID: "b2c1", timeoutMs: 60_000) != nil
        }
        let far = try await WorkerThreads(name: "test", count: 1).run { [podinit] in try podinit.accept() }
        FakePodinit.say(far, greeting)
        let answer = await isFound
        close(far)
        #expect(answer == (greeting == SupervisorProtocolTests.hello(uid: "b2c1", pid: getpid())))
    }

    @Test func whereNobodyListensNobodyIsFound() throws {
        let folder = try TemporaryFolder()
        func isFound(_ path: String) -> Bool { Supervisor.connect(folder: path, podUID: "x", timeoutMs: 1000) != nil }
        #expect(isFound(folder.path) == false)
        #expect(isFound("/nosuch") == false)
    }
}
