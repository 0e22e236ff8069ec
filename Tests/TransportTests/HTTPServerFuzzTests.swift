import Testing

@testable import Transport

/// Whatever comes over the socket, the server goes on serving. The seed is fixed; a failure names its round.
@Suite struct HTTPServerFuzzTests {
    /// SplitMix64.
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
            return z ^ z >> 31
        }
    }

    static let seeds: [String] = [
        "GET /api/v1/pods?limit=500&watch=true HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n",
        "POST /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
        "DELETE /a%20b HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        "GET http://example.com/abs HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n",
    ]

    @Test func survivesRandomAndMutatedBytes() async throws {
        var limits = ServerLimits.patient
        limits.bodyBytes = 10_000
        limits.headBytes = 4_096
        try await withServer(limits: limits) { port, _, loops in
            var generator = Generator(state: 20_240_501)
            for round in 0..<600 {
                let connection = try RawConnection(port: port)
                for piece in Self.input(&generator) {
                    if !connection.send(piece) { break }
                }
                if round % 50 == 49 {
                    let client = HTTPClient(loops: loops, limits: .patient, log: quiet)
                    let answer = try await client.send("GET", "http://127.0.0.1:\(port)/ok")
                    #expect(answer.status == 200, "after round \(round)")
                    client.shutdown()
                }
            }
        }
    }

    /// What one connection sends, in one or several writes.
    private static func input(_ generator: inout Generator) -> [[UInt8]] {
        var bytes: [UInt8] = []
        if Int.random(in: 0..<4, using: &generator) == 0 {
            bytes = (0..<Int.random(in: 1..<3_000, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
        } else {
            for _ in 0..<Int.random(in: 1..<5, using: &generator) {
                bytes += Array((seeds.randomElement(using: &generator) ?? "").utf8)
            }
            for _ in 0..<Int.random(in: 0..<6, using: &generator) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: index)
                default: bytes.insert(contentsOf: Array("9999999999".utf8), at: index)
                }
            }
        }
        let cut = Int.random(in: 0...bytes.count, using: &generator)
        return Bool.random(using: &generator) ? [bytes] : [Array(bytes[..<cut]), Array(bytes[cut...])]
    }
}
