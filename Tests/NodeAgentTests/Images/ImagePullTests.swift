import Glibc
import KubeAPI
import Kernel
import Testing

@testable import NodeAgent

/// Pulls from a registry in this process, honest and other ones.
@Suite struct ImagePullTests {
    private let folder: TemporaryFolder
    private let store: ImageStore
    private let registry = FakeRegistry()

    init() throws {
        folder = try TemporaryFolder()
        store = try ImageStore(folder: folder.file("images"))
    }

    private static func layer(_ name: String, bytes: Int = 40_000) -> [UInt8] {
        var tar = TarWriter()
        tar.add(name, content: (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })
        return tar.finished
    }
    private static let small = layer("small", bytes: 10)
    private static let big = layer("big")

    /// Runs with the registry, and a puller whose file of registries says `registries`.
    private func with(
        _ registries: String = "", _ body: (ImagePuller) async throws -> Void
    ) async throws {
        try await registry.start()
        let file = folder.file("registries.yaml")
        let text = registries.replacing("HOST", with: registry.host)
        try HostFiles.writeAtomically(Array(text.utf8), to: file, isDurable: false)
        let puller = ImagePuller(store: store, registriesFile: file, log: LogCollector().logger)
        do {
            try await body(puller)
        } catch {
            await puller.stop()
            await registry.stop()
            throw error
        }
        await puller.stop()
        await registry.stop()
    }

    private func pull(
        _ puller: ImagePuller, _ name: String = "app:1", _ keyring: PullKeyring = PullKeyring()
    ) async throws -> PulledImage {
        try await puller.pull(try ImageReference(parsing: "\(registry.host)/\(name)"), keyring: keyring)
    }

    private func failure(_ puller: ImagePuller, _ keyring: PullKeyring = PullKeyring()) async -> String {
        do {
            _ = try await pull(puller, keyring: keyring)
            return "it was pulled"
        } catch {
            return "\(error)"
        }
    }
    private func pull(_ puller: ImagePuller, keyring: PullKeyring) async throws -> PulledImage {
        try await pull(puller, "app:1", keyring)
    }

    private func expectNothingIsLeft() throws {
        #expect(try store.list().isEmpty)
        for part in ["layers", "blobs/sha256", "ingest", "downloads"] {
            #expect(FileTree.names(in: folder.file("images/\(part)")).isEmpty, "\(part)")
        }
    }

    // MARK: honest ones

    @Test func anImageComesWithItsLayersAndItsNames() async throws {
        try await with { puller in
            let manifest = registry.add([Self.small, Self.big, Self.small], as: "app:1")
            let pulled = try await pull(puller)
            let digest = "\(registry.host)/app@\(manifest["digest"].stringValue)"
            #expect(pulled.repoDigest == digest && pulled.image.repoDigests == [digest] && !pulled.wasPresent)
            #expect(pulled.image.names == ["\(registry.host)/app:1"])
            #expect(pulled.image.config.command == ["run"])
            // overlayfs takes no folder twice.
            #expect(pulled.image.layers.count == 2)
            #expect(try HostFiles.read("\(pulled.image.layers[0])/big").count == 40_000)
            #expect(try store.find(digest)?.id == pulled.image.id)
            #expect(FileTree.names(in: store.downloads).isEmpty && FileTree.names(in: "\(store.folder)/ingest").isEmpty)
            let asked = registry.requests.count
            #expect(try await pull(puller).wasPresent)
            #expect(registry.requests.dropFirst(asked) == ["HEAD /v2/app/manifests/1"])
        }
    }

