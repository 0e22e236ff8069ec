/// One gRPC call with one message each way, as a machine: bytes in, bytes out. It owns its connection.
struct UnaryCall {
    /// How a call ended.
    struct Answer: Sendable, Equatable {
        /// gRPC's: 0 is well.
        var code: Int
        var message: String
        /// The first message of the answer, without its frame.
        var body: [UInt8] = []
    }

    enum Progress: Equatable {
        case waiting
        case answered(Answer)
        /// The other side does not speak HTTP/2.
        case malformed(String)
    }

    /// Of the answer: a health check needs two bytes.
    private static let bodyLimit = 64 << 10
    private static let stream: UInt32 = 1

    private var decoder = HeaderDecoder()
    private var received: [UInt8] = []
    private var block: [UInt8] = []
    private var endsWithBlock = false
    private var status: Int?
    private var contentType = ""
    private var body: [UInt8] = []
    /// The other side has spoken HTTP/2.
    private(set) var hasHeard = false

    /// What opens the connection and asks.
    static func opening(path: String, authority: String, agent: String, message: [UInt8]) -> [UInt8] {
        let block = HeaderEncoder.block([
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", authority),
            ("content-type", "application/grpc"), ("user-agent", agent), ("te", "trailers"),
        ])
        let count = UInt32(message.count)
        let framed =
            [0, UInt8(count >> 24), UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff), UInt8(count & 0xff)]
            + message
        // No pushes.
        let settings: [UInt8] = [0, 2, 0, 0, 0, 0]
        return HTTP2Frame.preface + HTTP2Frame(kind: HTTP2Frame.Kind.settings, payload: settings).bytes
            + HTTP2Frame(
                kind: HTTP2Frame.Kind.headers, flags: HTTP2Frame.Flag.endHeaders, stream: stream, payload: block
            ).bytes
            + HTTP2Frame(
                kind: HTTP2Frame.Kind.data, flags: HTTP2Frame.Flag.endStream, stream: stream, payload: framed
            ).bytes
    }

    /// Takes what has arrived; `replies` is to be sent.
    mutating func receive(_ bytes: some Sequence<UInt8>, replies: inout [UInt8]) -> Progress {
        received += bytes
        while true {
            switch HTTP2Frame.take(from: &received) {
            case .incomplete: return .waiting
            case .malformed: return .malformed("http2: frame too large")
            case .frame(let frame):
                // The first is always settings.
                guard hasHeard || frame.kind == HTTP2Frame.Kind.settings else {
                    return .malformed("http2: the first frame is of type \(frame.kind)")
                }
                hasHeard = true
                let progress = take(frame, &replies)
                if progress != .waiting { return progress }
            }
        }
    }

    private mutating func take(_ frame: HTTP2Frame, _ replies: inout [UInt8]) -> Progress {
        switch frame.kind {
        case HTTP2Frame.Kind.settings, HTTP2Frame.Kind.ping:
            guard frame.flags & HTTP2Frame.Flag.acknowledgement == 0 else { return .waiting }
            replies +=
                HTTP2Frame(
                    kind: frame.kind, flags: HTTP2Frame.Flag.acknowledgement,
                    payload: frame.kind == HTTP2Frame.Kind.ping ? frame.payload : []
                ).bytes
        case HTTP2Frame.Kind.headers where frame.stream == Self.stream:
            guard let content = frame.content else { return .malformed("http2: padding exceeds the frame") }
            block = content
            endsWithBlock = frame.flags & HTTP2Frame.Flag.endStream != 0
            if frame.flags & HTTP2Frame.Flag.endHeaders != 0 { return blockEnded() }
        case HTTP2Frame.Kind.continuation where frame.stream == Self.stream:
            block += frame.payload
            guard block.count <= Self.bodyLimit else { return .malformed("http2: header list too large") }
            if frame.flags & HTTP2Frame.Flag.endHeaders != 0 { return blockEnded() }
        case HTTP2Frame.Kind.data where frame.stream == Self.stream:
            body += frame.content ?? []
            guard body.count <= Self.bodyLimit else { return .malformed("the answer is too large") }
            if frame.flags & HTTP2Frame.Flag.endStream != 0 { return .answered(ended([])) }
        case HTTP2Frame.Kind.reset where frame.stream == Self.stream:
            let error = GRPCError.ofReset(frame.payload.prefix(4).reduce(0) { $0 << 8 | UInt32($1) })
            return .answered(Answer(code: error.code.rawValue, message: error.message))
        case HTTP2Frame.Kind.goAway:
            let last = frame.payload.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
            if last < Self.stream { return .answered(Answer(code: 14, message: "the connection is draining")) }
        default: break
        }
        return .waiting
    }

    private mutating func blockEnded() -> Progress {
        guard let fields = decoder.decode(block) else { return .malformed("http2: invalid header block") }
        block = []
        for field in fields {
            if field.name == ":status" { status = Int(field.value) }
            if field.name == "content-type" { contentType = field.value }
        }
        if endsWithBlock { return .answered(ended(fields)) }
        return .waiting
    }

    private func ended(_ trailers: [HeaderDecoder.Field]) -> Answer {
        guard let error = GRPCError.ofTrailers(trailers, status: status, contentType: contentType) else {
            return Answer(code: 0, message: "", body: Array(body.dropFirst(5)))
        }
        return Answer(code: error.code.rawValue, message: error.message)
    }
}
