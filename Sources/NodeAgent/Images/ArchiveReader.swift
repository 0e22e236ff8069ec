import CArchive
import Glibc

/// A tar archive, read from its beginning to its end by libarchive, entry after entry.
///
/// Only tar and only decompression inside the library are allowed: libarchive would otherwise start external programs
/// for exotic filters.
final class ArchiveReader {
    private let handle: OpaquePointer
    /// What is read, for messages.
    private let subject: String
    private let source: Unmanaged<PullSource>?

    /// Bytes that libarchive asks for at once.
    private static let blockBytes = 256 << 10

    /// Opens a file: tar, plain or compressed by gzip, zstd, bzip2 or xz.
    convenience init(path: String) throws(ImageError) {
        // The library's own words name the file twice and the cause not at all.
        guard access(path, R_OK) == 0 else { throw ImageError("\(FileError("open", path))") }
        try self.init(subject: path, source: nil, format: archive_read_support_format_tar)
        let result = archive_read_open_filename(handle, path, Self.blockBytes)
        guard result == ARCHIVE_OK else { throw failure("open") }
    }

    /// Opens a file of one compressed (or plain) stream, whose content is the only entry.
    convenience init(decompressing path: String) throws(ImageError) {
        try self.init(subject: path, source: nil, format: archive_read_support_format_raw)
        archive_read_support_format_empty(handle)
        guard archive_read_open_filename(handle, path, Self.blockBytes) == ARCHIVE_OK else { throw failure("open") }
    }

    /// Opens an uncompressed tar that `pull` delivers piece by piece; an empty piece is the end.
    convenience init(subject: String, pull: @escaping (inout [UInt8]) throws -> Void) throws(ImageError) {
        try self.init(subject: subject, source: PullSource(pull), format: archive_read_support_format_tar)
        try openSource()
    }

    /// Opens a stream as of a compressed (or plain) file, which `pull` delivers piece by piece; an empty piece is the end.
    convenience init(decompressing subject: String, pull: @escaping (inout [UInt8]) throws -> Void) throws(ImageError) {
        try self.init(subject: subject, source: PullSource(pull), format: archive_read_support_format_raw)
        addFilters()
        try openSource()
    }

    private func openSource() throws(ImageError) {
        archive_read_support_format_empty(handle)
        let result = archive_read_open(
            handle, source?.toOpaque(), nil,
            { handle, context, buffer in
                guard let context else { return -1 }
                let source = Unmanaged<PullSource>.fromOpaque(context).takeUnretainedValue()
                do {
                    try source.pull(&source.piece)
                } catch {
                    source.error = error
                    return -1
                }
                // The array lives in the source and is not touched until the next call.
                return source.piece.withUnsafeBufferPointer { piece in
                    buffer?.pointee = UnsafeRawPointer(piece.baseAddress)
                    return piece.count
                }
            }, nil)
        guard result == ARCHIVE_OK else { throw failure("open") }
    }

    private init(subject: String, source: PullSource?, format: (OpaquePointer?) -> Int32) throws(ImageError) {
        guard let handle = archive_read_new() else { throw ImageError("cannot read \(subject): out of memory") }
        self.handle = handle
        self.subject = subject
        self.source = source.map { Unmanaged.passRetained($0) }
        _ = format(handle)
        if source == nil { addFilters() }
    }

    private func addFilters() {
        archive_read_support_filter_gzip(handle)
        archive_read_support_filter_zstd(handle)
        archive_read_support_filter_bzip2(handle)
        archive_read_support_filter_xz(handle)
    }

    deinit {
        archive_read_free(handle)
        source?.release()
    }

    private func failure(_ operation: String) -> ImageError {
        if let error = source?.takeUnretainedValue().error { return error as? ImageError ?? ImageError("\(error)") }
        let words = archive_error_string(handle).map { String(cString: $0) } ?? "unknown error"
        return ImageError("cannot \(operation) \(subject): \(words)")
    }

