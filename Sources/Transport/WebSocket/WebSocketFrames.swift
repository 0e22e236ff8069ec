import NIOCore

/// What a server sends over a WebSocket: whole messages, not masked.
enum WebSocketFrames {
    /// `prefix` is the first byte of the message, where it has one that `payload` does not hold.
    static func message(_ payload: ByteBuffer, prefix: UInt8? = nil, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        frame(0x82, prefix: prefix, payload, allocator)
    }

    static func pong(_ payload: ByteBuffer, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        frame(0x8a, prefix: nil, payload, allocator)
    }

    /// What a connection is closed with (RFC 6455, 7.4.1).
    enum CloseCode: UInt16 {
        case normal = 1000
        case protocolError = 1002
    }

    static func close(_ code: CloseCode, _ text: String, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        var payload = allocator.buffer(capacity: 2 + text.utf8.count)
        payload.writeInteger(code.rawValue)
        // A control frame holds 125 bytes.
        payload.writeBytes(text.utf8.prefix(120))
        return frame(0x88, prefix: nil, payload, allocator)
    }

    private static func frame(
        _ first: UInt8, prefix: UInt8?, _ payload: ByteBuffer, _ allocator: ByteBufferAllocator
    ) -> ByteBuffer {
        let length = payload.readableBytes + (prefix == nil ? 0 : 1)
        // Copied: one record of TLS and one call cost more than the copy of a chunk.
        var buffer = allocator.buffer(capacity: length + 10)
        buffer.writeInteger(first)
        switch length {
        case ..<126: buffer.writeInteger(UInt8(length))
        case ..<65_536:
            buffer.writeInteger(UInt8(126))
            buffer.writeInteger(UInt16(length))
        default:
            buffer.writeInteger(UInt8(127))
            buffer.writeInteger(UInt64(length))
        }
        if let prefix { buffer.writeInteger(prefix) }
        var payload = payload
        buffer.writeBuffer(&payload)
        return buffer
    }
}
