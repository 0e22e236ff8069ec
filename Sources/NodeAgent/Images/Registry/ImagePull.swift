import Glibc
import KubeAPI
import Kernel

/// What a pull has brought about.
public struct PulledImage: Sendable {
    public let image: Image
    /// How the registry calls it: `docker.io/library/busybox@sha256:…`.
    public let repoDigest: String
    /// The store had it already.
    public let wasPresent: Bool
    /// How long it took, from the first request on.
    public let duration: Duration
}

/// One pull of one image.
struct ImagePull: Sendable {
    /// Layers of one image that are fetched at the same time (docker's and containerd's default is 3).
    private static let parallelLayers = 4

    let reference: ImageReference
    let session: RegistrySession
    let store: ImageStore
    let flights: LayerFlights
    let slots: HostSlots
    let progress: PullProgress
    /// What was fetched is kept for the next process, where this one ends the pull.
    let keepsBlobs: @Sendable () -> Bool

    private struct Resolved {
        var index: RegistrySession.Manifest
        var manifest: RegistrySession.Manifest
        var config: BlobDescriptor
        var layers: [BlobDescriptor]
        var way: RegistrySession.Way
    }
    /// A layer to be fetched.
    private struct Wanted {
        var descriptor: BlobDescriptor
        var diffID: String
    }

    private struct Fetched: Sendable {
        var layer: UnpackedLayer
        /// Its blob, kept until the image is complete.
        var blobPath: String
    }

    /// - Throws: `RegistryError`, `ImageError`, `FileError`, `CancellationError`.
    func run() async throws -> PulledImage {
        let began = ContinuousClock.now
        if let (image, repoDigest) = try await present() {
            return PulledImage(
                image: image, repoDigest: repoDigest, wasPresent: true, duration: ContinuousClock.now - began)
        }
        let resolved = try await resolve()
        let bytes = try await unpacking {
            try await session.blob(resolved.config, limit: ImageArchive.documentLimit, from: resolved.way)
        }
        let config: ImageConfig
        do {
            config = try ImageConfig(try JSON.parse(bytes))
        } catch {
            throw failure("\(error)", .invalid)
        }
        guard resolved.layers.count == config.diffIDs.count else {
            throw failure(
                "the manifest names \(resolved.layers.count) layers, the config \(config.diffIDs.count)", .invalid)
        }
        guard config.operatingSystem == "linux", config.architecture == store.architecture else {
            throw failure(
                "it is for \(config.operatingSystem)/\(config.architecture), this node is linux/\(store.architecture)",
                .notFound)
        }
        let contents = ImageArchive.Contents(
            configDigest: resolved.config.digest, configBytes: bytes, manifestDigest: resolved.manifest.digest,
            manifestBytes: resolved.manifest.bytes, config: config, layers: [],
            // A tag beside a digest names nothing: the registry was not asked for it.
            names: reference.digest == nil ? [reference.description] : [],
            repoDigests: ["\(reference.repository)@\(resolved.index.digest)"])
        let image = try await unpacking { try await fetch(contents, resolved) }
        return PulledImage(
            image: image, repoDigest: "\(reference.repository)@\(resolved.index.digest)", wasPresent: false,
            duration: ContinuousClock.now - began)
    }

    // MARK: the manifest

    /// The image in the store, where it is what the registry has under that name now.
    private func present() async throws -> (Image, String)? {
        guard let image = try store.find(reference.description) else { return nil }
        let known = image.repoDigests.filter { $0.hasPrefix(reference.repository + "@") }
        guard !known.isEmpty else { return nil }
        let digest = try await resolving { try await session.digest(of: reference) }
        guard let digest, known.contains("\(reference.repository)@\(digest)") else { return nil }
        return (image, "\(reference.repository)@\(digest)")
    }

    private func resolve() async throws -> Resolved {
        let (index, way) = try await resolving { try await session.manifest(of: reference) }
        return try await unpacking {
            var manifest = index
            var way = way
            // An index may hold indexes; nobody nests them deeper.
            for _ in 0..<4 {
                switch manifest.document {
                case .image(let config, let layers):
                    return Resolved(index: index, manifest: manifest, config: config, layers: layers, way: way)
                case .index(let entries):
                    guard let chosen = ManifestDocument.choose(entries, architecture: store.architecture) else {
                        throw RegistryError(
                            .notFound, "no match for platform linux/\(store.architecture) in manifest: not found")
                    }
                    (manifest, way) = try await session.manifest(chosen, from: way)
                }
            }
            throw RegistryError(.invalid, "its indexes are nested too deep")
        }
    }

    // MARK: the layers

