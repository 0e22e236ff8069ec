import NIOCore

/// Takes apart what the client of a WebSocket sends (RFC 6455, 5).
///
/// A frame is passed on in pieces as it arrives. NIO's own decoder collects whole frames, and there are clients that send
/// a file in one: its limit would break them or let each of them hold that much of our memory.
struct WebSocketParser {
    enum Event {
        /// A piece of a message, never empty. `isFirst`: with it a message begins.
        case data(ByteBuffer, isFirst: Bool)
        case ping(ByteBuffer)
        case pong
        /// With the code and text that the peer gave, to be sent back.
        case close(ByteBuffer)
    }

    /// What the peer did wrong. The connection can only be closed.
    struct Violation: Error {
        let text: String
    }

    private struct Frame {
        var opcode: UInt8
        var remaining: UInt64
        var key: UInt32
    }

    /// The frame whose payload is being read.
    private var frame: Frame?
    /// A message has begun and has not ended: its frames may have control frames between them.
    private var isInMessage = false
    /// No byte of the message has come yet.
    private var isAtStart = false

    /// The next event; nil where more bytes are needed. Unread bytes stay in the buffer, at most a frame's header and a
    /// control frame of them.
    mutating func next(_ bytes: inout ByteBuffer) throws(Violation) -> Event? {
        while true {
            guard var frame else {
                guard try readHeader(&bytes) else { return nil }
                continue
            }
            if frame.opcode >= 8 { return control(frame, &bytes) }
            guard frame.remaining > 0 else {
                self.frame = nil
                continue
            }
            let count = Int(min(UInt64(bytes.readableBytes), frame.remaining))
            guard count > 0, var piece = bytes.readSlice(length: count) else { return nil }
            Self.unmask(&piece, &frame.key)
            frame.remaining -= UInt64(count)
            self.frame = frame.remaining > 0 ? frame : nil
            defer { isAtStart = false }
            return .data(piece, isFirst: isAtStart)
        }
    }

    /// Nil where the frame is not complete yet. The header has been read.
    private mutating func control(_ frame: Frame, _ bytes: inout ByteBuffer) -> Event? {
        guard var payload = bytes.readSlice(length: Int(frame.remaining)) else { return nil }
        self.frame = nil
        var key = frame.key
        Self.unmask(&payload, &key)
        switch frame.opcode {
        case 8: return .close(payload)
        case 9: return .ping(payload)
        default: return .pong
        }
    }

    /// False where it is not complete yet.
    private mutating func readHeader(_ bytes: inout ByteBuffer) throws(Violation) -> Bool {
        let start = bytes.readerIndex
        guard let first: UInt8 = bytes.getInteger(at: start), let second: UInt8 = bytes.getInteger(at: start + 1) else {
            return false
        }
        guard first & 0x70 == 0 else { throw Violation(text: "reserved bits are set") }
        guard second & 0x80 != 0 else { throw Violation(text: "frames of a client must be masked") }
        let opcode = first & 0x0f
        let isLast = first & 0x80 != 0
        var length = UInt64(second & 0x7f)
        var offset = start + 2
        if length == 126 {
            guard let long: UInt16 = bytes.getInteger(at: offset) else { return false }
            length = UInt64(long)
            offset += 2
        } else if length == 127 {
            guard let long: UInt64 = bytes.getInteger(at: offset) else { return false }
            guard long < 1 << 63 else { throw Violation(text: "a frame's length is negative") }
            length = long
            offset += 8
        }
        guard let key: UInt32 = bytes.getInteger(at: offset) else { return false }
        try check(opcode, isLast: isLast, length)
        bytes.moveReaderIndex(to: offset + 4)
        if opcode < 8 {
            if opcode != 0 { isAtStart = true }
            isInMessage = !isLast
        }
        frame = Frame(opcode: opcode, remaining: length, key: key)
        return true
    }

    private func check(_ opcode: UInt8, isLast: Bool, _ length: UInt64) throws(Violation) {
        switch opcode {
        case 0: if !isInMessage { throw Violation(text: "a continuation continues nothing") }
        case 1, 2: if isInMessage { throw Violation(text: "a message begins within another") }
        case 8, 9, 10:
            if !isLast || length > 125 { throw Violation(text: "control frames are whole and short") }
        default: throw Violation(text: "opcode \(opcode) is unknown")
        }
    }

    /// `key` is turned, so that it fits the bytes that follow.
    private static func unmask(_ bytes: inout ByteBuffer, _ key: inout UInt32) {
        let count = bytes.readableBytes
        let mask = key.bigEndian
        bytes.withUnsafeMutableReadableBytes { pointer in
            let wide = UInt64(mask) << 32 | UInt64(mask)
            var index = 0
            while index + 8 <= count {
                let word = pointer.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                pointer.storeBytes(of: word ^ wide, toByteOffset: index, as: UInt64.self)
                index += 8
            }
            while index < count {
                pointer[index] ^= UInt8(truncatingIfNeeded: mask >> UInt32(8 * (index % 4)))
                index += 1
            }
        }
        let turn = UInt32(8 * (count % 4))
        if turn > 0 { key = key << turn | key >> (32 - turn) }
    }
}
