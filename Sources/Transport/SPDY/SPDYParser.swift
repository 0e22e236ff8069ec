import NIOCore

/// Takes apart what a client of SPDY/3.1 sends (draft-mbelshe-httpbis-spdy-00). Data is passed on in pieces as it
/// arrives; only control frames are collected.
struct SPDYParser {
    enum Event {
        case opened(UInt32, SPDYHeaderList, isLast: Bool)
        /// More headers of a stream, or the end of the peer's side with them.
        case headers(UInt32, isLast: Bool)
        /// May be empty with `isLast`.
        case data(UInt32, ByteBuffer, isLast: Bool)
        case reset(UInt32)
        case ping(UInt32)
        case goAway
        /// Settings, windows (the clients of Kubernetes know none), and what later versions have.
        case ignored
    }

    /// Bytes of a control frame.
    static let controlBytes = 64 << 10

    private enum State {
        case header
        case control(type: UInt16, flags: UInt8, length: Int)
        case data(stream: UInt32, remaining: Int, isLast: Bool)
    }
    private var state = State.header
    private let headers = SPDYHeaderReader()
    private static let version: UInt16 = 3

    /// The next event; nil where more bytes are needed. Unread bytes stay in the buffer, at most a control frame of them.
    mutating func next(_ bytes: inout ByteBuffer) throws(SPDYViolation) -> Event? {
        if case .header = state {
            guard bytes.readableBytes >= 8 else { return nil }
            try readHeader(&bytes)
        }
        switch state {
        case .header: return nil
        case .control(let type, let flags, let length):
            guard let body = bytes.readSlice(length: length) else { return nil }
            state = .header
            return try control(type, flags, body)
        case .data(let stream, let remaining, let isLast):
            let count = min(remaining, bytes.readableBytes)
            guard count > 0 || remaining == 0, let piece = bytes.readSlice(length: count) else { return nil }
            guard count == remaining else {
                state = .data(stream: stream, remaining: remaining - count, isLast: isLast)
                return .data(stream, piece, isLast: false)
            }
            state = .header
            return .data(stream, piece, isLast: isLast)
        }
    }

    private mutating func readHeader(_ bytes: inout ByteBuffer) throws(SPDYViolation) {
        guard let first: UInt32 = bytes.readInteger(), let second: UInt32 = bytes.readInteger() else { return }
        let flags = UInt8(second >> 24)
        let length = Int(second & 0xff_ffff)
        guard first & 0x8000_0000 != 0 else {
            state = .data(stream: first, remaining: length, isLast: flags & 1 != 0)
            return
        }
        guard UInt16(first >> 16 & 0x7fff) == Self.version else { throw SPDYViolation("only version 3 is spoken") }
        guard length <= Self.controlBytes else { throw SPDYViolation("a control frame of \(length) bytes is too long") }
        state = .control(type: UInt16(first & 0xffff), flags: flags, length: length)
    }

    private func control(_ type: UInt16, _ flags: UInt8, _ body: ByteBuffer) throws(SPDYViolation) -> Event {
        var body = body
        let isLast = flags & 1 != 0
        switch type {
        case 1:
            // The stream's number, that of the one it belongs to, its priority.
            guard let stream: UInt32 = body.readInteger(), body.readBytes(length: 6) != nil else { throw Self.cutOff }
            return .opened(stream & 0x7fff_ffff, try headers.read(body), isLast: isLast)
        case 2, 8:
            guard let stream: UInt32 = body.readInteger() else { throw Self.cutOff }
            // Read even where nobody wants them: the next block leans on this one.
            _ = try headers.read(body)
            return .headers(stream & 0x7fff_ffff, isLast: isLast)
        case 3:
            guard let stream: UInt32 = body.readInteger() else { throw Self.cutOff }
            return .reset(stream & 0x7fff_ffff)
        case 6:
            guard let number: UInt32 = body.readInteger() else { throw Self.cutOff }
            return .ping(number)
        case 7: return .goAway
        default: return .ignored
        }
    }

    private static let cutOff = SPDYViolation("a control frame is cut off")
}

/// Frames that a server sends.
enum SPDYFrames {
    /// Bytes of data in one frame; a length has three bytes.
    private static let dataBytes = 1 << 20

    static func data(_ stream: UInt32, _ bytes: ByteBuffer, isLast: Bool, _ allocator: ByteBufferAllocator)
        -> ByteBuffer
    {
        var bytes = bytes
        var buffer = allocator.buffer(capacity: bytes.readableBytes + 16)
        repeat {
            let count = min(bytes.readableBytes, dataBytes)
            buffer.writeInteger(stream)
            buffer.writeInteger(UInt32(count) | (isLast && count == bytes.readableBytes ? 0x0100_0000 : 0))
            if var part = bytes.readSlice(length: count) { buffer.writeBuffer(&part) }
        } while bytes.readableBytes > 0
        return buffer
    }

    static func reply(_ stream: UInt32, _ headers: [UInt8]) -> ByteBuffer {
        var buffer = control(2, length: 4 + headers.count)
        buffer.writeInteger(stream)
        buffer.writeBytes(headers)
        return buffer
    }

    enum ResetReason: UInt32 {
        case protocolError = 1
        case refused = 3
        case cancelled = 5
    }

    static func reset(_ stream: UInt32, _ reason: ResetReason) -> ByteBuffer {
        var buffer = control(3, length: 8)
        buffer.writeInteger(stream)
        buffer.writeInteger(reason.rawValue)
        return buffer
    }

    static func ping(_ number: UInt32) -> ByteBuffer {
        var buffer = control(6, length: 4)
        buffer.writeInteger(number)
        return buffer
    }

    static func goAway(lastStream: UInt32, isViolation: Bool) -> ByteBuffer {
        var buffer = control(7, length: 8)
        buffer.writeInteger(lastStream)
        buffer.writeInteger(UInt32(isViolation ? 1 : 0))
        return buffer
    }

    private static func control(_ type: UInt16, length: Int) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(8 + length)
        buffer.writeInteger(0x8003_0000 | UInt32(type))
        buffer.writeInteger(UInt32(length))
        return buffer
    }
}
