import Glibc
import Kernel
import Testing

@testable import NodeAgent

/// The files of configMap and secret volumes, in Kubernetes' layout.
@Suite struct AtomicWriterTests {
    private let folder: TemporaryFolder
    private var volume: String { folder.file("volume") }
    private var writer: AtomicWriter { AtomicWriter(folder: volume, group: nil) }

    init() throws { folder = try TemporaryFolder() }

    private func file(_ text: String, mode: UInt32 = 0o644) -> VolumeFile {
        VolumeFile(bytes: Array(text.utf8), mode: mode)
    }
    private func mode(_ name: String) -> UInt32 {
        var info = stat()
        return stat("\(volume)/\(name)", &info) == 0 ? info.st_mode & 0o7777 : 0
    }

    @Test func keysAreLinksIntoAStampedFolder() throws {
        #expect(try writer.write(["key": file("value"), "sub/inner": file("deep", mode: 0o400)]))
        #expect(try folder.read("volume/key") == "value")
        #expect(try folder.read("volume/sub/inner") == "deep")
        #expect(HostFiles.linkTarget("\(volume)/key") == "..data/key")
        #expect(HostFiles.linkTarget("\(volume)/sub") == "..data/sub")
        let data = try #require(HostFiles.linkTarget("\(volume)/..data"))
        #expect(data.hasPrefix("..20"))
        #expect(mode("key") == 0o644)
        #expect(mode("sub/inner") == 0o400)
        #expect(mode(".") == 0o755)
    }

    @Test func theSameAgainTouchesNothing() throws {
        try writer.write(["key": file("value")])
        let before = HostFiles.linkTarget("\(volume)/..data")
        #expect(try !writer.write(["key": file("value")]))
        #expect(HostFiles.linkTarget("\(volume)/..data") == before)
    }

    @Test func aChangeReplacesAllAtOnceAndLeavesNothingBehind() throws {
        try writer.write(["a": file("1"), "b": file("1")])
        let before = HostFiles.linkTarget("\(volume)/..data")
        #expect(try writer.write(["a": file("2"), "c": file("2")]))
        #expect(try folder.read("volume/a") == "2")
        #expect(HostFiles.linkTarget("\(volume)/..data") != before)
        let data = try #require(HostFiles.linkTarget("\(volume)/..data"))
        #expect(FileTree.names(in: volume) == ["..data", data, "a", "c"].sorted())
        // A mode alone is a change too.
        #expect(try writer.write(["a": file("2", mode: 0o600), "c": file("2")]))
        #expect(mode("a") == 0o600)
    }

    @Test func noFilesAreAVolumeToo() throws {
        #expect(try writer.write([:]))
        #expect(try !writer.write([:]))
        #expect(HostFiles.exists("\(volume)/..data"))
    }

    @Test(arguments: ["", "/etc/passwd", "../x", "a/../b", "..data", "..x", "a//b", "a/./b", "a\0b"])
    func pathsThatLeadElsewhereAreRefused(path: String) {
        #expect(throws: KernelError.self) { try writer.write([path: file("x")]) }
        #expect(FileTree.names(in: volume).isEmpty)
    }

    @Test func theGroupOfThePodMayRead() throws {
        // One's own group needs no rights.
        try AtomicWriter(folder: volume, group: getegid()).write(["key": file("x", mode: 0o400)])
        #expect(mode("key") == 0o440)
        #expect(mode(".") & 0o2000 != 0)
    }
}
