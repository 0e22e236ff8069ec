import Testing

@testable import Transport

/// Header blocks as other libraries write them.
@Suite struct HeaderDecoderTests {
    private func names(_ fields: [HeaderDecoder.Field]?) -> [String]? { fields?.map { "\($0.name): \($0.value)" } }

    @Test func blocksBuildOnThoseBefore() {
        var decoder = HeaderDecoder()
        let first: [UInt8] = [
            136, 95, 139, 29, 117, 208, 98, 13, 38, 61, 76, 77, 101, 100, 64, 136, 242, 181, 7, 170, 101, 170, 29, 37,
            162, 26, 157, 199, 69, 165, 184, 167, 131, 38, 117, 63, 161, 209, 71, 246, 162, 15, 98, 80, 193, 229, 128,
            147, 142, 196, 125, 169, 255, 223, 255, 223, 254, 255, 207,
        ]
        let long = "x-long-name: a value: with (all) sorts/of=chars; ~{}|"
        #expect(names(decoder.decode(first)) == [":status: 200", "content-type: application/grpc", long])
        let second: [UInt8] = [
            64, 136, 154, 202, 200, 178, 18, 52, 218, 143, 129, 7, 64, 137, 154, 202, 200, 181, 37, 66, 7, 49, 127, 131,
            148, 213, 23, 192,
        ]
        #expect(names(decoder.decode(second)) == ["grpc-status: 0", "grpc-message: fine", long])
        let third: [UInt8] = [
            127, 0, 130, 8, 191, 127, 0, 141, 182, 174, 181, 31, 197, 74, 136, 8, 45, 157, 204, 66, 255,
        ]
        #expect(names(decoder.decode(third)) == ["grpc-status: 12", "grpc-message: unknown%20service"])
    }

