import Glibc
import Kernel
import Synchronization
import Testing

@testable import NodeAgent

/// The real supervisor without what needs root: it is asked, and starts nothing.
@Suite("podinit", .enabled(if: SupervisorImage.isBuilt, "built without podinit"))
final class PodinitTests {
    private let folder: TemporaryFolder
    private let loop: EpollLoop
    private let supervisor: Supervisor

    init() throws {
        folder = try TemporaryFolder()
        let loop = try EpollLoop(name: "test")
        self.loop = loop
        let state = try FileDescriptor.folder(folder.path)
        let listener = try PacketSocket.listen(in: state, name: RuntimePaths.socketName)
        let image = try SupervisorImage.open()
        var spawn = Spawn(arguments: ["podinit", folder.path, "b2c1"])
        spawn.hasNewIPC = false
        spawn.hasNewUTS = false
        let child = try spawn.run(image: image, networkNamespace: nil, socket: listener, stateDirectory: state)
        let pid = child.pid
        let socket = try PacketSocket(connectingIn: state, name: RuntimePaths.socketName)
        supervisor = Supervisor(pid: pid, pidfd: child.takePidfd(), socket: socket, loop: loop) { _ in }
        try supervisor.listen()
    }

    deinit {
        supervisor.kill()
        supervisor.close()
        loop.stop()
    }

    /// Another connection. Its queue of those that it has not accepted may be full.
    private func connect() throws -> PacketSocket {
        let folder = try FileDescriptor.folder(folder.path)
        while true {
            do throws(KernelError) {
                return try PacketSocket(connectingIn: folder, name: RuntimePaths.socketName)
            } catch {
                guard error.code == EAGAIN else { throw error }
                usleep(1000)
            }
        }
    }

    private func isListening() async -> Bool {
        if case .done(let listed) = await supervisor.ask(.list) { listed.isEmpty } else { false }
    }

    private func start(_ plan: [UInt8]) async throws -> SupervisorProtocol.FailureReport? {
        let file = try SealedFile.make(name: "plan", plan)
        guard case .failed(let report) = await supervisor.ask(.start, descriptors: [file.raw]) else { return nil }
        return report
    }

    @Test func itAnswersAndEndsWhenItIsTold() async throws {
        #expect(await isListening())
        #expect(try KernelFile.read("/proc/\(supervisor.pid)/comm") == "podinit\n")
        supervisor.tell(.terminate)
        #expect(await supervisor.waitForDeath(.seconds(60)))
    }

    @Test func itIsFoundAgainWhileSomebodyElseIsConnected() async throws {
        let pid = Supervisor.connect(folder: folder.path, podUID: "b2c1", timeoutMs: 60_000)?.pid
        #expect(pid == supervisor.pid)
        let stranger = Supervisor.connect(folder: folder.path, podUID: "other", timeoutMs: 60_000)?.pid
        #expect(stranger == nil)
        #expect(await isListening())
    }

