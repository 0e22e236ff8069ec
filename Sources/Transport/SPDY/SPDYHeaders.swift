import CZlib
import NIOCore

/// What the peer of a SPDY connection did wrong. The connection can only be closed.
struct SPDYViolation: Error {
    let text: String
    init(_ text: String) { self.text = text }
}

typealias SPDYHeaderList = [(name: String, value: String)]

/// Reads header blocks: one zlib stream for the whole life of a connection, so that none may be left out.
final class SPDYHeaderReader {
    /// Bytes of a block when it is unpacked, and headers of it. The streams of Kubernetes have three short ones.
    static let blockBytes = 64 << 10
    static let headerCount = 128

    // Of fixed address: zlib keeps a pointer to it.
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private var isReady = false

    init() { stream.initialize(to: z_stream()) }

    deinit {
        if isReady { inflateEnd(stream) }
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    func read(_ block: ByteBuffer) throws(SPDYViolation) -> SPDYHeaderList {
        try Self.parse(try unpack(block))
    }

    private func unpack(_ block: ByteBuffer) throws(SPDYViolation) -> [UInt8] {
        if !isReady {
            guard inflateInit_(stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
                throw SPDYViolation("no memory to unpack headers")
            }
            isReady = true
        }
        var input = Array(block.readableBytesView)
        var problem: String?
        let output = [UInt8](unsafeUninitializedCapacity: Self.blockBytes) { output, count in
            input.withUnsafeMutableBufferPointer { input in
                stream.pointee.next_in = input.baseAddress
                stream.pointee.avail_in = UInt32(input.count)
                stream.pointee.next_out = output.baseAddress
                stream.pointee.avail_out = UInt32(output.count)
                while stream.pointee.avail_in > 0 {
                    var code = inflate(stream, Z_SYNC_FLUSH)
                    if code == Z_NEED_DICT {
                        let dictionary = SPDYDictionary.bytes
                        code = inflateSetDictionary(stream, dictionary, UInt32(dictionary.count))
                    }
                    if code == Z_OK, stream.pointee.avail_out > 0 { continue }
                    if code == Z_BUF_ERROR, stream.pointee.avail_in == 0 { break }
                    problem =
                        code == Z_OK || code == Z_BUF_ERROR ? "headers are too large" : "headers cannot be unpacked"
                    break
                }
            }
            count = output.count - Int(stream.pointee.avail_out)
            stream.pointee.next_in = nil
            stream.pointee.next_out = nil
        }
        if let problem { throw SPDYViolation(problem) }
        return output
    }

    /// A count, then names and values, each with its length.
    private static func parse(_ bytes: [UInt8]) throws(SPDYViolation) -> SPDYHeaderList {
        var bytes = ByteBuffer(bytes: bytes)
        guard let count: UInt32 = bytes.readInteger(), count <= headerCount else {
            throw SPDYViolation("there are too many headers, or none")
        }
        var headers: SPDYHeaderList = []
        for _ in 0..<count {
            guard let nameLength: UInt32 = bytes.readInteger(), let name = bytes.readString(length: Int(nameLength)),
                let valueLength: UInt32 = bytes.readInteger(), let value = bytes.readString(length: Int(valueLength))
            else { throw SPDYViolation("a header is cut off") }
            headers.append((name, value))
        }
        return headers
    }
}

/// Writes header blocks.
final class SPDYHeaderWriter {
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private var isReady = false

    init() { stream.initialize(to: z_stream()) }

    deinit {
        if isReady { deflateEnd(stream) }
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// A window of 2 KiB, which holds the dictionary, and the least memory: what we send is empty or short.
    private static let windowBits: Int32 = 11
    private static let memoryLevel: Int32 = 1

    func write(_ headers: SPDYHeaderList) throws(SPDYViolation) -> [UInt8] {
        if !isReady {
            let dictionary = SPDYDictionary.bytes
            guard
                deflateInit2_(
                    stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, Self.windowBits, Self.memoryLevel, Z_DEFAULT_STRATEGY,
                    ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
            else { throw SPDYViolation("no memory to pack headers") }
            isReady = true
            guard deflateSetDictionary(stream, dictionary, UInt32(dictionary.count)) == Z_OK else {
                throw SPDYViolation("headers cannot be packed")
            }
        }
        var plain = ByteBuffer()
        plain.writeInteger(UInt32(headers.count))
        for (name, value) in headers {
            for text in [name, value] {
                plain.writeInteger(UInt32(text.utf8.count))
                plain.writeString(text)
            }
        }
        var input = Array(plain.readableBytesView)
        // What deflate makes of bytes that it can't pack, and the marks of a flush.
        let capacity = input.count + input.count / 8 + 128
        return [UInt8](unsafeUninitializedCapacity: capacity) { output, count in
            input.withUnsafeMutableBufferPointer { input in
                stream.pointee.next_in = input.baseAddress
                stream.pointee.avail_in = UInt32(input.count)
                stream.pointee.next_out = output.baseAddress
                stream.pointee.avail_out = UInt32(output.count)
                deflate(stream, Z_SYNC_FLUSH)
            }
            count = output.count - Int(stream.pointee.avail_out)
            stream.pointee.next_in = nil
            stream.pointee.next_out = nil
        }
    }
}