    @Test func ofAnIndexTheMachinesOwn() async throws {
        try await with { puller in
            let own = registry.add([Self.small], as: "app:own")
            let other = registry.add([Self.big], as: "app:other", architecture: "s390x")
            func entry(_ descriptor: JSON, _ architecture: String) -> JSON {
                var descriptor = descriptor
                descriptor["platform"] = ["os": "linux", "architecture": .string(architecture)]
                return descriptor
            }
            let index = registry.add(
                manifest: [
                    "schemaVersion": 2,
                    "manifests": [
                        entry(other, "s390x"), entry(own, "unknown"), entry(own, ImageStore.machineArchitecture()),
                    ],
                ], type: FakeRegistry.indexType, as: ["app:1"])
            let digest = index["digest"].stringValue
            let repoDigest = try await pull(puller).repoDigest
            #expect(repoDigest.hasSuffix("@" + digest))
            registry.add(
                manifest: ["schemaVersion": 2, "manifests": [entry(other, "s390x")]], type: FakeRegistry.indexType,
                as: ["app:1"])
            #expect(
                await failure(puller).hasSuffix(
                    "no match for platform linux/\(store.architecture) in manifest: not found"))
            let names = try await pull(puller, "app@" + digest).image.names
            #expect(names.count == 1)
        }
    }

    @Test func aTagThatHasMovedIsPulledAnew() async throws {
        try await with { puller in
            registry.add([Self.small], as: "app:1")
            let old = try await pull(puller)
            registry.add([Self.small, Self.big], as: "app:1")
            let new = try await pull(puller)
            #expect(new.image.id != old.image.id && !new.wasPresent)
            #expect(try store.find("\(registry.host)/app:1")?.id == new.image.id)
            // What both have was fetched once.
            #expect(registry.requests.filter { $0.contains(ContentDigest.of(Self.small)) }.count == 1)
        }
    }

    @Test(arguments: [false, true]) func withCredentials(usesTokens: Bool) async throws {
        try await with { puller in
            registry.add([Self.small], as: "app:1")
            registry.behave {
                $0.userInfo = "me:secret"
                $0.usesTokens = usesTokens
            }
            let denied = "pull access denied, repository does not exist or may require authorization"
            #expect(await failure(puller).contains(usesTokens ? "failed to fetch anonymous token" : denied))
            let wrong = PullKeyring(RegistryCredential(username: "me", password: "wrong"))
            #expect(await failure(puller, wrong).contains(usesTokens ? "failed to fetch oauth token" : denied))
            let right = PullKeyring(RegistryCredential(username: "me", password: "secret"))
            _ = try await pull(puller, keyring: right)
            // Known from then on: nothing is asked twice.
            let asked = registry.requests.count
            #expect(try await pull(puller, keyring: right).wasPresent)
            #expect(registry.requests.count == asked + 1)
        }
    }

    @Test func aPasswordIsNotToldToWhereARedirectLeads() async throws {
        let storage = FakeRegistry()
        try await storage.start()
        try await with { puller in
            registry.add([Self.small], as: "app:1")
            storage.add([Self.small], as: "app:1")
            registry.behave {
                $0.userInfo = "me:secret"
                $0.redirect = "http://\(storage.host)"
            }
            _ = try await pull(puller, keyring: PullKeyring(RegistryCredential(username: "me", password: "secret")))
            #expect(!storage.headers.isEmpty && storage.headers.allSatisfy { $0["authorization"] == "" })
        }
        await storage.stop()
    }

    @Test func aMirrorIsAskedFirst() async throws {
        try await with("mirrors: {far.example: {endpoint: ['http://localhost:1', 'http://HOST']}}") { puller in
            registry.add([Self.small], as: "team/app:1")
            let pulled = try await puller.pull("far.example/team/app:1")
            #expect(pulled.image.names == ["far.example/team/app:1"])
            #expect(registry.requests.first == "GET /v2/team/app/manifests/1")
        }
    }

    // MARK: what breaks off

    @Test(arguments: [true, false]) func aConnectionThatBreaksIsGoneOnWith(knowsRanges: Bool) async throws {
        try await with { puller in
            registry.add([Self.big], as: "app:1")
            registry.behave {
                $0.cutAfter = 15_000
                $0.cuts = 2
                $0.knowsRanges = knowsRanges
            }
            let image = try await pull(puller).image
            #expect(try HostFiles.read("\(image.layers[0])/big").count == 40_000)
            let ranges = registry.requests.filter { $0.contains("bytes=") }
            #expect(ranges.count == 2 && ranges.first?.hasSuffix("bytes=15000-") == true)
        }
    }

    @Test func theNextProcessGoesOnWhereTheLastOneWasKilled() async throws {
        try HostFiles.writeAtomically(
            Array(Self.big.prefix(9_000)), to: "\(store.downloads)/\(ContentDigest.of(Self.big).dropFirst(7))",
            isDurable: false)
        try await with { puller in
            registry.add([Self.big], as: "app:1")
            _ = try await pull(puller)
            let blobs = registry.requests.filter { $0.contains(ContentDigest.of(Self.big)) }
            #expect(blobs == ["GET /v2/app/blobs/\(ContentDigest.of(Self.big)) bytes=9000-"])
        }
        #expect(FileTree.names(in: store.downloads).isEmpty)
    }

    @Test func whatWasDamagedOnTheDiskIsFetchedAnew() async throws {
        try HostFiles.writeAtomically(
            [UInt8](repeating: 0, count: 9_000), to: "\(store.downloads)/\(ContentDigest.of(Self.big).dropFirst(7))",
            isDurable: false)
        try await with { puller in
            registry.add([Self.big], as: "app:1")
            let image = try await pull(puller).image
            #expect(try HostFiles.read("\(image.layers[0])/big").count == 40_000)
        }
    }

    @Test func onePullForAllWhoWantIt() async throws {
        try await with { puller in
            registry.add([Self.big], as: "app:1")
            registry.add([Self.big, Self.small], as: "app:2")
            registry.behave { $0.holdsBlobs = true }
            async let first = pull(puller)
            async let second = pull(puller)
            async let other = pull(puller, "app:2")
            let isBig: @Sendable (String) -> Bool = { $0.contains(ContentDigest.of(Self.big)) }
            while !registry.requests.contains(where: isBig) || !registry.requests.contains("GET /v2/app/manifests/2") {
                try await Task.sleep(for: .milliseconds(5))
            }
            registry.openBlobs()
            #expect(try await first.image.id == second.image.id)
            #expect(try await other.image.layers.count == 2)
            #expect(registry.requests.filter { $0 == "GET /v2/app/manifests/1" }.count == 1)
            #expect(registry.requests.filter(isBig).count == 1)
        }
    }

    @Test func whatNobodyWantsAnyMoreIsCalledOff() async throws {
        try await with { puller in
            registry.add([Self.big], as: "app:1")
            registry.behave { $0.holdsBlobs = true }
            let task = Task { try await pull(puller) }
            while !registry.requests.contains(where: { $0.contains(ContentDigest.of(Self.big)) }) {
                try await Task.sleep(for: .milliseconds(5))
            }
            task.cancel()
            await #expect(throws: (any Error).self) { try await task.value }
            try expectNothingIsLeft()
        }
    }

    @Test func whatIsLeftOfBrokenPullsGoesInTime() async throws {
        let file = "\(store.downloads)/\(ContentDigest.of(Self.big).dropFirst(7))"
        try HostFiles.writeAtomically([1], to: file, isDurable: false)
        #expect(PartialBlob.removeStale(in: store.downloads))
        #expect(HostFiles.exists(file))
        #expect(!PartialBlob.removeStale(in: store.downloads, olderThan: 0))
        #expect(!HostFiles.exists(file))
    }

    // MARK: others

    @Test func aLayerThatIsAnother() async throws {
        try await with { puller in
            registry.add([Self.big], as: "app:1")
            var other = Self.big
            other[600] ^= 1
            registry.behave { $0.replacements[ContentDigest.of(Self.big)] = other }
            #expect(
                await failure(puller).hasSuffix(
                    "layer \(ContentDigest.of(Self.big)) failed verification: the registry sent \(ContentDigest.of(other))"
                ))
            // Longer, shorter, none of an archive.
            for content in [other + [0], Array("<html>".utf8) + other.dropFirst(6)] {
                registry.behave { $0.replacements[ContentDigest.of(Self.big)] = content }
                #expect(await failure(puller).contains("layer \(ContentDigest.of(Self.big))"))
            }
            for name in FileTree.names(in: store.downloads) { unlink("\(store.downloads)/\(name)") }
            try expectNothingIsLeft()
        }
    }

    @Test(arguments: [
        (200, "text/html", "<html>Sign in</html>", "answered with text/html instead of a manifest"),
        (200, "application/json", "{}", "answered with application/json, which is no manifest"),
        (200, "application/json", #"{"schemaVersion":1,"fsLayers":[]}"#, "(schema 1) is not supported"),
        (
            200, "application/json", #"{"manifests":[],"config":{},"layers":[]}"#,
            "answered with application/json, which is no manifest"
        ),
        (
            200, "application/json",
            #"{"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","size":2,"digest":"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},"layers":[]}"#,
            "it is no container image"
        ),
        (404, "text/html", "<html>", ": not found"),
        (
            429, "application/json",
            #"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your limit"}]}"#,
            "429 Too Many Requests: toomanyrequests: You have reached your limit"
        ),
        (418, "text/plain", "x", "unexpected status from GET request to http://"),
    ])
    func aManifestThatIsNone(status: Int, type: String, body: String, words: String) async throws {
        try await with { puller in
            registry.behave { $0.page = (status, type, body, []) }
            let text = await failure(puller)
            #expect(text.contains(words), "\(text)")
            #expect(text.hasPrefix("failed to pull and unpack image \"\(registry.host)/app:1\": failed to resolve"))
            try expectNothingIsLeft()
        }
    }

    @Test func aRegistryThatAsksForPatienceGetsIt() async throws {
        try await with { puller in
            registry.behave { $0.page = (503, "text/plain", "", [("Retry-After", "0")]) }
            #expect(await failure(puller).contains("503 Service Unavailable"))
            #expect(registry.requests.count == 4)
        }
    }

    @Test func aRegistryThatIsSilent() async {
        await #expect {
            try await withStallLimit(.milliseconds(20)) { _ in try await Task.sleep(for: .seconds(60)) }
        } throws: {
            "\($0)" == "nothing came for 20ms"
        }
    }
}