    @Test func allBytesHaveACode() {
        let encoded: [UInt8] = [
            255, 199, 255, 253, 143, 255, 255, 226, 255, 255, 254, 63, 255, 255, 228, 255, 255, 254, 95, 255, 255, 230,
            255, 255, 254, 127, 255, 255, 232, 255, 255, 234, 255, 255, 255, 243, 255, 255, 250, 127, 255, 255, 171,
            255, 255, 255, 223, 255, 255, 235, 255, 255, 254, 207, 255, 255, 237, 255, 255, 254, 239, 255, 255, 239,
            255, 255, 255, 15, 255, 255, 241, 255, 255, 255, 47, 255, 255, 255, 191, 255, 255, 207, 255, 255, 253, 63,
            255, 255, 215, 255, 255, 253, 191, 255, 255, 223, 255, 255, 254, 63, 255, 255, 231, 255, 255, 254, 191, 255,
            255, 237, 79, 227, 249, 255, 175, 252, 171, 241, 254, 191, 175, 239, 231, 253, 253, 44, 187, 0, 8, 153, 105,
            183, 29, 121, 251, 159, 127, 255, 32, 255, 191, 243, 255, 80, 221, 189, 127, 6, 28, 88, 242, 101, 205, 159,
            70, 157, 90, 246, 109, 221, 191, 135, 30, 95, 156, 255, 127, 247, 255, 252, 63, 249, 255, 228, 95, 255, 71,
            25, 36, 44, 179, 78, 110, 157, 104, 166, 163, 215, 218, 196, 38, 222, 254, 60, 250, 247, 255, 251, 254, 127,
            251, 255, 223, 255, 255, 252, 255, 254, 111, 255, 244, 191, 255, 159, 255, 250, 63, 255, 211, 255, 255, 83,
            255, 253, 95, 255, 251, 63, 255, 235, 127, 255, 218, 255, 255, 183, 255, 255, 115, 255, 254, 239, 255, 253,
            239, 255, 254, 191, 255, 251, 255, 255, 253, 159, 255, 253, 191, 255, 235, 255, 255, 224, 255, 255, 238,
            255, 255, 195, 255, 255, 139, 255, 255, 31, 255, 254, 79, 255, 238, 127, 255, 177, 255, 255, 151, 255, 253,
            159, 255, 252, 223, 255, 249, 255, 255, 251, 255, 255, 218, 255, 254, 239, 255, 244, 255, 255, 183, 255,
            254, 231, 255, 254, 143, 255, 253, 63, 255, 222, 255, 255, 213, 255, 254, 239, 255, 251, 223, 255, 254, 31,
            255, 223, 255, 255, 127, 255, 255, 95, 255, 254, 207, 255, 240, 127, 255, 135, 255, 254, 15, 255, 241, 127,
            255, 237, 255, 255, 135, 255, 255, 119, 255, 254, 255, 255, 234, 255, 255, 139, 255, 254, 63, 255, 249, 63,
            255, 248, 127, 255, 203, 255, 255, 55, 255, 255, 31, 255, 255, 131, 255, 255, 225, 255, 254, 191, 255, 227,
            255, 255, 63, 255, 255, 47, 255, 250, 63, 255, 253, 159, 255, 255, 23, 255, 255, 199, 255, 255, 242, 127,
            255, 253, 239, 255, 255, 191, 255, 255, 242, 255, 255, 248, 255, 255, 251, 127, 255, 151, 255, 248, 255,
            255, 254, 111, 255, 255, 193, 255, 255, 248, 127, 255, 254, 127, 255, 255, 197, 255, 255, 229, 255, 254, 79,
            255, 242, 255, 255, 253, 31, 255, 255, 79, 255, 255, 254, 255, 255, 254, 63, 255, 255, 201, 255, 255, 249,
            127, 255, 179, 255, 255, 207, 255, 251, 127, 255, 205, 255, 255, 79, 255, 249, 255, 255, 209, 255, 255, 207,
            255, 254, 175, 255, 250, 255, 255, 253, 223, 255, 254, 255, 255, 255, 79, 255, 255, 95, 255, 255, 171, 255,
            255, 167, 255, 255, 215, 255, 255, 249, 191, 255, 254, 207, 255, 255, 183, 255, 255, 243, 255, 255, 254,
            143, 255, 255, 211, 255, 255, 250, 191, 255, 255, 95, 255, 255, 255, 127, 255, 254, 207, 255, 255, 219, 255,
            255, 251, 191, 255, 255, 127, 255, 255, 240, 255, 255, 251, 191,
        ]
        #expect(HuffmanCode.decode(encoded) == (0...255).map { UInt8($0) })
    }

    @Test(
        arguments: [
            // An index that nothing has; index 0; a string longer than the block; a table larger than allowed; a number
            // without end; a Huffman code that holds its own end; padding with zeros.
            [0xc0], [0x80], [0x00, 0x05, 0x61], [0x3f, 0xff, 0xff, 0x03], [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff],
            [0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00], [0x00, 0x81, 0x18, 0x00],
        ] as [[UInt8]])
    func whatIsNoBlockIsRefused(block: [UInt8]) {
        var decoder = HeaderDecoder()
        #expect(decoder.decode(block) == nil)
    }
}

/// One call, byte by byte.
@Suite struct UnaryCallTests {
    private static let settings = HTTP2Frame(kind: HTTP2Frame.Kind.settings)

    /// A header block with literal fields.
    private static func block(_ fields: [(String, String)]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (name, value) in fields {
            bytes += [0, UInt8(name.utf8.count)]
            bytes += name.utf8
            bytes.append(UInt8(value.utf8.count))
            bytes += value.utf8
        }
        return bytes
    }
    private static func headers(_ fields: [(String, String)], ends: Bool = false) -> HTTP2Frame {
        HTTP2Frame(
            kind: HTTP2Frame.Kind.headers, flags: HTTP2Frame.Flag.endHeaders | (ends ? HTTP2Frame.Flag.endStream : 0),
            stream: 1, payload: block(fields))
    }

