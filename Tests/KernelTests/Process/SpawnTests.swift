import CLinux
import Glibc
import Testing

@testable import Kernel

/// Without namespaces and cgroups, so that anybody may.
@Suite("Spawning")
final class SpawnTests {
    private let folder: TemporaryFolder
    private let state: FileDescriptor
    private let socket: FileDescriptor

    init() throws {
        folder = try TemporaryFolder()
        state = try FileDescriptor.folder(folder.path)
        socket = try PacketSocket.listen(in: state, name: "s")
    }

    private func run(_ script: String, change: (inout Spawn) -> Void = { _ in }) throws -> Pidfd.ExitStatus? {
        let shell = try FileDescriptor.open("/bin/sh", O_RDONLY)
        var spawn = Spawn(arguments: ["shell", "-c", script])
        spawn.hasNewIPC = false
        spawn.hasNewUTS = false
        change(&spawn)
        let child = try spawn.run(image: shell, networkNamespace: nil, socket: socket, stateDirectory: state)
        #expect(child.pid > 0)
        let pidfd = child.takePidfd()
        let hasEnded = pidfd.waitForEnd(timeoutMs: 60_000)
        #expect(hasEnded)
        return pidfd.reap()
    }

    @Test func theEndOfTheChildIsTold() throws {
        #expect(try run("exit 7")?.code == 7)
        let killed = try run("kill -KILL $$")
        #expect(killed?.code == 137 && killed?.signal == SIGKILL)
    }

    @Test func ofOurDescriptorsItHasTwo() throws {
        // Its folder is 4; what it opens itself is not looked at.
        let extra = open("/dev/null", O_RDONLY)
        defer { close(extra) }
        #expect(try run("for f in /proc/self/fd/*; do echo ${f##*/}; done > /proc/self/fd/4/list")?.code == 0)
        let listed = Set((try folder.read("list") ?? "").split(separator: "\n").compactMap { Int($0) })
        #expect(listed.isSuperset(of: [0, 1, 2, 3, 4]))
        #expect(!listed.contains(Int(extra)) || extra < 5)
    }

    @Test func itHasASessionAndNoEnvironmentOfItsOwn() throws {
        #expect(
            try run(
                "cd /proc/self/fd/4; read a b c d e f rest < /proc/$$/stat; echo $f $$ > pids; tr '\\0' '\\n' < /proc/$$/environ> environment"
            )?.code == 0)
        let fields = (try folder.read("pids") ?? "").split(whereSeparator: \.isWhitespace)
        #expect(fields.count == 2 && fields[0] == fields[1], "\(fields)")
        #expect(try folder.read("environment") == "")
    }

    @Test func signalsAreNotIgnoredNorBlockedInIt() throws {
        signal(SIGUSR1, SIG_IGN)
        defer { signal(SIGUSR1, SIG_DFL) }
        #expect(try run("kill -USR1 $$; exit 0")?.signal == SIGUSR1)
    }

    @Test func aFailureNamesItsStep() throws {
        let text = try FileDescriptor.open("/etc/passwd", O_RDONLY)
        var spawn = Spawn(arguments: ["x"])
        spawn.hasNewIPC = false
        spawn.hasNewUTS = false
        let notExecutable = #expect(throws: KernelError.self) {
            _ = try spawn.run(image: text, networkNamespace: nil, socket: socket, stateDirectory: state)
        }
        #expect(notExecutable?.operation == "execute" && notExecutable?.code == EACCES)

        let sysctl = #expect(throws: KernelError.self) {
            _ = try run("true") { $0.sysctls = [(path: "kernel/nosuch", value: "1")] }
        }
        #expect(sysctl == KernelError("set sysctl", "kernel/nosuch", code: ENOENT))

        let group = #expect(throws: KernelError.self) {
            _ = try run("true") { $0.entrance = CgroupEntrance(tasksFiles: ["/nosuch/tasks"]) }
        }
        #expect(group?.code == ENOENT)
    }

    @Test func manyAtOnce() throws {
        for index in 0..<50 { #expect(try run("exit \(index)")?.code == Int32(index)) }
    }
}
