import Glibc
import KubeAPI

/// The files of an image archive (OCI layout or docker-archive), taken out into a private folder with their digests
/// verified on the way.
///
/// The archive is read once, front to back: blobs may come before or after the index that names them.
struct ImageArchive {
    /// Where the file's content lies, by its name in the archive.
    private(set) var files: [String: (path: String, digest: String, sizeBytes: Int64)] = [:]
    /// Names that are links to other names (old docker-archives share layers so).
    private var links: [String: String] = [:]
    private let subject: String

    static let fileLimit = 20_000
    static let byteLimit: Int64 = 64 << 30
    /// Indexes, manifests and configs are read into memory.
    static let documentLimit = 8 << 20

    /// One image of the archive.
    struct Contents {
        var configDigest: String
        var configBytes: [UInt8]
        /// Digest of the manifest; nil in a docker-archive.
        var manifestDigest: String?
        var manifestBytes: [UInt8]?
        var config: ImageConfig
        /// Files of the layers, compressed as they came, lowest first.
        var layers: [String]
        var names: [String]
        /// What the registry calls it, where it came from one.
        var repoDigests: [String] = []
    }

    init(path: String, into folder: String) throws {
        subject = path
        let reader = try ArchiveReader(path: path)
        var total: Int64 = 0
        while let entry = try reader.next() {
            guard let bytes = entry.name else { throw ImageError("cannot import \(path): an entry has no name") }
            let name = try Self.cleaned(String(decoding: bytes, as: UTF8.self), subject: path)
            if entry.kind == .symbolicLink || entry.hardLinkTarget != nil {
                let isHard = entry.hardLinkTarget != nil
                let target = String(
                    decoding: entry.hardLinkTarget ?? entry.symbolicLinkTarget ?? [], as: UTF8.self)
                links[name] = Self.resolved(target, from: isHard ? "" : name)
                continue
            }
            guard entry.kind == .file else { continue }
            guard files.count < Self.fileLimit else {
                throw ImageError("cannot import \(path): more than \(Self.fileLimit) files")
            }
            let destination = "\(folder)/file-\(files.count)"
            let descriptor = open(destination, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw FileError("create", destination) }
            defer { close(descriptor) }
            var digest = ContentDigest()
            var size: Int64 = 0
            try reader.readData { bytes, _ in
                digest.add(bytes)
                size += Int64(bytes.count)
                guard total + size <= Self.byteLimit else {
                    throw ImageError("cannot import \(path): more than \(Self.byteLimit) bytes")
                }
                var written = 0
                while written < bytes.count {
                    let count = write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { throw FileError("write", destination) }
                    written += count
                }
            }
            total += size
            guard size == entry.sizeBytes else {
                throw ImageError("cannot import \(path): file \(name) is truncated")
            }
            let actual = digest.text()
            if name.hasPrefix("blobs/sha256/"), actual != "sha256:\(name.dropFirst("blobs/sha256/".count))" {
                throw ImageError("cannot import \(path): blob \(name) has the wrong digest \(actual)")
            }
            files[name] = (destination, actual, size)
        }
    }

    /// `./a//b` is `a/b`; `..` and absolute names are refused.
    private static func cleaned(_ name: String, subject: String) throws(ImageError) -> String {
        guard !name.hasPrefix("/") else {
            throw ImageError("cannot import \(subject): entry \"\(name)\" is refused: its name is absolute")
        }
        let parts = name.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else {
            throw ImageError("cannot import \(subject): entry \"\(name)\" is refused: its name leads out of the root")
        }
        return parts.joined(separator: "/")
    }

    /// A link's target as a name in the archive; only ever used as a key.
    private static func resolved(_ target: String, from name: String) -> String {
        var parts = name.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }

    private func file(_ name: String) -> (path: String, digest: String, sizeBytes: Int64)? {
        var name = name
        for _ in 0..<8 {
            if let file = files[name] { return file }
            guard let next = links[name] else { return nil }
            name = next
        }
        return nil
    }

    private func document(_ name: String) throws -> JSON? {
        guard let file = file(name) else { return nil }
        do {
            return try JSON.parse(try HostFiles.read(file.path, limit: Self.documentLimit))
        } catch {
            throw ImageError("cannot import \(subject): \(name): \(error)")
        }
    }

    /// The blob that a descriptor names, with its size checked; its digest was checked when it was taken out.
    private func blob(_ descriptor: JSON, what: String) throws(ImageError) -> (path: String, digest: String) {
        let digest = descriptor["digest"].stringValue
        guard ImageReference.isDigest(digest) else {
            throw ImageError("cannot import \(subject): the \(what) has no sha256 digest")
        }
        guard let file = file("blobs/sha256/\(digest.dropFirst(7))") else {
            throw ImageError("cannot import \(subject): it lacks the \(what) \(digest)")
        }
        if let size = descriptor["size"].int, Int64(size) != file.sizeBytes {
            throw ImageError(
                "cannot import \(subject): the \(what) \(digest) has \(file.sizeBytes) bytes instead of \(size)")
        }
        return (file.path, digest)
    }

