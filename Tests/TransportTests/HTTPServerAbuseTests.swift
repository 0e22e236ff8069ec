import Testing

@testable import Transport

/// What a hostile or broken peer may try, beyond bytes that are no HTTP at all.
@Suite struct HTTPServerAbuseTests {
    private static let victim = "GET /victim HTTP/1.1\r\nHost: h\r\n\r\n"

    // MARK: request smuggling

    /// Two parties must never see different requests in the same bytes: what can be read in two ways is refused, and
    /// nothing that follows on the connection is served.
    @Test(arguments: [
        "Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Content-Length: 3\r\nContent-Length: 4", "Content-Length: 3\r\nContent-Length: 3", "Content-Length: 3, 4",
        "Content-Length: 3,3",
        "Content-Length: +3", "Content-Length: 0x3", "Content-Length: 3 3", "Content-Length: ",
        "Content-Length: 3\u{b}",
        "Transfer-Encoding: identity", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: gzip",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \u{b}chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\u{b}: chunked", "Content-Length : 3", " Content-Length: 3",
        "X: a\r\n Transfer-Encoding: chunked", "X: a\rTransfer-Encoding: chunked",
        "X: a\nTransfer-Encoding: chunked", "X:\0a", "Foo Bar: a", "Transfer-Encoding", ": a", "X\u{e9}: a",
    ])
    func refusesAmbiguousFraming(header: String) async throws {
        let served = Box<[String]>([])
        let handler = Handler { request, response in
            served.value.append(request.path)
            response.respond(status: 200, headers: [], body: [])
        }
        try await withServer(handler) { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send("POST /first HTTP/1.1\r\nHost: h\r\n\(header)\r\n\r\n0\r\n\r\n\(Self.victim)")
            let answer = try await connection.read(until: "\"code\":400}")
            #expect(answer.hasPrefix("HTTP/1.1 400 "), "\(answer.prefix(60))")
            #expect(!served.value.contains("/victim"), "\(served.value)")
        }
    }

    @Test(arguments: [
        "3;ext=\r\nabc\r\n0\r\n\r\n", "-1\r\nabc\r\n0\r\n\r\n", "g\r\nabc\r\n0\r\n\r\n", "3\nabc\n0\n\n",
        "3\r\nabcd\r\n0\r\n\r\n", " 3\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n", "3\r\nabc0\r\n\r\n",
    ])
    func refusesBadChunks(body: String) async throws {
        let served = Box<[String]>([])
        let handler = Handler { request, response in
            served.value.append("\(request.path) \(String(decoding: request.body, as: UTF8.self))")
            response.respond(status: 200, headers: [], body: [])
        }
        try await withServer(handler) { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send(
                "POST /first HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\(body)\(Self.victim)")
            _ = try await connection.read(until: "\r\n\r\n")
            // Either the whole is refused, or both requests are what they say (an extension of a chunk is legal).
            #expect(served.value == [] || served.value.first == "/first abc", "\(served.value)")
        }
    }

    /// A request that asks for another protocol ends HTTP on its connection where it is granted; nobody grants it here,
    /// and what follows is served as if it had not been asked.
    @Test(arguments: [
        "Upgrade: websocket\r\nConnection: Upgrade",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x",
    ])
    func goesOnAfterAnUpgradeThatIsNotGranted(header: String) async throws {
        try await withServer { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send("GET /first HTTP/1.1\r\nHost: h\r\n\(header)\r\n\r\n")
            let first = try await connection.read(until: "GET /first")
            #expect(first.hasPrefix("HTTP/1.1 200 "))
            // Closed, or served: but never silent.
            if first.lowercased().contains("connection: close") {
                #expect(try await connection.isClosedByPeer())
            } else {
                connection.send("GET /second HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try await connection.read(until: "GET /second").contains("GET /second"))
            }
        }
    }

    @Test func refusesTunnels() async throws {
        try await withServer { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n\(Self.victim)")
            let answer = try await connection.read()
            #expect(answer.hasPrefix("HTTP/1.1 4"), "\(answer.prefix(60))")
            #expect(!answer.contains("victim"))
        }
    }

    // MARK: making the server hold things

    /// Whoever asks on and on without reading gets no further answers made.
    @Test func doesNotAnswerFasterThanThePeerReads() async throws {
        let calls = Counter()
        let big = [UInt8](repeating: UInt8(ascii: "x"), count: 4 << 20)
        let handler = Handler { _, response in
            calls.increment()
            response.respond(status: 200, headers: [], body: big)
        }
        try await withServer(handler) { port, _, _ in
            let connection = try RawConnection(port: port)
            for _ in 0..<100 { connection.send(Self.victim) }
            #expect(try await eventually { calls.value > 0 })
            // The first answer does not fit into the sockets' buffers, so that no second one may have been made.
            _ = try await connection.read(until: "\r\n\r\n")
            #expect(calls.value <= 3, "\(calls.value) answers were made")
        }
    }

    @Test func answersAllThatIsReadInTheEnd() async throws {
        let big = [UInt8](repeating: UInt8(ascii: "x"), count: 200 << 10)
        let handler = Handler { request, response in
            response.respond(status: 200, headers: [], body: big + Array("end of \(request.path);".utf8))
        }
        try await withServer(handler) { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send((0..<10).map { "GET /\($0) HTTP/1.1\r\nHost: h\r\n\r\n" }.joined())
            let answers = try await connection.read(until: "end of /9;")
            for number in 0..<10 { #expect(answers.contains("end of /\(number);")) }
        }
    }

    /// What all connections hold together is bounded, not only what each holds.
    @Test func boundsTheBodiesOfAllConnections() async throws {
        var limits = ServerLimits.patient
        limits.bodyBytes = 1 << 20
        limits.allBodiesBytes = 3 << 20
        try await withServer(limits: limits) { port, server, _ in
            let half = String(repeating: "x", count: 900 << 10)
            let holders = try (0..<3).map { _ in try RawConnection(port: port) }
            for holder in holders {
                holder.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(1 << 20)\r\n\r\n\(half)")
            }
            #expect(try await eventually { server.bodyBytes == 3 * half.utf8.count })
            // A fourth finds no room.
            let other = try RawConnection(port: port)
            other.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(half.utf8.count)\r\n\r\n\(half)")
            let refused = try await other.read(until: "\r\n\r\n")
            #expect(refused.hasPrefix("HTTP/1.1 429 "), "\(refused.prefix(80))")
            #expect(refused.lowercased().contains("retry-after: 1"))
            // What has been answered holds nothing any more.
            for holder in holders {
                holder.send(String(repeating: "x", count: (1 << 20) - half.utf8.count))
                #expect(try await holder.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
            }
            let late = try RawConnection(port: port)
            late.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(half.utf8.count)\r\n\r\n\(half)")
            #expect(try await late.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func bodiesOfVanishedPeersAreForgotten() async throws {
        var limits = ServerLimits.patient
        limits.bodyBytes = 1 << 20
        limits.allBodiesBytes = 1 << 20
        try await withServer(limits: limits) { port, server, _ in
            for _ in 0..<5 {
                var gone: RawConnection? = try RawConnection(port: port)
                gone?.send(
                    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n\(String(repeating: "x", count: 900_000))"
                )
                #expect(try await eventually { server.connectionCount == 1 })
                gone = nil
                #expect(try await eventually { server.connectionCount == 0 })
            }
            let late = try RawConnection(port: port)
            late.send(
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n\(String(repeating: "x", count: 900_000))")
            #expect(try await late.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
        }
    }
}
