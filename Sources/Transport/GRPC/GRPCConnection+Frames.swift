import NIOCore

/// What each kind of frame means, but for data, which has a way of its own.
extension GRPCConnection {
    private static let blockLimit = 64 << 10

    func take(_ kind: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) {
        guard block.isEmpty || kind == HTTP2Frame.Kind.continuation && stream == blockStream else {
            return violation("a header block was interrupted")
        }
        switch kind {
        case HTTP2Frame.Kind.settings:
            if flags & HTTP2Frame.Flag.acknowledgement == 0 { took(settings: payload) }
        case HTTP2Frame.Kind.ping:
            guard flags & HTTP2Frame.Flag.acknowledgement == 0 else { return took(pingAnswer: true) }
            write(HTTP2Frame.Kind.ping, flags: HTTP2Frame.Flag.acknowledgement, payload[...])
        case HTTP2Frame.Kind.windowUpdate:
            guard payload.count == 4 else { return violation("a window update of \(payload.count) bytes") }
            took(windowUpdate: Int(Self.number(in: payload[...]) & 0x7fff_ffff), stream: stream)
        case HTTP2Frame.Kind.headers:
            guard
                let content = HTTP2Frame(kind: kind, flags: flags, stream: stream, payload: payload).content
            else { return violation("padding exceeds the frame") }
            blockStream = stream
            blockEndsStream = flags & HTTP2Frame.Flag.endStream != 0
            headers(content, isLast: flags & HTTP2Frame.Flag.endHeaders != 0)
        case HTTP2Frame.Kind.continuation:
            headers(payload, isLast: flags & HTTP2Frame.Flag.endHeaders != 0)
        case HTTP2Frame.Kind.reset:
            if let call = calls[stream] { finish(call, .ofReset(Self.number(in: payload[...]))) }
        case HTTP2Frame.Kind.goAway:
            took(
                goAway: Self.number(in: payload[...]) & 0x7fff_ffff, code: Self.number(in: payload.dropFirst(4)),
                words: String(decoding: payload.dropFirst(8).prefix(200), as: UTF8.self))
        case HTTP2Frame.Kind.push: violation("a push, which was declined")
        default: break
        }
    }

    private static func number(in bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    private func headers(_ piece: [UInt8], isLast: Bool) {
        block += piece
        guard block.count <= Self.blockLimit else { return violation("header list too large") }
        guard isLast else { return }
        let whole = block
        block = []
        // Decoded even where nobody asks any more: later blocks build on it.
        guard let fields = decoder.decode(whole) else { return violation("invalid header block") }
        guard let call = calls[blockStream] else { return }
        for field in fields {
            if field.name == ":status" { call.status = Int(field.value) }
            if field.name == "content-type" { call.contentType = field.value }
        }
        guard blockEndsStream else {
            let isProper = call.status == 200 && call.contentType.hasPrefix("application/grpc")
            if !isProper {
                reset(call.stream, HTTP2Frame.Code.cancel)
                finish(call, .ofTrailers([], status: call.status, contentType: call.contentType))
            }
            return
        }
        var error = GRPCError.ofTrailers(fields, status: call.status, contentType: call.contentType)
        if error == nil, call.assembler.isWithinMessage {
            error = GRPCError(.internal, "the stream ended within a message")
        }
        finish(call, error)
    }
}
