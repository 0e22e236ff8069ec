import Glibc
import Kernel
import Testing

@testable import NodeAgent

/// What could not be removed at once.
@Suite struct LeftoversTests {
    @Test func areTriedAgainUntilTheyAreGone() async throws {
        let folder = try TemporaryFolder()
        let thread = try WorkerThreads(name: "test-files", count: 1)
        defer { thread.stop() }
        let leftovers = Leftovers(thread: thread, firstPause: .milliseconds(1), log: LogCollector().logger)
        try FileTree.makeFolders(folder.file("a/b"))
        // A path that runs through a file can't be removed, whoever asks.
        try HostFiles.writeAtomically([], to: folder.file("plain"), isDurable: false)
        let refused = folder.file("plain/x")
        leftovers.add([folder.file("a"), refused])
        while leftovers.paths.count > 1 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(leftovers.paths == [refused])
        #expect(access(folder.file("a"), F_OK) != 0)
        unlink(folder.file("plain"))
        while !leftovers.paths.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        try FileTree.makeFolders(folder.file("later"))
        leftovers.add([folder.file("later")])
        while !leftovers.paths.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        #expect(access(folder.file("later"), F_OK) != 0, "it begins anew for what comes later")
    }

    @Test func areLeftAloneWhenSomebodyHasThemAgain() async throws {
        let folder = try TemporaryFolder()
        let thread = try WorkerThreads(name: "test-files", count: 1)
        defer { thread.stop() }
        let leftovers = Leftovers(thread: thread, firstPause: .milliseconds(1), log: LogCollector().logger)
        try HostFiles.writeAtomically([], to: folder.file("plain"), isDurable: false)
        let path = folder.file("plain/x")
        leftovers.add([path])
        leftovers.forget([path])
        #expect(leftovers.paths.isEmpty)
        unlink(folder.file("plain"))
        try FileTree.makeFolders(path)
        leftovers.add([folder.file("other")])
        while !leftovers.paths.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        #expect(access(path, F_OK) == 0)
    }
}
