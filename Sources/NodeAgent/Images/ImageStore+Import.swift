import Glibc
import KubeAPI
import Kernel

/// What comes into the store.
extension ImageStore {
    /// Imports an OCI layout or docker-archive, plain or compressed, and returns its images. Blocks for as long as the
    /// unpacking takes. On an error nothing of the archive is left.
    /// - Parameter name: names the archive's only image, instead of the names it brings along.
    @discardableResult
    public func importArchive(path: String, name: String? = nil) throws -> [Image] {
        try withUTF8Names { try importing(path, name: name) }
    }

    private func importing(_ path: String, name: String?) throws -> [Image] {
        var override: String?
        if let name {
            guard let reference = ImageReference(name), reference.digest == nil else {
                throw ImageError("cannot import \(path): \"\(name)\" is no valid image name")
            }
            override = reference.description
        }
        let ingest = try IngestFolder(parent: "\(folder)/ingest")
        defer { ingest.remove() }
        let archive = try ImageArchive(path: path, into: ingest.path)
        var contents = try archive.images(architecture: architecture)
        if let override {
            guard contents.count == 1 else {
                throw ImageError("cannot import \(path) as \(override): it holds \(contents.count) images")
            }
            contents[0].names = [override]
        }
        for index in contents.indices {
            contents[index].names = try contents[index].names.map { text throws(ImageError) in
                guard let reference = ImageReference(text) else {
                    throw ImageError("cannot import \(path): it names its image \"\(text)\", which is no valid name")
                }
                return ImageReference(reference.repository + (reference.tag.map { ":\($0)" } ?? ""))?.description
                    ?? reference.description
            }
        }
        var unpacked: [String: UnpackedLayer] = [:]
        for image in contents {
            for (layer, diffID) in zip(image.layers, image.config.diffIDs) where unpacked[diffID] == nil {
                guard !hasLayer(diffID) else { continue }
                unpacked[diffID] = try UnpackedLayer(
                    LayerStream(path: layer), diffID: diffID, path: ingest.layerPath(diffID),
                    subject: "layer \(diffID) of \(path)")
            }
        }
        return try commit(contents, unpacked: unpacked)
    }

    /// Makes images part of the store, with those of their layers that it lacks.
    /// - Parameter unpacked: these layers, by diff id; they are moved into the store.
    func commit(_ contents: [ImageArchive.Contents], unpacked: [String: UnpackedLayer]) throws -> [Image] {
        // What a power cut must not undo after the index names it. On an error the index is not newer than the layers.
        if !unpacked.isEmpty { try DurableFile.syncFileSystem(of: folder) }
        let now = Timestamp.now().rfc3339
        return try change { entries in
            var moved: [String] = []
            do {
                for (diffID, layer) in unpacked where !hasLayer(diffID) {
                    let size = Array(String(layer.sizeBytes).utf8)
                    try HostFiles.writeAtomically(size, to: layerPath(diffID) + ".size", isDurable: false)
                    guard rename(layer.path, layerPath(diffID)) == 0 else {
                        throw FileError("place layer", layerPath(diffID))
                    }
                    moved.append(layerPath(diffID))
                }
                for image in contents {
                    if let diffID = image.config.diffIDs.first(where: { !hasLayer($0) }) {
                        throw MissingLayer(diffID: diffID)
                    }
                    try HostFiles.writeAtomically(image.configBytes, to: blobPath(image.configDigest), mode: 0o644)
                    if let digest = image.manifestDigest, let bytes = image.manifestBytes {
                        try HostFiles.writeAtomically(bytes, to: blobPath(digest), mode: 0o644)
                    }
                }
            } catch {
                for path in moved { try? FileTree.remove(path) }  // the first failure counts; the sweep takes the rest
                throw error
            }
            for image in contents {
                for index in entries.indices { entries[index].names.removeAll { image.names.contains($0) } }
                if let index = entries.firstIndex(where: { $0.id == image.configDigest }) {
                    entries[index].names += image.names
                    entries[index].manifestDigest = image.manifestDigest ?? entries[index].manifestDigest
                } else {
                    var entry = Entry(
                        id: image.configDigest, manifestDigest: image.manifestDigest,
                        sizeBytes: image.config.diffIDs.map(layerSize).reduce(0, &+), importedAt: now,
                        diffIDs: image.config.diffIDs)
                    entry.names = image.names
                    entries.append(entry)
                }
            }
            for image in contents {
                guard let index = entries.firstIndex(where: { $0.id == image.configDigest }) else { continue }
                // The newest first: it is the one that is shown.
                entries[index].repoDigests.removeAll { image.repoDigests.contains($0) }
                entries[index].repoDigests.insert(contentsOf: image.repoDigests, at: 0)
            }
            return try entries.filter { entry in contents.contains { $0.configDigest == entry.id } }.map {
                try image($0)
            }
        }
    }

    private func layerSize(_ diffID: String) -> Int64 {
        // Written beside the layer; a missing one only makes the shown size wrong.
        guard let bytes = try? HostFiles.read(layerPath(diffID) + ".size", limit: 64) else { return 0 }
        return Int64(String(decoding: bytes, as: UTF8.self)) ?? 0
    }
}

/// A layer that was there when its image was begun has been removed since.
struct MissingLayer: Error, Sendable, CustomStringConvertible {
    let diffID: String
    var description: String { "cannot import image: layer \(diffID) was removed meanwhile; import it again" }
}
