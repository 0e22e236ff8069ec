import Glibc
import KubeAPI
import Kernel
import Testing

@testable import NodeAgent

/// Taking images out of archives, honest and other ones.
@Suite struct ImageImportTests {
    private let folder: TemporaryFolder
    private let store: ImageStore

    init() throws {
        folder = try TemporaryFolder()
        store = try ImageStore(folder: folder.file("images"))
    }

    private static func layer(_ fill: (inout TarWriter) -> Void) -> [UInt8] {
        var tar = TarWriter()
        fill(&tar)
        return tar.finished
    }
    private static let plain = layer {
        $0.add("etc/", .folder, mode: 0o755)
        $0.add("etc/passwd", text: "web:x:7:8::/:\n")
        $0.add("bin/run", .file, content: Array("#!".utf8), mode: 0o755)
        $0.add("bin/link", .link, link: "run")
    }

    @discardableResult
    private func importing(_ archive: [UInt8], name: String? = nil) throws -> [Image] {
        let path = folder.file("archive.tar")
        try HostFiles.writeAtomically(archive, to: path, isDurable: false)
        return try store.importArchive(path: path, name: name)
    }
    /// Nothing of an archive that was refused may be left.
    private func expectNothingIsLeft() throws {
        #expect(try store.list().isEmpty)
        for part in ["layers", "blobs/sha256", "ingest"] {
            #expect(FileTree.names(in: folder.file("images/\(part)")).isEmpty, "\(part)")
        }
    }

    // MARK: honest ones

    @Test(arguments: ["oci", "docker"])
    func anImageIsThereWithItsNameItsConfigAndItsFiles(form: String) throws {
        let writer = ImageArchiveWriter(layers: [Self.plain])
        let image = try #require(try importing(form == "oci" ? writer.oci() : writer.docker()).first)
        #expect(image.names == ["demo.example/app:1"])
        #expect(image.config.command == ["sh"] && image.config.user == "7")
        #expect(try store.find("demo.example/app:1")?.id == image.id)
        #expect(try store.find(image.shortID)?.id == image.id)
        #expect(try store.find("demo.example/app:2") == nil)
        let layer = try #require(image.layers.first)
        #expect(try HostFiles.read("\(layer)/etc/passwd") == Array("web:x:7:8::/:\n".utf8))
        #expect(HostFiles.linkTarget("\(layer)/bin/link") == "run")
        var info = stat()
        #expect(stat("\(layer)/bin/run", &info) == 0 && info.st_mode & 0o777 == 0o755)
    }

    @Test func layersAreSharedAndRemovedWithTheirLastImage() throws {
        let upper = Self.layer { $0.add("x", text: "1") }
        try importing(ImageArchiveWriter(layers: [Self.plain]).oci())
        try importing(ImageArchiveWriter(layers: [Self.plain, upper], name: "demo.example/more:1").oci())
        let layers = { FileTree.names(in: folder.file("images/layers")).filter { !$0.hasSuffix(".size") }.count }
        #expect(layers() == 2)
        #expect(throws: ImageError.self) { try store.remove("demo.example/more:1") { _ in "pod default/web" } }
        #expect(try store.remove("demo.example/more:1") { _ in nil }.contains("demo.example/more:1"))
        #expect(layers() == 1)
    }

    @Test func aNameMovesToTheNewestImage() throws {
        let first = try importing(ImageArchiveWriter(layers: [Self.plain]).oci())[0]
        let second = try importing(ImageArchiveWriter(layers: [Self.plain], config: ["Cmd": ["other"]]).oci())[0]
        #expect(first.id != second.id)
        #expect(try store.find("demo.example/app:1")?.id == second.id)
    }