    private func json(_ path: String, what: String) throws -> (JSON, [UInt8]) {
        let bytes = try HostFiles.read(path, limit: Self.documentLimit)
        do {
            return (try JSON.parse(bytes), bytes)
        } catch {
            throw ImageError("cannot import \(subject): the \(what) is no JSON: \(error)")
        }
    }

    /// The images in the archive, for the machine's architecture.
    func images(architecture: String) throws -> [Contents] {
        // `docker save` writes both forms: names lie in manifest.json there.
        let docker = try document("manifest.json")
        if let index = try document("index.json") {
            var images: [Contents] = []
            for descriptor in index["manifests"].items {
                images += try images_(descriptor, architecture: architecture, names: Self.names(descriptor), depth: 0)
            }
            guard !images.isEmpty else {
                throw ImageError("cannot import \(subject): it holds no image for linux/\(architecture)")
            }
            for entry in docker?.items ?? [] {
                guard let config = file(entry["Config"].stringValue) else { continue }
                let tags = entry["RepoTags"].items.compactMap(\.string)
                for index in images.indices where images[index].configDigest == config.digest && !tags.isEmpty {
                    images[index].names = tags
                }
            }
            return images
        }
        guard let docker else {
            throw ImageError(
                "cannot import \(subject): it is neither an OCI layout (index.json) nor a docker-archive (manifest.json)"
            )
        }
        return try docker.items.map { try dockerImage($0) }
    }

    private static func names(_ descriptor: JSON) -> [String] {
        let annotations = descriptor["annotations"]
        let name =
            annotations["io.containerd.image.name"].string
            ?? annotations["org.opencontainers.image.ref.name"].string
        return name.map { [$0] } ?? []
    }

    private func images_(_ descriptor: JSON, architecture: String, names: [String], depth: Int) throws -> [Contents] {
        guard depth < 4 else { throw ImageError("cannot import \(subject): its indexes are nested too deep") }
        let platform = descriptor["platform"]
        if platform.isObject {
            guard platform["os"].string == "linux", platform["architecture"].string == architecture else { return [] }
        }
        let blob = try blob(descriptor, what: "manifest")
        let (manifest, bytes) = try json(blob.path, what: "manifest \(blob.digest)")
        if manifest["manifests"].array != nil {
            return try manifest["manifests"].items.flatMap {
                let own = Self.names($0)
                return try images_($0, architecture: architecture, names: own.isEmpty ? names : own, depth: depth + 1)
            }
        }
        let configBlob = try self.blob(manifest["config"], what: "config")
        let (configJSON, configBytes) = try json(configBlob.path, what: "config \(configBlob.digest)")
        // An attestation or an artifact has no root file system.
        guard configJSON["rootfs"].isObject else { return [] }
        let config = try ImageConfig(configJSON)
        if !platform.isObject, !config.architecture.isEmpty, config.architecture != architecture { return [] }
        let layers = try manifest["layers"].items.map { try self.blob($0, what: "layer").path }
        guard layers.count == config.diffIDs.count else {
            throw ImageError(
                "cannot import \(subject): the manifest names \(layers.count) layers, the config \(config.diffIDs.count)"
            )
        }
        return [
            Contents(
                configDigest: configBlob.digest, configBytes: configBytes, manifestDigest: blob.digest,
                manifestBytes: bytes, config: config, layers: layers, names: names)
        ]
    }

    private func dockerImage(_ entry: JSON) throws -> Contents {
        let configName = entry["Config"].stringValue
        guard let configFile = file(configName) else {
            throw ImageError("cannot import \(subject): it lacks the config \(configName)")
        }
        let stem = configName.split(separator: "/").last.map { $0.hasSuffix(".json") ? $0.dropLast(5) : $0 } ?? ""
        if ImageReference.isDigest("sha256:\(stem)"), configFile.digest != "sha256:\(stem)" {
            throw ImageError("cannot import \(subject): config \(configName) has the wrong digest \(configFile.digest)")
        }
        let (json, bytes) = try json(configFile.path, what: "config \(configName)")
        let config = try ImageConfig(json)
        let layers = try entry["Layers"].items.map { layer throws(ImageError) in
            guard let file = file(layer.stringValue) else {
                throw ImageError("cannot import \(subject): it lacks the layer \(layer.stringValue)")
            }
            return file.path
        }
        guard layers.count == config.diffIDs.count else {
            throw ImageError(
                "cannot import \(subject): the manifest names \(layers.count) layers, the config \(config.diffIDs.count)"
            )
        }
        return Contents(
            configDigest: configFile.digest, configBytes: bytes, manifestDigest: nil, manifestBytes: nil,
            config: config, layers: layers, names: entry["RepoTags"].items.compactMap(\.string))
    }
}
