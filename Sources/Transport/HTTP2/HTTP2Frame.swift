/// A frame of HTTP/2 (RFC 9113, 4.1).
struct HTTP2Frame: Equatable {
    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let push: UInt8 = 5
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
        static let continuation: UInt8 = 9
    }
    enum Flag {
        static let endStream: UInt8 = 0x1
        /// Of settings and pings.
        static let acknowledgement: UInt8 = 0x1
        static let endHeaders: UInt8 = 0x4
        static let padded: UInt8 = 0x8
        static let priority: UInt8 = 0x20
    }

    /// Error codes (RFC 9113, 7).
    enum Code {
        static let protocolError: UInt32 = 1
        static let refusedStream: UInt32 = 7
        static let cancel: UInt32 = 8
        static let enhanceYourCalm: UInt32 = 11
    }
    enum Setting {
        static let enablePush: UInt16 = 2
        static let maxStreams: UInt16 = 3
        static let initialWindow: UInt16 = 4
        static let maxFrame: UInt16 = 5
    }

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    /// What nobody may exceed who has not been allowed to.
    static let payloadLimit = 16384
    static let headSize = 9

    var kind: UInt8
    var flags: UInt8 = 0
    var stream: UInt32 = 0
    var payload: [UInt8] = []

    var bytes: [UInt8] {
        let count = payload.count
        return [
            UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff), UInt8(count & 0xff), kind, flags,
            UInt8(stream >> 24 & 0x7f), UInt8(stream >> 16 & 0xff), UInt8(stream >> 8 & 0xff), UInt8(stream & 0xff),
        ] + payload
    }

    /// The payload of DATA or HEADERS without padding and priority; nil where they don't fit.
    var content: [UInt8]? {
        var rest = payload[...]
        if flags & Flag.padded != 0 {
            guard let padding = rest.popFirst(), Int(padding) <= rest.count else { return nil }
            rest = rest.dropLast(Int(padding))
        }
        if kind == Kind.headers, flags & Flag.priority != 0 {
            guard rest.count >= 5 else { return nil }
            rest = rest.dropFirst(5)
        }
        return Array(rest)
    }

    enum Parsed: Equatable {
        case frame(HTTP2Frame)
        case incomplete
        /// Too large, or no HTTP/2 at all.
        case malformed
    }

    /// Takes the first frame from what has arrived.
    static func take(from bytes: inout [UInt8]) -> Parsed {
        guard bytes.count >= headSize else { return .incomplete }
        let count = Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])
        guard count <= payloadLimit else { return .malformed }
        guard bytes.count >= headSize + count else { return .incomplete }
        let stream = bytes[5...8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
        let frame = HTTP2Frame(
            kind: bytes[3], flags: bytes[4], stream: stream, payload: Array(bytes[headSize..<headSize + count]))
        bytes.removeFirst(headSize + count)
        return .frame(frame)
    }
}
