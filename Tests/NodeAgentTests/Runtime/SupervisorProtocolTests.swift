import KubeAPI
import Kernel
import Testing

@testable import NodeAgent

@Suite("The supervisor's protocol")
struct SupervisorProtocolTests {
    /// As podinit sends it.
    static func message(_ type: UInt16, request: UInt32 = 0, _ body: [UInt8] = []) -> [UInt8] {
        var bytes: [UInt8] = []
        func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value) { bytes += $0 } }
        append(UInt32(12 + body.count))
        append(type)
        append(UInt16(0))
        append(request)
        return bytes + body
    }

    static func report(_ id: String = RuntimeSamples.id, state: UInt32, exitCode: Int32 = 0, oom: UInt32 = 0) -> [UInt8]
    {
        var bytes = Array(id.utf8)
        func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value) { bytes += $0 } }
        append(state)
        append(Int32(77))
        append(Int64(1000))
        append(Int64(state == 3 ? 2000 : 0))
        append(exitCode)
        append(exitCode > 128 ? exitCode - 128 : 0)
        append(oom)
        append(UInt32(0))
        return bytes
    }

    static func hello(uid: String, major: UInt16 = 1, pid: Int32 = 1, magic: UInt32 = 0x4950_5753) -> [UInt8] {
        var bytes: [UInt8] = []
        func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value) { bytes += $0 } }
        append(magic)
        append(major)
        append(UInt16(4))
        append(pid)
        return message(1, bytes + Array(uid.utf8))
    }

    @Test func aRequestIsLengthTypeAndNumber() {
        #expect(SupervisorProtocol.encode(.list, request: 9) == [12, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0])
        let signal = SupervisorProtocol.signalBody(id: RuntimeSamples.id, signal: 15)
        #expect(signal.count == 68 && Array(signal.suffix(4)) == [15, 0, 0, 0])
        #expect(SupervisorProtocol.encode(.signal, request: 1, body: signal).prefix(4) == [80, 0, 0, 0])
    }

    @Test func requestsForStreams() {
        let attach = SupervisorProtocol.attachBody(id: RuntimeSamples.id, [.input, .errors])
        #expect(attach.count == 72 && Array(attach.suffix(8)) == [5, 0, 0, 0, 0, 0, 0, 0])
        let resize = SupervisorProtocol.resizeBody(id: RuntimeSamples.id, rows: 258, columns: 3)
        #expect(resize.count == 72 && Array(resize.suffix(8)) == [2, 1, 3, 0, 0, 0, 0, 0])
        #expect(SupervisorProtocol.MessageType.exec.rawValue == 13)
        #expect(SupervisorProtocol.MessageType.resize.rawValue == 16)
    }

    @Test func whatThereIsToAttachTo() {
        let messages = SupervisorProtocol.decode(Self.message(15, request: 2, [9, 0, 0, 0]))
        #expect(messages == [.init(type: .attached, request: 2, body: .attached([.input, .terminal]))])
        #expect(SupervisorProtocol.decode(Self.message(15, request: 2, [9])).isEmpty)
    }

    @Test func itSaysWhoItIs() {
        let messages = SupervisorProtocol.decode(Self.hello(uid: "b2c1", pid: 42))
        #expect(
            messages == [
                .init(type: .hello, request: 0, body: .hello(.init(major: 1, minor: 4, pid: 42, podUID: "b2c1")))
            ])
        #expect(SupervisorProtocol.decode(Self.hello(uid: "x", magic: 1)).isEmpty)
    }

    @Test func reportsOfContainers() throws {
        let packet =
            Self.message(5, request: 3, Self.report(state: 2))
            + Self.message(10, Self.report(state: 3, exitCode: 137, oom: 1))
        let messages = SupervisorProtocol.decode(packet)
        #expect(messages.map(\.type) == [.started, .exited])
        #expect(messages.map(\.request) == [3, 0])
        guard case .container(let report) = try #require(messages.last).body else {
            Issue.record("no report")
            return
        }
        #expect(
            report
                == .init(
                    id: RuntimeSamples.id, state: .exited, pid: 77, startedNanos: 1000, finishedNanos: 2000,
                    exitCode: 137,
                    signal: 9, oomKilled: true))
    }

    @Test func aFailureTellsStageErrnoAndSubject() {
        var body: [UInt8] = []
        for number: UInt32 in [19, 2, 0, 0] { withUnsafeBytes(of: number) { body += $0 } }
        body += Array("/bin/x".utf8) + [UInt8](repeating: 0, count: 234)
        let messages = SupervisorProtocol.decode(Self.message(6, request: 1, body))
        #expect(messages.first?.body == .failure(.init(stage: 19, code: 2, subject: "/bin/x")))
    }

    @Test func whatALaterOneSaysIsSkipped() {
        let packet = Self.message(999, [1, 2, 3]) + Self.message(11, request: 7)
        #expect(SupervisorProtocol.decode(packet) == [.init(type: .done, request: 7, body: .empty)])
        // Longer bodies are of a later minor.
        #expect(SupervisorProtocol.decode(Self.message(5, request: 1, Self.report(state: 2) + [9, 9])).count == 1)
    }

    @Test func shortBodiesAndUnknownStatesAreSkipped() {
        #expect(SupervisorProtocol.decode(Self.message(5, Array(Self.report(state: 2).dropLast()))).isEmpty)
        #expect(SupervisorProtocol.decode(Self.message(5, Self.report(state: 9))).isEmpty)
        #expect(SupervisorProtocol.decode(Self.message(6, [1, 2, 3])).isEmpty)
    }

    @Test func garbageIsReadWithoutHarm() {
        var random = SeededRandom()
        for round in 0..<20_000 {
            var bytes = random.bytes(0...200)
            if round % 2 == 0 {
                bytes = Self.message(5, request: 1, Self.report(state: 2)) + Self.hello(uid: "x")
                for _ in 0..<4 {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            }
            let messages = SupervisorProtocol.decode(bytes)
            #expect(messages.count <= bytes.count / 12, "seed \(random.seed)")
        }
    }

    @Test func theRecordOfAnEnd() {
        let report = SupervisorProtocol.exitRecord("swiftlet-exit 1 137 9 1 1700000000000000000 1700000001000000000\n")
        #expect(report?.exitCode == 137 && report?.signal == 9 && report?.oomKilled == true)
        #expect(report?.finishedNanos == 1_700_000_001_000_000_000)
    }

    @Test(arguments: [
        "", "\n", "swiftlet-exit 2 0 0 0 1 2", "swiftlet-exit 1 0 0 0 1", "x 1 0 0 0 1 2", "swiftlet-exit 1 a 0 0 1 2",
    ])
    func whatIsNoRecordOfAnEnd(_ line: String) { #expect(SupervisorProtocol.exitRecord(line) == nil) }
}

@Suite("Words for a start that failed")
struct StartFailureTests {
    private func error(_ stage: UInt32, _ code: Int32, _ subject: String) -> RuntimeError {
        StartFailure.error(.init(stage: stage, code: code, subject: subject))
    }

    @Test(arguments: [
        (18 as UInt32, 2 as Int32, 127, "exec: \"x\": executable file not found in $PATH"),
        (19, 2, 127, "exec: \"x\": no such file or directory"),
        (19, 13, 126, "exec: \"x\": permission denied"),
        (19, 8, 126, "exec: \"x\": exec format error"),
        (19, 7, 128, "exec: \"x\": argument list too long"),
        (13, 20, 128, "chdir to cwd (\"x\"): not a directory"),
        (7, 2, 128, "cannot mount \"x\" from the node: no such file or directory"),
        (9, 13, 128, "cannot mount at \"x\": permission denied"),
        (3, 2, 128, "cannot open log x: no such file or directory"),
        (999, 5, 128, "cannot ask supervisor: input/output error"),
    ])
    func eachStageHasItsOwn(_ stage: UInt32, _ code: Int32, _ exitCode: Int, _ words: String) {
        let error = error(stage, code, "x")
        #expect(error.reason == .cannotStart(exitCode: exitCode))
        #expect(error.description == words)
    }

    @Test func whatCouldNotBeUndoneIsSaidToo() {
        var error = RuntimeError(.system, "cannot do it", cause: KernelError("open", "x", code: 2))
        #expect(error.description == "cannot do it: cannot open x: no such file or directory")
        error.cleanUpFailures = ["cannot remove a", "cannot remove b"]
        #expect(error.description.hasSuffix("directory (and then: cannot remove a; cannot remove b)"))
    }
}
