import Glibc

/// A layer's blob, decompressed piece by piece, with the digest of the plain stream.
final class LayerStream {
    private let reader: ArchiveReader
    private var digest = ContentDigest()
    private var isAtEnd = false

    /// From a file.
    init(path: String) throws {
        reader = try ArchiveReader(decompressing: path)
        // An empty file has no entry at all.
        isAtEnd = try reader.next() == nil
    }

    /// From what `pull` delivers piece by piece; an empty piece is the end.
    init(subject: String, pull: @escaping (inout [UInt8]) throws -> Void) throws {
        reader = try ArchiveReader(decompressing: subject, pull: pull)
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

/// A layer that lies unpacked in a folder of its own, and is no part of the store yet.
struct UnpackedLayer: Sendable {
    let path: String
    let sizeBytes: Int64

    /// Unpacks a stream into the new folder `path`, and checks that its plain form has the digest.
    init(_ stream: LayerStream, diffID: String, path: String, subject: String) throws {
        guard mkdir(path, 0o755) == 0 else { throw FileError("create folder", path) }
        // Two readers, so that the digest is of the stream between them: the plain tar.
        let reader = try ArchiveReader(subject: subject, pull: { piece in try stream.next(&piece) })
        var unpacker = try LayerUnpacker(folder: path, subject: subject)
        try unpacker.unpack(reader)
        let actual = try stream.finish()
        guard actual == diffID else {
            throw ImageError("cannot unpack \(subject): it has the wrong digest \(actual) instead of \(diffID)")
        }
        self.path = path
        sizeBytes = unpacker.sizeBytes
    }
}

/// Runs work under a locale of UTF-8: libarchive converts names by the thread's, and loses those that are not ASCII
/// without one.
func withUTF8Names<Value>(_ body: () throws -> Value) rethrows -> Value {
    let utf8 = newlocale(Int32(1 << LC_CTYPE), "C.UTF-8", nil)
    let previous = uselocale(utf8)
    defer {
        uselocale(previous)
        if let utf8 { freelocale(utf8) }
    }
    return try body()
}
