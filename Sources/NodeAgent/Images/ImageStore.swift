import Glibc
import KubeAPI
import Kernel
import Synchronization

/// The node's images: blobs by their digest, layers unpacked once and shared, and an index of names.
///
///     <folder>/format              format number of all of it
///     <folder>/lock                flock: held for the moment in which the index or the set of layers changes
///     <folder>/index.json          images and their names, replaced in one step
///     <folder>/blobs/sha256/HEX    configs and manifests
///     <folder>/layers/HEX          unpacked layers by diff id
///     <folder>/ingest/X            an import under way, flocked by its process
///
/// Two processes (the daemon and a command beside it) may use one store at the same time: readers follow the index by
/// its identity, writers hold the lock, and what dies half-way is swept by the next to come.
public final class ImageStore: Sendable {
    static let formatVersion = 1

    private struct Entry {
        var id: String
        var manifestDigest: String?
        var names: [String]
        var sizeBytes: Int64
        var importedAt: String
        var diffIDs: [String]

        init(_ json: JSON) {
            id = json["id"].stringValue
            manifestDigest = json["manifest"].string
            names = json["names"].items.compactMap(\.string)
            sizeBytes = Int64(json["sizeBytes"].int ?? 0)
            importedAt = json["importedAt"].stringValue
            diffIDs = json["layers"].items.compactMap(\.string)
        }
        init(id: String, manifestDigest: String?, sizeBytes: Int64, importedAt: String, diffIDs: [String]) {
            self.id = id
            self.manifestDigest = manifestDigest
            self.names = []
            self.sizeBytes = sizeBytes
            self.importedAt = importedAt
            self.diffIDs = diffIDs
        }
        var json: JSON {
            [
                "id": .string(id), "manifest": JSON(manifestDigest), "names": JSON(names),
                "sizeBytes": .int(sizeBytes), "importedAt": .string(importedAt), "layers": JSON(diffIDs),
            ]
        }
    }

    private struct FileIdentity: Equatable {
        var inode: UInt = 0
        var seconds = 0
        var nanoseconds = 0
    }

    private struct State {
        var identity = FileIdentity()
        var entries: [Entry] = []
        var configs: [String: ImageConfig] = [:]
    }

    public let folder: String
    private let architecture: String
    private let state = Mutex(State())

    /// Opens the store, makes it where there is none, and sweeps what interrupted imports left.
    public init(folder: String) throws {
        self.folder = folder
        self.architecture = Self.machineArchitecture()
        try HostFiles.makeFolders(folder, mode: 0o700)
        for part in ["blobs", "blobs/sha256", "layers", "ingest"] {
            try HostFiles.makeFolders("\(folder)/\(part)", mode: 0o755)
        }
        let format = "\(folder)/format"
        if HostFiles.exists(format) {
            let text = String(decoding: try HostFiles.read(format, limit: 64), as: UTF8.self)
            guard let version = Int(text.split(separator: "\n").first ?? ""), version <= Self.formatVersion else {
                throw ImageError("cannot open image store \(folder): its format is newer than this version knows")
            }
        } else {
            try HostFiles.writeAtomically(Array("\(Self.formatVersion)\n".utf8), to: format)
        }
        try sweep()
    }