    @Test func aNameCanBeGiven() throws {
        #expect(
            try importing(ImageArchiveWriter(layers: [Self.plain]).oci(), name: "mine")[0].names == [
                "docker.io/library/mine:latest"
            ])
    }

    @Test func aSecondProcessSeesWhatTheFirstImports() throws {
        let other = try ImageStore(folder: folder.file("images"))
        #expect(try other.list().isEmpty)
        try importing(ImageArchiveWriter(layers: [Self.plain]).oci())
        #expect(try other.find("demo.example/app:1") != nil)
    }

    @Test func whatALayerHidesIsHidden() throws {
        let upper = Self.layer {
            $0.add("etc/.wh.passwd", text: "")
            $0.add("bin/", .folder, mode: 0o755)
            $0.add("bin/.wh..wh..opq", text: "")
        }
        let image = try #require(try importing(ImageArchiveWriter(layers: [Self.plain, upper]).oci()).first)
        // Marks are not files.
        #expect(!HostFiles.exists("\(image.layers[1])/etc/.wh.passwd"))
        #expect(!HostFiles.exists("\(image.layers[1])/bin/.wh..wh..opq"))
        guard geteuid() == 0 else { return }
        var info = stat()
        #expect(
            lstat("\(image.layers[1])/etc/passwd", &info) == 0 && info.st_mode & S_IFMT == S_IFCHR && info.st_rdev == 0)
    }

    // MARK: others

    @Test func anArchiveThatEndsTooSoon() throws {
        let whole = ImageArchiveWriter(layers: [Self.plain]).oci()
        for count in [100, 700, whole.count / 2, whole.count - 3000] {
            #expect(throws: (any Error).self, "\(count) of \(whole.count)") {
                try importing(Array(whole.prefix(count)))
            }
        }
        try expectNothingIsLeft()
    }

    @Test func aBlobThatIsNotWhatItsNameSays() throws {
        let archive = ImageArchiveWriter(layers: [Self.plain]).oci { entries in
            entries[entries.count - 1].content[0] ^= 1
        }
        #expect { try importing(archive) } throws: { "\($0)".contains("wrong digest") }
        try expectNothingIsLeft()
    }

    @Test func aLayerThatIsNotWhatTheConfigSays() throws {
        let writer = ImageArchiveWriter(layers: [Self.plain])
        var text = String(decoding: writer.docker(), as: UTF8.self)
        // One byte of a file in the layer; the docker form names no digest of the blob.
        text = text.replacing("web:x:7:8", with: "web:x:0:8")
        #expect { try importing(Array(text.utf8)) } throws: { "\($0)".contains("wrong digest") }
        try expectNothingIsLeft()
    }

    @Test func aBlobThatIsMissing() throws {
        let archive = ImageArchiveWriter(layers: [Self.plain]).oci { $0.removeLast() }
        #expect { try importing(archive) } throws: { "\($0)".contains("it lacks the layer") }
        try expectNothingIsLeft()
    }

    @Test func anImageOfAnotherMachine() throws {
        let archive = ImageArchiveWriter(layers: [Self.plain], architecture: "mips").oci()
        #expect { try importing(archive) } throws: { "\($0)".contains("no image for linux/") }
    }

    @Test(arguments: ["not a tar", "{}", ""])
    func whatIsNoArchive(text: String) throws {
        #expect(throws: (any Error).self) { try importing(Array(text.utf8)) }
        try expectNothingIsLeft()
    }

    @Test(arguments: ["../evil", "/evil", "a/../../evil"])
    func namesInTheArchiveThatLeadOut(name: String) throws {
        let archive = ImageArchiveWriter(layers: [Self.plain]).oci { $0.insert((name, [1]), at: 0) }
        #expect { try importing(archive) } throws: { "\($0)".contains("is refused") }
        #expect(!HostFiles.exists(folder.file("evil")))
        try expectNothingIsLeft()
    }

    private static let evilLayers: [(String, [UInt8])] = [
        ("a name with ..", layer { $0.add("../evil", text: "x") }),
        ("an absolute name", layer { $0.add("/evil", text: "x") }),
        (
            "a folder that is a link out",
            layer {
                $0.add("out", .link, link: "../../..")
                $0.add("out/evil", text: "x")
            }
        ),
        (
            "a folder that is an absolute link",
            layer {
                $0.add("out", .link, link: "/tmp")
                $0.add("out/swl-evil", text: "x")
            }
        ),
        (
            "a link out behind a link",
            layer {
                $0.add("a/", .folder)
                $0.add("a/b", .link, link: "..")
                $0.add("c", .link, link: "a/b/../..")
                $0.add("c/evil", text: "x")
            }
        ),
        ("a hard link with ..", layer { $0.add("evil", .hardLink, link: "../../index.json") }),
        ("a hard link to what another layer has", layer { $0.add("evil", .hardLink, link: "etc/passwd") }),
        (
            "a hard link through a link",
            layer {
                $0.add("out", .link, link: "../../..")
                $0.add("evil", .hardLink, link: "out/archive.tar")
            }
        ),
        ("a whiteout of ..", layer { $0.add("a/.wh...", text: "") }),
        ("a whiteout of nothing", layer { $0.add(".wh.", text: "") }),
        ("a device that hides", layer { $0.add("etc/passwd", .character) }),
        (
            "a folder in the place of a file's folder",
            layer {
                $0.add("a/", .folder)
                $0.add("a", text: "x")
            }
        ),
        ("a file longer than the archive", layer { $0.add("big", .file, content: [1], declaredSize: 1 << 30) }),
        (
            "a link in a circle",
            layer {
                $0.add("a", .link, link: "b")
                $0.add("b", .link, link: "a")
                $0.add("a/evil", text: "x")
            }
        ),
    ]

    @Test(arguments: evilLayers.indices)
    func layersThatLeadOut(index: Int) throws {
        let (what, layer) = Self.evilLayers[index]
        // Only root can make devices; others leave them out.
        if what == "a device that hides", geteuid() != 0 { return }
        #expect(throws: (any Error).self, "\(what)") {
            try importing(ImageArchiveWriter(layers: [Self.plain, layer]).oci())
        }
        for place in ["evil", "images/evil", "images/layers/evil", "images/ingest/evil"] {
            #expect(!HostFiles.exists(folder.file(place)), "\(what)")
        }
        #expect(!HostFiles.exists("/tmp/swl-evil") && !HostFiles.exists("/evil"), "\(what)")
        try expectNothingIsLeft()
    }

    @Test func linksThatStayInsideAreFollowed() throws {
        let layer = Self.layer {
            $0.add("usr/bin/", .folder, mode: 0o755)
            $0.add("bin", .link, link: "usr/bin")
            $0.add("bin/tool", text: "x")
            $0.add("usr/copy", .hardLink, link: "bin/tool")
        }
        let image = try #require(try importing(ImageArchiveWriter(layers: [layer]).oci()).first)
        #expect(HostFiles.exists("\(image.layers[0])/usr/bin/tool"))
        #expect(try HostFiles.read("\(image.layers[0])/usr/copy") == Array("x".utf8))
    }
}