    @Test func itOutlivesTheSignalsThatEndOthers() async throws {
        #expect(await isListening())
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE] { kill(supervisor.pid, signal) }
        #expect(await isListening())
    }

    @Test func whatItDoesNotKnowItSays() async throws {
        guard case .unknown = await supervisor.ask(.hello) else {
            Issue.record("another answer")
            return
        }
        #expect(await isListening())
    }

    @Test func containersThatAreNotThere() async throws {
        let id = Array(RuntimeSamples.id.utf8)
        guard
            case .failed(let report) = await supervisor.ask(
                .signal, body: SupervisorProtocol.signalBody(id: RuntimeSamples.id, signal: 9))
        else {
            Issue.record("a signal to nobody")
            return
        }
        #expect(report.code == ENOENT)
        guard case .done = await supervisor.ask(.forget, body: id) else {
            Issue.record("nothing to forget is fine")
            return
        }
        guard case .failed = await supervisor.ask(.forget, body: [1, 2]) else {
            Issue.record("a short id")
            return
        }
    }

    @Test func streamsOfContainersThatAreNotThere() async throws {
        let attach = SupervisorProtocol.attachBody(id: RuntimeSamples.id, [.input, .output])
        let resize = SupervisorProtocol.resizeBody(id: RuntimeSamples.id, rows: 1, columns: 1)
        for (type, body) in [(SupervisorProtocol.MessageType.attach, attach), (.resize, resize)] {
            guard case .failed(let report) = await supervisor.ask(type, body: body) else {
                Issue.record("\(type) of nobody")
                continue
            }
            #expect(report.code == ENOENT)
        }
        guard case .failed(let report) = await supervisor.ask(.attach, body: [1]) else {
            Issue.record("a short request")
            return
        }
        #expect(report.code == EINVAL)
    }

    @Test func anExecutionInAContainerThatIsNotThere() async throws {
        let plan = ExecPlan(
            id: ExecPlan.newID(), containerID: RuntimeSamples.id, spec: ExecSpec(args: ["true"], tty: true))
        let file = try SealedFile.make(name: "plan", plan.bytes)
        guard case .failed(let report) = await supervisor.ask(.exec, descriptors: [file.raw]) else {
            Issue.record("executed in nobody")
            return
        }
        #expect(report.code == ESRCH)
    }

    @Test func aStartWithoutAPlan() async throws {
        guard case .failed(let report) = await supervisor.ask(.start) else {
            Issue.record("started nothing")
            return
        }
        #expect(report.stage == StartFailure.Stage.plan.rawValue)
    }

    @Test func plansThatAreNoneAreRefused() async throws {
        var valid = PlanWriter()
        valid.text(.argument, "/bin/true")
        var unknown = valid
        unknown.text(.id, RuntimeSamples.id)
        let base = unknown.bytes
        // A record of a type that is not known, and not optional.
        let strange = base + [200, 0, 0, 0, 0, 0, 0, 0]
        for plan in [[], [1, 2, 3], [UInt8](repeating: 0, count: 64), valid.bytes, strange] {
            let report = try #require(try await start(plan))
            #expect(report.stage == StartFailure.Stage.plan.rawValue, "\(plan.count) bytes")
        }
        #expect(await isListening())
    }

    @Test func randomPlansDoNoHarm() async throws {
        var random = SeededRandom()
        for round in 0..<300 {
            // Never with a whole id, so that none can be valid.
            var writer = PlanWriter()
            writer.text(.argument, "/bin/true")
            writer.mount(.bind, source: "/a", target: "/b")
            writer.user(1, 2, groups: [3])
            writer.log("/nosuch/x", sizeLimit: 1, files: 1)
            var bytes = round % 2 == 0 ? Array(writer.bytes.prefix(8)) + random.bytes(8...400) : writer.bytes
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                bytes[Int.random(in: 8..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let report = try await start(bytes)
            #expect(report?.stage == StartFailure.Stage.plan.rawValue, "seed \(random.seed)")
        }
        #expect(await isListening())
    }

    @Test func randomPacketsDoNoHarm() async throws {
        var random = SeededRandom()
        for round in 0..<200 {
            let socket = try connect()
            for _ in 0..<5 {
                var packet = random.bytes(0...300)
                // Half of them begin as messages do, of any type but the one that ends it.
                if round % 2 == 0, packet.count >= 12 {
                    packet.replaceSubrange(0..<4, with: withUnsafeBytes(of: UInt32(packet.count)) { Array($0) })
                    packet[4] = [1, 2, 3, 4, 7, 8, 13, 14, 16, 99].randomElement(using: &random) ?? 2
                    packet[5] = 0
                }
                if packet.count >= 6, packet[4] == 9, packet[5] == 0 { packet[4] = 2 }
                // It may have let go of us.
                try? socket.send(packet)
            }
        }
        #expect(await isListening(), "seed \(random.seed)")
    }

    @Test func moreConnectionsThanItTakes() async throws {
        var held: [Supervisor] = []
        for _ in 0..<20 {
            let socket = try connect()
            held.append(
                Supervisor(pid: getpid(), pidfd: try Pidfd(pid: getpid()), socket: socket, loop: loop) { _ in })
        }
        #expect(await isListening())
        _ = held
    }
}
