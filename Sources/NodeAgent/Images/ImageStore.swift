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
///     <folder>/downloads/HEX       a layer's blob as far as it has come, flocked while it comes
///
/// Two processes (the daemon and a command beside it) may use one store at the same time: readers follow the index by
/// its identity, writers hold the lock, and what dies half-way is swept by the next to come.
public final class ImageStore: Sendable {
    static let formatVersion = 1

    /// An image in the index.
    struct Entry {
        var id: String
        var manifestDigest: String?
        var names: [String]
        var sizeBytes: Int64
        var importedAt: String
        var diffIDs: [String]
        /// What registries call it: `docker.io/library/busybox@sha256:…`.
        var repoDigests: [String]

        init(_ json: JSON) {
            id = json["id"].stringValue
            manifestDigest = json["manifest"].string
            names = json["names"].items.compactMap(\.string)
            sizeBytes = Int64(json["sizeBytes"].int ?? 0)
            importedAt = json["importedAt"].stringValue
            diffIDs = json["layers"].items.compactMap(\.string)
            repoDigests = json["repoDigests"].items.compactMap(\.string)
        }
        init(id: String, manifestDigest: String?, sizeBytes: Int64, importedAt: String, diffIDs: [String]) {
            self.id = id
            self.manifestDigest = manifestDigest
            self.names = []
            self.sizeBytes = sizeBytes
            self.importedAt = importedAt
            self.diffIDs = diffIDs
            self.repoDigests = []
        }
        var json: JSON {
            [
                "id": .string(id), "manifest": JSON(manifestDigest), "names": JSON(names),
                "sizeBytes": .int(sizeBytes), "importedAt": .string(importedAt), "layers": JSON(diffIDs),
                "repoDigests": repoDigests.isEmpty ? .null : JSON(repoDigests),
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
    let architecture: String
    private let state = Mutex(State())

    /// Opens the store, makes it where there is none, and sweeps what interrupted imports left.
    public init(folder: String) throws {
        self.folder = folder
        self.architecture = Self.machineArchitecture()
        try HostFiles.makeFolders(folder, mode: 0o700)
        for part in ["blobs", "blobs/sha256", "layers", "ingest", "downloads"] {
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
            let repoDigest = "\(reference.repository)@\(digest)"
            if let known = entries.first(where: { $0.repoDigests.contains(repoDigest) }) { return known }
            return entries.first {
                ($0.manifestDigest == digest || $0.id == digest)
                    && $0.names.contains { ImageReference($0)?.repository == reference.repository }
            }
        }
        return entries.first { $0.names.contains(reference.description) }
    }

    func image(_ entry: Entry) throws -> Image {
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
        // A layer that comes twice counts where it lies highest; overlayfs takes no folder twice.
        var layers: [String] = []
        for path in entry.diffIDs.reversed().map(layerPath) where !layers.contains(path) { layers.append(path) }
        return Image(
            id: entry.id, names: entry.names, repoDigests: entry.repoDigests, sizeBytes: entry.sizeBytes,
            importedAt: entry.importedAt, config: config, layers: layers.reversed())
    }

    func blobPath(_ digest: String) -> String { "\(folder)/blobs/sha256/\(digest.dropFirst(7))" }
    func layerPath(_ diffID: String) -> String { "\(folder)/layers/\(diffID.dropFirst(7))" }
    func hasLayer(_ diffID: String) -> Bool { HostFiles.exists(layerPath(diffID)) }
    /// Where blobs lie as far as they have come.
    var downloads: String { "\(folder)/downloads" }
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
    func change<Result>(_ body: (inout [Entry]) throws -> Result) throws -> Result {
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
        PartialBlob.removeStale(in: downloads)
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
