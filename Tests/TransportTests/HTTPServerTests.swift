import Glibc
import Testing

@testable import Transport

@Suite struct HTTPServerTests {
    @Test func answersAndKeepsTheConnection() async throws {
        try await withServer { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send("GET /a%20b?x=1 HTTP/1.1\r\nHost: h\r\n\r\n")
            let first = try await connection.read(until: "GET /a b ")
            #expect(first.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(first.contains("Content-Length: 9\r\n"))
            #expect(first.contains("Date: "))
            connection.send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
            #expect(try await connection.read(until: "POST /p hello").contains("POST /p hello"))
        }
    }

    @Test func collectsChunkedBodies() async throws {
        try await withServer { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send("PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            connection.send("2\r\nde\r\n0\r\n\r\n")
            #expect(try await connection.read(until: "abcde").hasSuffix("PUT /c abcde"))
        }
    }

    @Test func headGetsTheHeadersAlone() async throws {
        try await withServer { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send("HEAD /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            let answer = try await connection.read()
            #expect(answer.contains("Content-Length: 8\r\n"))
            #expect(answer.hasSuffix("\r\n\r\n"))
        }
    }

    @Test func answersPipelinedRequestsInOrderThoughTheyAreReadyInAnother() async throws {
        let handler = Handler { request, response in
            // The first takes longest.
            let delay = request.path == "/0" ? 60 : request.path == "/1" ? 20 : 0
            if delay == 0 { return response.respond(status: 200, headers: [], body: Array("<\(request.path)>".utf8)) }
            Task {
                try await Task.sleep(for: .milliseconds(delay))
                response.respond(status: 200, headers: [], body: Array("<\(request.path)>".utf8))
            }
        }
        try await withServer(handler) { port, _, _ in
            let connection = try RawConnection(port: port)
            let requests = (0..<50).map { "GET /\($0) HTTP/1.1\r\nHost: h\r\n\r\n" }.joined()
            connection.send(requests)
            let answers = try await connection.read(until: "</49>")
            let order = answers.split(separator: "<").dropFirst().map { String($0.prefix { $0 != ">" }) }
            #expect(order == (0..<50).map { "/\($0)" })
        }
    }

    @Test func refusesBodiesThatAreTooLarge() async throws {
        var limits = ServerLimits.patient
        limits.bodyBytes = 1_000
        let handled = Counter()
        let handler = Handler { _, response in
            handled.increment()
            response.respond(status: 200, headers: [], body: [])
        }
        try await withServer(handler, limits: limits) { port, _, _ in
            let announced = try RawConnection(port: port)
            announced.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n")
            let first = try await announced.read()
            #expect(first.hasPrefix("HTTP/1.1 413 "))
            #expect(first.contains("\"reason\":\"RequestEntityTooLarge\""))
            #expect(first.contains("Connection: close"))

            let chunked = try RawConnection(port: port)
            chunked.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = "100\r\n" + String(repeating: "x", count: 256) + "\r\n"
            for _ in 0..<400 where !chunked.send(chunk) { break }
            #expect(try await chunked.read().hasPrefix("HTTP/1.1 413 "))
            #expect(handled.value == 0)
        }
    }

    @Test func asksForTheBodyThatIsAnnounced() async throws {
        try await withServer { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send("POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            #expect(try await connection.read(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
            connection.send("ok")
            #expect(try await connection.read(until: "POST /e ok").contains("200 OK"))
        }
    }

    @Test(arguments: [
        ("GARBAGE\r\n\r\n", "400"),
        ("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("GET /%ff HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("GET nopath HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nab", "400"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\nab", "400"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\nab", "400"),
        ("POST / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\na", "417"),
    ])
    func refusesWhatIsNotProperHTTP(request: String, status: String) async throws {
        try await withServer { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send(request)
            let answer = try await connection.read()
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
            #expect(answer.contains("\"kind\":\"Status\""))
        }
    }

    @Test func refusesHeadersThatAreTooLarge() async throws {
        var limits = ServerLimits.patient
        limits.headBytes = 4_096
        try await withServer(limits: limits) { port, _, _ in
            let long = try RawConnection(port: port)
            long.send("GET / HTTP/1.1\r\nHost: h\r\nX: \(String(repeating: "x", count: 5_000))\r\n\r\n")
            #expect(try await long.read().hasPrefix("HTTP/1.1 431 "))
            let many = try RawConnection(port: port)
            many.send("GET / HTTP/1.1\r\nHost: h\r\n" + String(repeating: "a: b\r\n", count: 300) + "\r\n")
            #expect(try await many.read().hasPrefix("HTTP/1.1 431 "))
            let path = try RawConnection(port: port)
            path.send("GET /\(String(repeating: "x", count: 5_000)) HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await path.read().hasPrefix("HTTP/1.1 431 "))
        }
    }

    @Test func servesHTTP10AndClosesAfterwards() async throws {
        try await withServer { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send("GET /old HTTP/1.0\r\n\r\n")
            let answer = try await connection.read()
            #expect(answer.hasSuffix("GET /old "))
            #expect(answer.contains("Connection: close"))
        }
    }

    @Test func headersCannotBeSplitByTheirValues() async throws {
        let handler = Handler { request, response in
            let value = request.parameter("v") ?? ""
            response.respond(status: 200, headers: [("X-Value", value)], body: [])
        }
        try await withServer(handler) { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send("GET /?v=a%0d%0aEvil:%20yes HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            let answer = try await connection.read()
            #expect(answer.contains("X-Value: a  Evil: yes\r\n"))
        }
    }

    @Test func closesOnThoseWhoDawdleOverAHead() async throws {
        var limits = ServerLimits.patient
        limits.headTimeout = .milliseconds(200)
        try await withServer(limits: limits) { port, _, _ in
            let silent = try RawConnection(port: port)
            let head = try RawConnection(port: port)
            head.send("GET / HTTP/1.1\r\nHost:")
            #expect(try await silent.isClosedByPeer())
            #expect(try await head.isClosedByPeer())
        }
    }

    @Test func tellsThoseWhoDawdleOverABody() async throws {
        var limits = ServerLimits.patient
        limits.bodyTimeout = .milliseconds(200)
        try await withServer(limits: limits) { port, _, _ in
            let body = try RawConnection(port: port)
            body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
            #expect(try await body.read().hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test func closesIdleConnections() async throws {
        var limits = ServerLimits.patient
        limits.idleTimeout = .milliseconds(200)
        try await withServer(limits: limits) { port, _, _ in
            let idle = try RawConnection(port: port)
            idle.send("GET /i HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await idle.read(until: "GET /i").contains("GET /i"))
            #expect(try await idle.isClosedByPeer())
        }
    }

    /// One byte at a time does not extend the time for a head.
    @Test func closesOnASlowDripOfASecondRequest() async throws {
        var limits = ServerLimits.patient
        limits.headTimeout = .milliseconds(300)
        try await withServer(limits: limits) { port, server, _ in
            let connection = try RawConnection(port: port)
            connection.send("GET /i HTTP/1.1\r\nHost: h\r\n\r\n")
            _ = try await connection.read(until: "GET /i")
            for byte in "GET /abcdefghijklmnopqrstuvwxyz HTTP/1.1\r\nHost: h\r\nX: abcdefghijklmnop".utf8 {
                guard connection.send([byte]) else { break }
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(try await eventually { server.connectionCount == 0 })
        }
    }

    @Test func answersForAHandlerThatNeverDoes() async throws {
        var limits = ServerLimits.patient
        limits.answerTimeout = .milliseconds(100)
        try await withServer(Handler { _, _ in }, limits: limits) { port, _, _ in
            let connection = try RawConnection(port: port)
            connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await connection.read().hasPrefix("HTTP/1.1 504 "))
        }
    }

    @Test func refusesConnectionsBeyondItsLimit() async throws {
        var limits = ServerLimits.patient
        limits.connections = 2
        try await withServer(limits: limits) { port, server, _ in
            let held = try (0..<2).map { _ in try RawConnection(port: port) }
            #expect(try await eventually { server.connectionCount == 2 })
            #expect(try await RawConnection(port: port).isClosedByPeer())
            held[0].send("GET /h HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await held[0].read(until: "GET /h").contains("200 OK"))
        }
    }

    @Test func namesTheTakenPort() async throws {
        try await withServer { port, _, loops in
            let other = HTTPServer(loops: loops, handler: Handler.echo, log: quiet)
            await #expect {
                try await other.listen(host: "127.0.0.1", port: port)
            } throws: { error in
                "\(error)" == "cannot listen on 127.0.0.1:\(port): Address already in use"
                    && (error as? TransportError)?.code == .addressInUse
            }
        }
    }

    @Test func listensOnUnixSockets() async throws {
        let path = "/tmp/transport-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        try await withServer { _, server, loops in
            // What a dead process has left.
            let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            close(stale)
            try PrivateFile.write([], to: path)
            try await server.listen(unixSocket: path, mode: 0o600)
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            let other = HTTPServer(loops: loops, handler: Handler.echo, log: quiet)
            await #expect(throws: TransportError.self) { try await other.listen(unixSocket: path, mode: 0o600) }
            let client = HTTPClient(loops: loops, unixSocket: path, limits: .patient, log: quiet)
            let answer = try await client.send("GET", "http://localhost/sock")
            #expect(String(decoding: answer.body, as: UTF8.self) == "GET /sock ")
            client.shutdown()
        }
        #expect(access(path, F_OK) != 0)
    }
}
