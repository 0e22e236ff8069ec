import Glibc
import Testing

@testable import Kernel

@Suite("Removing trees")
struct FileTreeTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func aTreeGoesWithAllThatIsInIt() throws {
        try folder.write("x", to: "tree/a/b/c")
        try folder.write("x", to: "tree/d")
        #expect(symlink("nowhere", folder.file("tree/dangling")) == 0)
        #expect(mkfifo(folder.file("tree/pipe"), 0o600) == 0)
        try FileTree.remove(folder.file("tree"))
        #expect(!folder.exists("tree"))
    }

    @Test func whatLinksLeadToStays() throws {
        try folder.write("kept", to: "outside/file")
        try folder.folder("tree/inner")
        #expect(symlink(folder.file("outside"), folder.file("tree/inner/link")) == 0)
        #expect(symlink("../../outside/file", folder.file("tree/inner/file")) == 0)
        try FileTree.remove(folder.file("tree"))
        #expect(!folder.exists("tree"))
        #expect(try folder.read("outside/file") == "kept")
    }

    @Test func aLinkInThePlaceOfTheTreeGoesAlone() throws {
        try folder.write("kept", to: "outside/file")
        #expect(symlink(folder.file("outside"), folder.file("tree")) == 0)
        try FileTree.remove(folder.file("tree"))
        #expect(!folder.exists("tree"))
        #expect(folder.exists("outside/file"))
    }

    @Test func missingIsFine() throws { try FileTree.remove(folder.file("nothing")) }

    @Test func aFileIsATreeToo() throws {
        try folder.write("x", to: "file")
        try FileTree.remove(folder.file("file"))
        #expect(!folder.exists("file"))
    }

    @Test func namesNeedNotBeText() throws {
        try folder.folder("tree")
        let parent = open(folder.file("tree"), O_RDONLY | O_DIRECTORY)
        defer { close(parent) }
        let name: [CChar] = [-1, -2, 10, 0]
        #expect(mkdirat(parent, name, 0o755) == 0)
        try FileTree.remove(folder.file("tree"))
        #expect(!folder.exists("tree"))
    }

    @Test func aTreeDeeperThanAnyPathGoes() throws {
        try folder.folder("tree")
        var parent = open(folder.file("tree"), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        let name = String(repeating: "d", count: 100)
        for depth in 0..<300 {
            try #require(mkdirat(parent, name, 0o755) == 0, "depth \(depth)")
            let file = openat(parent, "f", O_WRONLY | O_CREAT, 0o600)
            close(file)
            let next = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            close(parent)
            parent = next
        }
        close(parent)
        try FileTree.remove(folder.file("tree"))
        #expect(!folder.exists("tree"))
    }

    @Test func parentsAreMade() throws {
        try FileTree.makeFolders(folder.file("a/b/c"), mode: 0o700)
        try FileTree.makeFolders(folder.file("a/b/c"), mode: 0o700)
        var info = stat()
        #expect(stat(folder.file("a/b/c"), &info) == 0 && info.st_mode & 0o7777 == 0o700)
        #expect(FileTree.names(in: folder.file("a")) == ["b"])
        #expect(FileTree.names(in: folder.file("nothing")).isEmpty)
        try folder.write("", to: "file")
        #expect(throws: KernelError.self) { try FileTree.makeFolders(folder.file("file/x")) }
    }
}

@Suite("Files that are replaced whole")
struct DurableFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func whatIsWrittenIsReadAndNothingElseIsLeft() throws {
        for text in ["first and longer", "second"] {
            try DurableFile.write(Array(text.utf8), to: folder.file("x"))
            #expect(try folder.read("x") == text)
        }
        #expect(FileTree.names(in: folder.path) == ["x"])
    }

    @Test func aLinkIsReplacedNotFollowed() throws {
        try folder.write("kept", to: "target")
        #expect(symlink("target", folder.file("x")) == 0)
        try DurableFile.write(Array("new".utf8), to: folder.file("x"))
        #expect(try folder.read("target") == "kept")
        // Nor one in the place of what is written beside it.
        #expect(symlink("target", folder.file("y.tmp")) == 0)
        #expect(throws: KernelError.self) { try DurableFile.write([1], to: folder.file("y")) }
        #expect(try folder.read("target") == "kept")
    }

    @Test func aMissingFileIsNilAndALongOneAnError() throws {
        #expect(try DurableFile.read(folder.file("nothing")) == nil)
        try folder.write(String(repeating: "x", count: 1000), to: "long")
        let error = #expect(throws: KernelError.self) { try DurableFile.read(folder.file("long"), limit: 999) }
        #expect(error?.code == EFBIG)
        #expect(try DurableFile.read(folder.file("long"), limit: 1000)?.count == 1000)
    }

    @Test func aFailureNamesTheFile() {
        let error = #expect(throws: KernelError.self) { try DurableFile.write([1], to: folder.file("no/x")) }
        #expect("\(error.map { "\($0)" } ?? "")" == "cannot open \(folder.path)/no/x.tmp: no such file or directory")
    }
}

@Suite("Sealed files")
struct SealedFileTests {
    @Test func nobodyChangesThem() throws {
        let file = try SealedFile.make(name: "x", Array("content".utf8))
        #expect(pwrite(file.raw, "y", 1, 0) == -1)
        #expect(errno == EPERM)
        #expect(ftruncate(file.raw, 0) == -1)
        let path = "/proc/self/fd/\(file.raw)"
        #expect(try KernelFile.read(path) == "content")
        let again = open(path, O_RDWR)
        defer { if again >= 0 { close(again) } }
        #expect(again < 0 || pwrite(again, "y", 1, 0) == -1)
    }
}