    private func run(_ frames: [HTTP2Frame], chunk: Int = 1000) -> (UnaryCall.Progress, replies: [UInt8]) {
        var call = UnaryCall()
        var replies: [UInt8] = []
        let bytes = frames.flatMap(\.bytes)
        for start in stride(from: 0, to: bytes.count, by: chunk) {
            let progress = call.receive(bytes[start..<min(start + chunk, bytes.count)], replies: &replies)
            if progress != .waiting { return (progress, replies) }
        }
        return (.waiting, replies)
    }

    @Test(arguments: [1, 7, 1000]) func anAnswerIsReadHoweverItIsCut(chunk: Int) {
        let frames = [
            Self.settings, HTTP2Frame(kind: HTTP2Frame.Kind.ping, payload: [1, 2, 3, 4, 5, 6, 7, 8]),
            Self.headers([(":status", "200"), ("content-type", "application/grpc")]),
            HTTP2Frame(
                kind: HTTP2Frame.Kind.data, flags: HTTP2Frame.Flag.padded, stream: 1,
                payload: [2, 0, 0, 0, 0, 2, 8, 1, 0, 0]),
            Self.headers([("grpc-status", "0")], ends: true),
        ]
        let (progress, replies) = run(frames, chunk: chunk)
        #expect(progress == .answered(UnaryCall.Answer(code: 0, message: "", body: [8, 1])))
        let settings = HTTP2Frame(kind: HTTP2Frame.Kind.settings, flags: 1).bytes
        let ping = HTTP2Frame(kind: HTTP2Frame.Kind.ping, flags: 1, payload: [1, 2, 3, 4, 5, 6, 7, 8]).bytes
        let expected: [UInt8] = settings + ping
        #expect(replies == expected)
    }

    @Test func aRefusalHasItsCodeAndWords() {
        let (progress, _) = run([
            Self.settings,
            Self.headers([(":status", "200"), ("grpc-status", "5"), ("grpc-message", "a%20b")], ends: true),
        ])
        #expect(progress == .answered(UnaryCall.Answer(code: 5, message: "a b")))
    }

    @Test func aPlainServerIsTold() {
        let (progress, _) = run([
            Self.settings, Self.headers([(":status", "404"), ("content-type", "text/html")], ends: true),
        ])
        #expect(
            progress
                == .answered(
                    UnaryCall.Answer(
                        code: 12,
                        message:
                            "unexpected HTTP status code received from server: 404; transport: received unexpected content-type \"text/html\""
                    )))
    }

    @Test func whatIsNoHTTP2IsRefused() {
        var call = UnaryCall()
        var replies: [UInt8] = []
        #expect(
            call.receive(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), replies: &replies)
                == .malformed("http2: frame too large"))
        #expect(run([Self.headers([(":status", "200")])]).0 == .malformed("http2: the first frame is of type 1"))
    }

    @Test func aStreamThatIsBrokenOffFails() {
        let (progress, _) = run([
            Self.settings, HTTP2Frame(kind: HTTP2Frame.Kind.reset, stream: 1, payload: [0, 0, 0, 7]),
        ])
        #expect(
            progress
                == .answered(UnaryCall.Answer(code: 14, message: "stream terminated by RST_STREAM with error code: 7")))
    }

    @Test func messagesOfTheHealthCheck() {
        #expect(HealthMessage.request(service: "") == [])
        #expect(HealthMessage.request(service: "ab") == [0x0a, 2, 0x61, 0x62])
        #expect(HealthMessage.request(service: String(repeating: "a", count: 200)).prefix(3) == [0x0a, 0xc8, 1])
        #expect(HealthMessage.status(in: []) == 0)
        #expect(HealthMessage.status(in: [8, 2]) == 2)
        #expect(HealthMessage.status(in: [16, 2]) == nil)
    }
}
