import CArchive
import Glibc
import KubeAPI

/// Makes an image of files of this machine: an archive of one layer as an OCI layout.
public enum ImagePacker {
    /// What the layer holds, by paths without a slash before them.
    public struct Entry: Sendable {
        public enum Content: Sendable {
            case folder
            case link(String)
            case bytes([UInt8])
            /// A file of this machine.
            case file(String)
        }

        public var path: String
        public var mode: UInt32
        public var content: Content

        public init(_ path: String, _ content: Content, mode: UInt32 = 0o755) {
            self.path = path
            self.content = content
            self.mode = mode
        }
    }

    /// libarchive's, whose macros do not come through.
    private enum FileType {
        static let folder: UInt32 = 0o040000
        static let file: UInt32 = 0o100000
        static let link: UInt32 = 0o120000
    }

    private static let layerType = "application/vnd.oci.image.layer.v1.tar"
    private static let manifestType = "application/vnd.oci.image.manifest.v1+json"
    private static let configType = "application/vnd.oci.image.config.v1+json"

    /// Writes the archive.
    /// - Parameters:
    ///   - name: what it is called where it is imported.
    ///   - config: the image config's `config`: `Entrypoint`, `Env`.
    public static func pack(to path: String, name: String, config: JSON, _ entries: [Entry]) throws(ImageError) {
        let layer = path + ".layer"
        defer { unlink(layer) }
        try write(layer, entries)
        let (digest, size) = try measure(layer)
        let configBytes = imageConfig(config, layer: digest).serialized()
        let configDigest = ContentDigest.of(configBytes)
        let manifest: JSON = [
            "schemaVersion": 2, "mediaType": .string(manifestType),
            "config": descriptor(configType, configDigest, configBytes.count),
            "layers": [descriptor(layerType, digest, size)],
        ]
        let manifestBytes = manifest.serialized()
        let manifestDigest = ContentDigest.of(manifestBytes)
        var entry = descriptor(manifestType, manifestDigest, manifestBytes.count)
        entry["annotations"] = [
            "io.containerd.image.name": .string(name), "org.opencontainers.image.ref.name": .string(name),
        ]
        let index: JSON = [
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry],
        ]
        try write(
            path,
            [
                Entry("oci-layout", .bytes(Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)), mode: 0o644),
                Entry("index.json", .bytes(index.serialized()), mode: 0o644),
                Entry(blob(configDigest), .bytes(configBytes), mode: 0o644),
                Entry(blob(manifestDigest), .bytes(manifestBytes), mode: 0o644),
                Entry(blob(digest), .file(layer), mode: 0o644),
            ])
    }

    private static func blob(_ digest: String) -> String { "blobs/sha256/\(digest.dropFirst("sha256:".count))" }

    private static func descriptor(_ type: String, _ digest: String, _ size: Int) -> JSON {
        ["mediaType": .string(type), "digest": .string(digest), "size": .int(Int64(size))]
    }

    private static func imageConfig(_ config: JSON, layer: String) -> JSON {
        [
            "architecture": .string(ImageStore.machineArchitecture()), "os": "linux", "config": config,
            "rootfs": ["type": "layers", "diff_ids": [.string(layer)]],
        ]
    }

    // MARK: archives

    private static func measure(_ path: String) throws(ImageError) -> (digest: String, size: Int) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("read", path) }
        defer { close(descriptor) }
        var digest = ContentDigest()
        var size = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { return (digest.text(), size) }
            buffer.withUnsafeBytes { digest.add(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            size += count
        }
    }

    private static func failure(_ operation: String, _ path: String) -> ImageError {
        ImageError("cannot \(operation) \(path): \(String(cString: strerror(errno)))")
    }

    private static func write(_ path: String, _ entries: [Entry]) throws(ImageError) {
        guard let archive = archive_write_new() else { throw ImageError("cannot write \(path): out of memory") }
        defer { archive_write_free(archive) }
        guard archive_write_set_format_ustar(archive) == ARCHIVE_OK,
            archive_write_add_filter_none(archive) == ARCHIVE_OK,
            archive_write_open_filename(archive, path) == ARCHIVE_OK
        else { throw failure(archive, path) }
        for entry in entries { try write(entry, to: archive, path) }
        guard archive_write_close(archive) == ARCHIVE_OK else { throw failure(archive, path) }
    }

    private static func failure(_ archive: OpaquePointer, _ path: String) -> ImageError {
        ImageError("cannot write \(path): \(archive_error_string(archive).map { String(cString: $0) } ?? "unknown")")
    }

    private static func write(_ entry: Entry, to archive: OpaquePointer, _ path: String) throws(ImageError) {
        guard let header = archive_entry_new() else { throw ImageError("cannot write \(path): out of memory") }
        defer { archive_entry_free(header) }
        archive_entry_set_pathname(header, entry.path)
        archive_entry_set_perm(header, entry.mode)
        var source: Int32 = -1
        defer { if source >= 0 { close(source) } }
        switch entry.content {
        case .folder: archive_entry_set_filetype(header, FileType.folder)
        case .link(let target):
            archive_entry_set_filetype(header, FileType.link)
            archive_entry_set_symlink(header, target)
        case .bytes(let bytes):
            archive_entry_set_filetype(header, FileType.file)
            archive_entry_set_size(header, Int64(bytes.count))
        case .file(let file):
            source = open(file, O_RDONLY | O_CLOEXEC)
            var info = stat()
            guard source >= 0, fstat(source, &info) == 0 else { throw failure("read", file) }
            archive_entry_set_filetype(header, FileType.file)
            archive_entry_set_size(header, Int64(info.st_size))
        }
        guard archive_write_header(archive, header) == ARCHIVE_OK else { throw failure(archive, path) }
        if case .bytes(let bytes) = entry.content { try write(bytes[...], archive, path) }
        if case .file(let file) = entry.content {
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            while true {
                let count = read(source, &buffer, buffer.count)
                guard count >= 0 else { throw failure("read", file) }
                if count == 0 { return }
                try write(buffer[..<count], archive, path)
            }
        }
    }

    private static func write(_ bytes: ArraySlice<UInt8>, _ archive: OpaquePointer, _ path: String) throws(ImageError) {
        let written = bytes.withUnsafeBytes { archive_write_data(archive, $0.baseAddress, $0.count) }
        guard written == bytes.count else { throw failure(archive, path) }
    }
}
