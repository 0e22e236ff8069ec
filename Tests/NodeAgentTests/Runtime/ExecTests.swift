import Glibc
import Kernel
import Testing
import Transport

@testable import NodeAgent

@Suite("What is executed in a container")
struct ExecPlanTests {
    private func records(_ spec: ExecSpec) throws -> [PlanReader.Record] {
        let plan = try ExecPlan(id: RuntimeSamples.id, containerID: String(repeating: "f", count: 64), spec: spec)
            .checked()
        return try #require(PlanReader(plan.bytes)).records
    }
    private func texts(_ type: PlanWriter.Record, _ spec: ExecSpec) throws -> [String] {
        try records(spec).filter { $0.type == type.rawValue }.map(\.text)
    }

    @Test func itNamesItsContainerAndLeavesTheRestToIt() throws {
        let spec = ExecSpec(args: ["ls", "-l"])
        #expect(try texts(.target, spec) == [String(repeating: "f", count: 64)])
        #expect(try texts(.argument, spec) == ["ls", "-l"])
        let types = try Set(records(spec).map(\.type))
        for type in [PlanWriter.Record.user, .capabilities, .seccomp, .directory, .environment, .cgroup, .log] {
            #expect(!types.contains(type.rawValue), "\(type)")
        }
    }

    @Test func variablesAndFolderAreAdded() throws {
        let spec = ExecSpec(args: ["ls"], env: ["A=1"], workingDir: "/srv")
        #expect(try texts(.environment, spec) == ["A=1"])
        #expect(try texts(.directory, spec) == ["/srv"])
    }

    @Test func onATerminalThereIsAKindOfTerminal() throws {
        #expect(try texts(.environment, ExecSpec(args: ["sh"], tty: true)) == ["TERM=xterm"])
        #expect(try texts(.environment, ExecSpec(args: ["sh"], env: ["TERM=vt100"], tty: true)) == ["TERM=vt100"])
        let flags = try records(ExecSpec(args: ["sh"], tty: true)).filter {
            $0.type == PlanWriter.Record.flags.rawValue
        }
        #expect(flags.map(\.payload) == [[128, 0, 0, 0, 0, 0, 0, 0]])
        let window = TerminalSize(width: 258, height: 33)
        let sizes = try records(ExecSpec(args: ["sh"], tty: true, window: window)).filter {
            $0.type == PlanWriter.Record.window.rawValue
        }
        #expect(sizes.map(\.payload) == [[33, 0, 2, 1]])
    }

    @Test(arguments: [
        ExecSpec(args: []), ExecSpec(args: [""]), ExecSpec(args: ["a\0b"]), ExecSpec(args: ["a"], env: ["A"]),
        ExecSpec(args: ["a"], workingDir: "srv"),
    ])
    func whatCannotBeIsRefused(_ spec: ExecSpec) {
        let error = #expect(throws: RuntimeError.self) { try records(spec) }
        #expect(error?.reason == .invalidSpec)
    }

    @Test func idsAreDigitsAndNeverTheSame() {
        let ids = (0..<100).map { _ in ExecPlan.newID() }
        #expect(ids.allSatisfy(RuntimePaths.isValid(containerID:)))
        #expect(Set(ids).count == 100)
    }
}

@Suite("The streams of a session")
struct SessionStreamTests {
    @Test func aStreamIsGivenAwayOnce() throws {
        let streams = SessionStreams()
        let other = try streams.addOutput(.stdout)
        try other.write(all: [1, 2])
        let mine = streams.take(.stdout)
        let isThereAgain = streams.take(.stdout) != nil
        #expect(!isThereAgain)
        switch mine {
        case .some(let mine): #expect(try mine.read(upTo: 10) == [1, 2])
        case .none: Issue.record("no stream")
        }
    }

    @Test func readingDoesNotWait() throws {
        let streams = SessionStreams()
        let other = try streams.addOutput(.stdout)
        switch streams.take(.stdout) {
        case .some(let mine):
            let error = #expect(throws: KernelError.self) { try mine.read(upTo: 10) }
            #expect(error?.code == EAGAIN)
        case .none: Issue.record("no stream")
        }
        _ = other.raw
    }

    @Test func whatNobodyTakesIsClosed() throws {
        let streams = SessionStreams()
        let input = try streams.addInput(.stdin)
        streams.close()
        #expect(try input.read(upTo: 10).isEmpty)
    }

    @Test func anEndIsToldToAllAndTheFirstCounts() async {
        let end = ExecutionEnd()
        async let early = end.wait()
        end.give(ExecExit(exitCode: 3))
        end.give(.lost)
        #expect(await early.exitCode == 3)
        #expect(await end.wait() == ExecExit(exitCode: 3))
    }

    @Test func anAnswerIsKeptUpToItsLimitAndReadToItsEnd() async throws {
        let loop = try EpollLoop(name: "test")
        defer { loop.stop() }
        let streams = SessionStreams()
        let writing = try streams.addOutput(.stdout)
        let reader = try OutputReader(streams.take(.stdout), limit: 5, loop: loop)
        // More than a pipe holds: it ends only where somebody reads on.
        try writing.write(all: [UInt8](repeating: 7, count: 300_000))
        #expect(reader.finish() == [7, 7, 7, 7, 7])
    }
}