    /// The next entry, valid until the next call; nil at the end.
    func next() throws(ImageError) -> ArchiveEntry? {
        var entry: OpaquePointer?
        var result = archive_read_next_header(handle, &entry)
        // A retry is only ever asked for once; a warning is about attributes, the entry is complete.
        if result == ARCHIVE_RETRY { result = archive_read_next_header(handle, &entry) }
        if result == ARCHIVE_EOF { return nil }
        guard result == ARCHIVE_OK || result == ARCHIVE_WARN, let entry else { throw failure("read") }
        return ArchiveEntry(entry)
    }

    /// Appends the next block of the entry's data; false at its end.
    func readBlock(into bytes: inout [UInt8]) throws(ImageError) -> Bool {
        var buffer: UnsafeRawPointer?
        var count = 0
        var offset: la_int64_t = 0
        repeat {
            let result = archive_read_data_block(handle, &buffer, &count, &offset)
            if result == ARCHIVE_EOF { return false }
            guard result == ARCHIVE_OK || result == ARCHIVE_WARN else { throw failure("read") }
        } while count == 0
        bytes.append(contentsOf: UnsafeRawBufferPointer(start: buffer, count: count))
        return true
    }

    /// Hands the entry's data to `body` in blocks, each with its offset (a sparse file has gaps).
    func readData(_ body: (UnsafeRawBufferPointer, _ offset: Int64) throws -> Void) throws {
        while true {
            var buffer: UnsafeRawPointer?
            var count = 0
            var offset: la_int64_t = 0
            let result = archive_read_data_block(handle, &buffer, &count, &offset)
            if result == ARCHIVE_EOF { return }
            guard result == ARCHIVE_OK || result == ARCHIVE_WARN else { throw failure("read") }
            if count > 0 { try body(UnsafeRawBufferPointer(start: buffer, count: count), offset) }
        }
    }
}

/// Keeps what the C callback needs: the supplier, its current piece, and the error that ended it.
private final class PullSource {
    let pull: (inout [UInt8]) throws -> Void
    var piece: [UInt8] = []
    var error: (any Error)?
    init(_ pull: @escaping (inout [UInt8]) throws -> Void) { self.pull = pull }
}

/// The header of one entry. Names are bytes: tar does not promise UTF-8.
struct ArchiveEntry {
    let pointer: OpaquePointer
    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    enum Kind { case file, folder, symbolicLink, characterDevice, blockDevice, fifo, other }

    private static func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8]? {
        text.map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
    }

    var name: [UInt8]? {
        Self.bytes(archive_entry_pathname(pointer)) ?? Self.bytes(archive_entry_pathname_utf8(pointer))
    }
    var hardLinkTarget: [UInt8]? {
        Self.bytes(archive_entry_hardlink(pointer)) ?? Self.bytes(archive_entry_hardlink_utf8(pointer))
    }
    var symbolicLinkTarget: [UInt8]? {
        Self.bytes(archive_entry_symlink(pointer)) ?? Self.bytes(archive_entry_symlink_utf8(pointer))
    }
    var kind: Kind {
        switch archive_entry_filetype(pointer) & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .folder
        case S_IFLNK: .symbolicLink
        case S_IFCHR: .characterDevice
        case S_IFBLK: .blockDevice
        case S_IFIFO: .fifo
        default: .other
        }
    }
    /// Permission bits with setuid, setgid and sticky.
    var mode: mode_t { archive_entry_perm(pointer) & 0o7777 }
    var owner: uid_t { uid_t(truncatingIfNeeded: archive_entry_uid(pointer)) }
    var group: gid_t { gid_t(truncatingIfNeeded: archive_entry_gid(pointer)) }
    var device: dev_t { archive_entry_rdev(pointer) }
    var sizeBytes: Int64 { archive_entry_size(pointer) }
    var modified: timespec {
        timespec(
            tv_sec: Int(archive_entry_mtime(pointer)),
            tv_nsec: min(max(archive_entry_mtime_nsec(pointer), 0), 999_999_999))
    }
    /// Extended attributes: name and value.
    var attributes: [(name: String, value: [UInt8])] {
        var result: [(name: String, value: [UInt8])] = []
        archive_entry_xattr_reset(pointer)
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var count = 0
        while archive_entry_xattr_next(pointer, &name, &value, &count) == ARCHIVE_OK, let name {
            result.append((String(cString: name), Array(UnsafeRawBufferPointer(start: value, count: count))))
        }
        return result
    }
}