/// Finding images for containers.
@Suite struct ImageFinderTests {
    private let folder: TemporaryFolder
    private let finder: ImageFinder

    init() throws {
        folder = try TemporaryFolder()
        let store = try ImageStore(folder: folder.file("images"))
        var tar = TarWriter()
        tar.add("etc/passwd", text: "web:x:7:8::/:\n")
        let archive = ImageArchiveWriter(layers: [tar.finished], name: "docker.io/library/demo:latest").oci()
        try HostFiles.writeAtomically(archive, to: folder.file("a.tar"), isDurable: false)
        try store.importArchive(path: folder.file("a.tar"))
        finder = ImageFinder(
            store: store,
            puller: ImagePuller(
                store: store, registriesFile: folder.file("registries.yaml"), log: LogCollector().logger))
    }

    private func find(_ image: String, policy: String = "IfNotPresent") async throws(ImageProblem) -> FoundImage {
        try await finder.find(
            Container(["name": "main", "image": .string(image), "imagePullPolicy": .string(policy)]),
            keyring: { PullKeyring() }, onPull: {})
    }

    @Test func byAllItsNames() async throws {
        for text in ["demo", "demo:latest", "docker.io/library/demo"] {
            #expect(try await find(text).name == "docker.io/library/demo:latest")
        }
        #expect(try await find("demo").accounts.users.map(\.name) == ["web"])
    }

    @Test(arguments: [
        (
            "none", "Never", "ErrImageNeverPull", "Container image \"none\" is not present with pull policy of Never",
            false
        ),
        (
            "localhost:1/none:1", "IfNotPresent", "RegistryUnavailable",
            "image pull failed for localhost:1/none:1 because the registry is unavailable: "
                + "failed to pull and unpack image \"localhost:1/none:1\": "
                + "failed to resolve reference \"localhost:1/none:1\": failed to do request: "
                + "Get \"http://localhost:1/v2/none/manifests/1\": cannot connect to localhost:1: Connection refused",
            true
        ),
        (
            "Bad Name", "Always", "InvalidImageName",
            "Failed to apply default image tag \"Bad Name\": couldn't parse image name \"Bad Name\": invalid reference "
                + "format: repository name (library/Bad Name) must be lowercase", false
        ),
        ("a b", "Always", "InvalidImageName", "couldn't parse image name \"a b\": invalid reference format", false),
    ])
    func whatIsMissing(image: String, policy: String, reason: String, message: String, isRetried: Bool) async {
        await #expect { try await find(image, policy: policy) } throws: {
            guard let problem = $0 as? ImageProblem else { return false }
            return problem.reason == reason && problem.message.contains(message) && problem.isRetried == isRetried
        }
    }

    @Test(arguments: [
        ("busybox", "docker.io/library/busybox:latest"), ("a/b:1", "docker.io/a/b:1"),
        ("r.example/a", "r.example/a:latest"),
        ("r:5000/a:2", "r:5000/a:2"), ("localhost/a", "localhost/a:latest"),
    ])
    func namesInFull(text: String, full: String) {
        #expect(ImageReference(text)?.description == full)
    }

    @Test(arguments: ["", "UPPER", "a b", "a:", "a@sha256:1", "a//b", "-a", "a:b:c", "a/b@md5:1"])
    func whatIsNoName(text: String) {
        #expect(ImageReference(text) == nil)
    }
}