    private func fetch(_ contents: ImageArchive.Contents, _ resolved: Resolved) async throws -> Image {
        let ingest = try IngestFolder(parent: "\(store.folder)/ingest")
        defer {
            ingest.remove()
            // Nobody wants it any more.
            if Task.isCancelled, !keepsBlobs() {
                for layer in resolved.layers { unlink("\(store.downloads)/\(layer.digest.dropFirst(7))") }
            }
        }
        var wanted: [String: BlobDescriptor] = [:]
        for (layer, diffID) in zip(resolved.layers, contents.config.diffIDs) { wanted[diffID] = layer }
        var fetched: [String: Fetched] = [:]
        // Ends when this image is in the store, so that others who wait for a layer find it there.
        let flight = flights.begin()
        defer { flights.end(flight) }
        func missing() -> Set<String> { Set(wanted.keys.filter { fetched[$0] == nil && !store.hasLayer($0) }) }
        func layers(_ diffIDs: Set<String>) -> [Wanted] {
            diffIDs.compactMap { diffID in wanted[diffID].map { Wanted(descriptor: $0, diffID: diffID) } }
                // The longest first: it ends last.
                .sorted { $0.descriptor.sizeBytes > $1.descriptor.sizeBytes }
        }
        let (mine, others) = flights.claim(missing(), for: flight)
        fetched = try await fetch(layers(mine), into: ingest.path, from: resolved.way)
        if !others.isEmpty {
            try await flights.wait(for: others)
            // What those have not brought about is fetched here, whoever else may have it in hand by now.
            let rest = try await fetch(layers(missing()), into: ingest.path, from: resolved.way)
            fetched.merge(rest) { first, _ in first }
        }
        // Before the disk is synced: the blobs are of no more use.
        for layer in fetched.values { unlink(layer.blobPath) }
        let unpacked = fetched.mapValues(\.layer)
        let images = try await onOwnThread { try store.commit([contents], unpacked: unpacked) }
        guard let image = images.first else { throw RegistryError(.failed, "the store has not taken it") }
        return image
    }

    private func fetch(_ layers: [Wanted], into folder: String, from way: RegistrySession.Way) async throws
        -> [String: Fetched]
    {
        guard !layers.isEmpty else { return [:] }
        progress.expects(layers.reduce(0) { $0 + $1.descriptor.sizeBytes }, layers: layers.count)
        return try await withThrowingTaskGroup(of: (String, Fetched).self) { group in
            var rest = layers[...]
            var fetched: [String: Fetched] = [:]
            func next() {
                guard let layer = rest.popFirst() else { return }
                group.addTask {
                    let path = "\(folder)/layer-\(layer.diffID.dropFirst(7))"
                    return try await slots.run(at: way.endpoint.authority) {
                        (layer.diffID, try await fetch(layer, to: path, from: way))
                    }
                }
            }
            for _ in 0..<Self.parallelLayers { next() }
            while let (diffID, layer) = try await group.next() {
                fetched[diffID] = layer
                next()
            }
            return fetched
        }
    }

    private func fetch(
        _ layer: Wanted, to path: String, from way: RegistrySession.Way, isAgain: Bool = false
    ) async throws -> Fetched {
        let partial = try PartialBlob(folder: store.downloads, digest: layer.descriptor.digest)
        let kept = partial.sizeBytes
        do {
            guard kept <= layer.descriptor.sizeBytes else {
                partial.remove()
                throw RegistryError(.invalid, "layer \(layer.descriptor.digest) is longer than its manifest says")
            }
            progress.received(Int(kept))
            let unpacked = try await fetch(layer, to: path, from: way, partial)
            progress.unpackedLayer()
            return Fetched(layer: unpacked, blobPath: partial.path)
        } catch let error as RegistryError where error.kind == .invalid && kept > 0 && !isAgain {
            // What an earlier pull has left may have been damaged since, by a power cut for one.
            progress.received(-Int(kept))
            try await onOwnThread { try FileTree.remove(path) }
            return try await fetch(layer, to: path, from: way, isAgain: true)
        }
    }

    private func fetch(
        _ layer: Wanted, to path: String, from way: RegistrySession.Way, _ partial: PartialBlob
    ) async throws -> UnpackedLayer {
        let kept = partial.sizeBytes
        let queue = PieceQueue()
        let work = LayerUnpacking(
            descriptor: layer.descriptor, diffID: layer.diffID, partial: partial, queue: queue, path: path)
        async let unpacked = onOwnThread { try work.run() }
        do {
            try await BlobDownload(
                session: session, descriptor: layer.descriptor, ways: session.ways(beginningWith: way),
                progress: progress
            ).run(from: kept, into: queue)
            queue.finish()
        } catch {
            queue.finish(error)
            // Where the thread has ended by itself, it says why.
            _ = try await unpacked
            throw error
        }
        return try await unpacked
    }

    // MARK: errors

    private func failure(_ text: String, _ kind: RegistryError.Kind) -> RegistryError {
        RegistryError(kind, "failed to pull and unpack image \"\(reference)\": \(text)")
    }

    private func resolving<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as RegistryError {
            let text = error.kind == .notFound ? "\(reference): not found" : "\(error)"
            throw failure("failed to resolve reference \"\(reference)\": \(text)", error.kind)
        }
    }

    private func unpacking<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as RegistryError {
            throw failure("\(error)", error.kind)
        } catch let error as MissingLayer {
            throw error
        } catch let error as CancellationError {
            throw error
        } catch {
            throw failure("\(error)", .failed)
        }
    }
}