    /// `amd64`, `arm64`: the machine in the words of Go, which images use.
    static func machineArchitecture() -> String {
        var name = utsname()
        guard uname(&name) == 0 else { return "amd64" }
        let machine = withUnsafePointer(to: &name.machine) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) {
                String(cString: $0)
            }
        }
        return switch machine {
        case "x86_64": "amd64"
        case "aarch64": "arm64"
        default: machine
        }
    }

    // MARK: Look-up

    /// All images, by their first name.
    public func list() throws -> [Image] {
        try entries().map { try image($0) }.sorted { ($0.names.first ?? "~", $0.id) < ($1.names.first ?? "~", $1.id) }
    }

    /// The image of that name, id (`sha256:…` or its hexadecimal digits, at least 12) or `name@digest`; nil where there
    /// is none.
    public func find(_ text: String) throws -> Image? {
        try entry(text, in: entries()).map { try image($0) }
    }

    private func entry(_ text: String, in entries: [Entry]) -> Entry? {
        let digits = text.hasPrefix("sha256:") ? String(text.dropFirst(7)) : text
        if digits.utf8.count >= 12, digits.utf8.allSatisfy(ImageReference.isHex) {
            let matches = entries.filter { $0.id.dropFirst(7).hasPrefix(digits) }
            if matches.count == 1 { return matches[0] }
        }
        guard let reference = ImageReference(text) else { return nil }
        if let digest = reference.digest {
            return entries.first {
                ($0.manifestDigest == digest || $0.id == digest)
                    && $0.names.contains { ImageReference($0)?.repository == reference.repository }
            }
        }
        return entries.first { $0.names.contains(reference.description) }
    }

    private func image(_ entry: Entry) throws -> Image {
        let known = state.withLock { $0.configs[entry.id] }
        let config: ImageConfig
        if let known {
            config = known
        } else {
            let bytes = try HostFiles.read(blobPath(entry.id), limit: ImageArchive.documentLimit)
            guard ContentDigest.of(bytes) == entry.id else {
                throw ImageError(
                    "cannot use image \(entry.names.first ?? entry.id): its config is damaged on disk; import it again")
            }
            config = try ImageConfig(try JSON.parse(bytes))
            state.withLock { $0.configs[entry.id] = config }
        }
        return Image(
            id: entry.id, names: entry.names, sizeBytes: entry.sizeBytes, importedAt: entry.importedAt, config: config,
            layers: entry.diffIDs.map(layerPath))
    }

    private func blobPath(_ digest: String) -> String { "\(folder)/blobs/sha256/\(digest.dropFirst(7))" }
    private func layerPath(_ diffID: String) -> String { "\(folder)/layers/\(diffID.dropFirst(7))" }
    private var indexPath: String { "\(folder)/index.json" }

    /// The index, read anew when another process replaced it.
    private func entries() throws -> [Entry] {
        var info = stat()
        guard stat(indexPath, &info) == 0 else { return [] }
        let identity = FileIdentity(
            inode: UInt(info.st_ino), seconds: info.st_mtim.tv_sec, nanoseconds: info.st_mtim.tv_nsec)
        if let known = state.withLock({ $0.identity == identity ? $0.entries : nil }) { return known }
        let index: JSON
        do {
            index = try JSON.parse(try HostFiles.read(indexPath, limit: 64 << 20))
        } catch {
            throw ImageError("cannot read image index \(indexPath): \(error)")
        }
        let entries = index["images"].items.map(Entry.init).filter { ImageReference.isDigest($0.id) }
        state.withLock {
            $0.identity = identity
            $0.entries = entries
        }
        return entries
    }

    // MARK: Change

    /// Runs `body` with the index under the lock and stores what it leaves.
    private func change<Result>(_ body: (inout [Entry]) throws -> Result) throws -> Result {
        let lock = try FolderLock(path: "\(folder)/lock")
        defer { lock.release() }
        var entries = try entries()
        let before = entries.map(\.json)
        let result = try body(&entries)
        let after = entries.map(\.json)
        guard before != after else { return result }
        let index: JSON = ["format": .int(Int64(Self.formatVersion)), "images": .array(after)]
        try HostFiles.writeAtomically(index.serialized(), to: indexPath)
        state.withLock { $0.identity = FileIdentity() }
        return result
    }

    /// Imports an OCI layout or docker-archive, plain or compressed, and returns its images. Blocks for as long as the
    /// unpacking takes. On an error nothing of the archive is left.
    /// - Parameter name: names the archive's only image, instead of the names it brings along.
    @discardableResult
    public func importArchive(path: String, name: String? = nil) throws -> [Image] {
        var override: String?
        if let name {
            guard let reference = ImageReference(name), reference.digest == nil else {
                throw ImageError("cannot import \(path): \"\(name)\" is no valid image name")
            }
            override = reference.description
        }
        // libarchive converts names by the thread's locale; without UTF-8 it loses those that are not ASCII.
        let utf8 = newlocale(Int32(1 << LC_CTYPE), "C.UTF-8", nil)
        let previous = uselocale(utf8)
        defer {
            uselocale(previous)
            if let utf8 { freelocale(utf8) }
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
        var unpacked: [String: (path: String, sizeBytes: Int64)] = [:]
        for image in contents {
            for (layer, diffID) in zip(image.layers, image.config.diffIDs) where unpacked[diffID] == nil {
                guard !HostFiles.exists(layerPath(diffID)) else { continue }
                unpacked[diffID] = try unpack(layer, diffID: diffID, archive: path, in: ingest.path)
            }
        }
        return try commit(contents, unpacked: unpacked)
    }

    private func unpack(_ layer: String, diffID: String, archive: String, in ingest: String) throws
        -> (path: String, sizeBytes: Int64)
    {
        let target = "\(ingest)/layer-\(diffID.dropFirst(7))"
        guard mkdir(target, 0o755) == 0 else { throw FileError("create folder", target) }
        let subject = "layer \(diffID) of \(archive)"
        // Two readers, so that the digest is of the stream between them: the plain tar.
        let stream = try LayerStream(path: layer)
        let reader = try ArchiveReader(subject: subject) { piece in try stream.next(&piece) }
        var unpacker = try LayerUnpacker(folder: target, subject: subject)
        try unpacker.unpack(reader)
        let actual = try stream.finish()
        guard actual == diffID else {
            throw ImageError("cannot import \(archive): a layer has the wrong digest \(actual) instead of \(diffID)")
        }
        return (target, unpacker.sizeBytes)
    }

    private func commit(_ contents: [ImageArchive.Contents], unpacked: [String: (path: String, sizeBytes: Int64)])
        throws
        -> [Image]
    {
        // What a power cut must not undo after the index names it. On an error the index is not newer than the layers.
        try DurableFile.syncFileSystem(of: folder)
        let now = Timestamp.now().rfc3339
        return try change { entries in
            var moved: [String] = []
            do {
                for (diffID, layer) in unpacked where !HostFiles.exists(layerPath(diffID)) {
                    let size = Array(String(layer.sizeBytes).utf8)
                    try HostFiles.writeAtomically(size, to: layerPath(diffID) + ".size", isDurable: false)
                    guard rename(layer.path, layerPath(diffID)) == 0 else {
                        throw FileError("place layer", layerPath(diffID))
                    }
                    moved.append(layerPath(diffID))
                }
                for image in contents {
                    for diffID in image.config.diffIDs where !HostFiles.exists(layerPath(diffID)) {
                        throw ImageError("cannot import image: layer \(diffID) was removed meanwhile; import it again")
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

    /// Removes a name, and the image with its last name (or by its id).
    /// - Parameter user: names who uses the image of that id, or nil; a used image is not removed.
    /// - Returns: the names that are gone, and the id where the image is gone.
    public func remove(_ text: String, user: (String) -> String?) throws -> [String] {
        let removed: [String] = try change { entries in
            guard let found = entry(text, in: entries), let index = entries.firstIndex(where: { $0.id == found.id })
            else { throw ImageError("cannot remove image \"\(text)\": there is no such image") }
            let name = ImageReference(text).map(\.description)
            if let name, found.names.contains(name), found.names.count > 1 {
                entries[index].names.removeAll { $0 == name }
                return [name]
            }
            if let user = user(found.id) {
                throw ImageError("cannot remove image \"\(text)\": it is used by \(user)")
            }
            entries.remove(at: index)
            return found.names + [found.id]
        }
        try sweep()
        return removed
    }

    /// Removes what no image needs: layers, blobs, and the folders of imports whose process is gone.
    private func sweep() throws {
        let lock = try FolderLock(path: "\(folder)/lock")
        defer { lock.release() }
        for name in HostFiles.names(in: "\(folder)/ingest") {
            IngestFolder.removeIfAbandoned("\(folder)/ingest/\(name)")
        }
        // An unreadable index must not make every layer an orphan.
        let entries = try entries()
        if entries.isEmpty, HostFiles.exists(indexPath), try HostFiles.read(indexPath, limit: 64 << 20).isEmpty {
            return
        }
        var layers: Set<String> = []
        var blobs: Set<String> = []
        for entry in entries {
            layers.formUnion(entry.diffIDs.map { String($0.dropFirst(7)) })
            blobs.insert(String(entry.id.dropFirst(7)))
            if let manifest = entry.manifestDigest { blobs.insert(String(manifest.dropFirst(7))) }
        }
        for name in HostFiles.names(in: "\(folder)/layers") {
            let digest = name.hasSuffix(".size") ? String(name.dropLast(5)) : name
            if !layers.contains(digest) { try FileTree.remove("\(folder)/layers/\(name)") }
        }
        for name in HostFiles.names(in: "\(folder)/blobs/sha256") where !blobs.contains(name) {
            try FileTree.remove("\(folder)/blobs/sha256/\(name)")
        }
        let kept = Set(entries.map(\.id))
        state.withLock { state in state.configs = state.configs.filter { kept.contains($0.key) } }
    }
}

/// An flock on a file; the kernel gives it back when the process ends, however it ends.
private struct FolderLock {
    private let descriptor: Int32

    init(path: String) throws(FileError) {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileError("open", path) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else {
                let failure = FileError("lock", path)
                close(descriptor)
                throw failure
            }
        }
    }

    func release() { close(descriptor) }
}

/// The private folder of one import, flocked, so that a sweep knows whether its process still lives.
private struct IngestFolder {
    let path: String
    private let descriptor: Int32

    init(parent: String) throws(FileError) {
        path = "\(parent)/\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 16))"
        guard mkdir(path, 0o700) == 0 else { throw FileError("create folder", path) }
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw FileError("lock", path) }
    }

    func remove() {
        try? FileTree.remove(path)  // what is left is swept by the next to open the store
        close(descriptor)
    }

    static func removeIfAbandoned(_ path: String) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { try? FileTree.remove(path) }  // tried again at the next start
    }
}

/// A layer's blob, decompressed piece by piece, with the digest of the plain stream.
private final class LayerStream {
    private let reader: ArchiveReader
    private var digest = ContentDigest()
    private var isAtEnd = false

    init(path: String) throws {
        reader = try ArchiveReader(decompressing: path)
        // An empty file has no entry at all.
        isAtEnd = try reader.next() == nil
    }

    func next(_ piece: inout [UInt8]) throws {
        piece.removeAll(keepingCapacity: true)
        guard !isAtEnd else { return }
        guard try reader.readBlock(into: &piece) else {
            isAtEnd = true
            return
        }
        piece.withUnsafeBytes { digest.add($0) }
    }

    /// Reads what the tar reader left (the padding after the end mark) and returns the digest of all.
    func finish() throws -> String {
        var piece: [UInt8] = []
        repeat { try next(&piece) } while !isAtEnd
        return digest.text()
    }
}
