import KubeAPI
import Testing

@testable import Transport

@Suite struct HTTPClientTests {
    @Test func reusesConnections() async throws {
        let peers = Box<Set<Int>>([])
        let handler = Handler { request, response in
            peers.value.insert(request.peer.port)
            response.respond(status: 200, headers: [("X-Kind", "a")], body: request.body)
        }
        try await withServer(handler) { port, _, loops in
            let client = HTTPClient(loops: loops, limits: .patient, log: quiet)
            for number in 0..<20 {
                let answer = try await client.send(
                    "POST", "http://127.0.0.1:\(port)/", body: Array("\(number)".utf8))
                #expect(answer.body == Array("\(number)".utf8))
                #expect(answer.header("x-kind") == "a")
            }
            #expect(peers.value.count == 1)
            client.shutdown()
        }
    }

    @Test func carriesLargeBodiesBothWays() async throws {
        try await withServer(Handler { $1.respond(status: 200, headers: [], body: $0.body) }) { port, _, loops in
            let body = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            let answer = try await HTTPClient(loops: loops, limits: .patient, log: quiet).send(
                "PUT", "http://127.0.0.1:\(port)/", body: body)
            #expect(answer.body == body)
        }
    }

    @Test func timesOut() async throws {
        let handler = Handler { request, response in
            if request.path != "/slow" { response.respond(status: 200, headers: [], body: []) }
        }
        try await withServer(handler) { port, _, loops in
            let client = HTTPClient(loops: loops, limits: .patient, log: quiet)
            // The connection is there already: it is the answer that is waited for.
            _ = try await client.send("GET", "http://127.0.0.1:\(port)/")
            await #expect {
                try await client.send("GET", "http://127.0.0.1:\(port)/slow", timeout: .milliseconds(100))
            } throws: { "\($0)" == "GET 127.0.0.1:\(port)/slow: timed out" }
        }
    }

    @Test func saysWhyItCannotConnect() async throws {
        let deaf = try DeafPort()
        let port = deaf.number
        let loops = EventLoops(count: 1)
        let client = HTTPClient(loops: loops, limits: .patient, log: quiet)
        await #expect {
            try await client.send("GET", "http://127.0.0.1:\(port)/")
        } throws: { "\($0)" == "cannot connect to 127.0.0.1:\(port): Connection refused" }
        await loops.shutdown()
        withExtendedLifetime(deaf) {}
    }

    @Test func repeatsAGetOverAFreshConnectionWhenTheKeptOneIsGone() async throws {
        var limits = ServerLimits.patient
        limits.idleTimeout = .milliseconds(50)
        let count = Counter()
        let handler = Handler { _, response in
            count.increment()
            response.respond(status: 200, headers: [], body: [])
        }
        try await withServer(handler, limits: limits) { port, server, loops in
            let client = HTTPClient(loops: loops, limits: .patient, log: quiet)
            for _ in 0..<5 {
                let answer = try await client.send("GET", "http://127.0.0.1:\(port)/")
                #expect(answer.status == 200)
                #expect(try await eventually { server.connectionCount == 0 })
            }
            #expect(count.value == 5)
        }
    }

    /// A server that takes the request and hangs up has perhaps acted on it.
    @Test func doesNotRepeatAPostThatMayHaveArrived() async throws {
        let count = Counter()
        let handler = Handler { request, response in
            count.increment()
            if count.value == 1 { return response.respond(status: 200, headers: [], body: []) }
            response.stream(status: 200, headers: []).abort()
        }
        try await withServer(handler) { port, _, loops in
            let client = HTTPClient(loops: loops, limits: .patient, log: quiet)
            _ = try await client.send("POST", "http://127.0.0.1:\(port)/")
            await #expect(throws: TransportError.self) { try await client.send("POST", "http://127.0.0.1:\(port)/") }
            #expect(count.value == 2)
        }
    }

    @Test func cancellingAStreamClosesTheConnection() async throws {
        let closed = Counter()
        let received = Counter()
        let handler = Handler { _, response in
            let stream = response.stream(status: 200, headers: [])
            stream.onClose { closed.increment() }
            stream.write(Frame(Array("x".utf8)))
        }
        try await withServer(handler) { port, _, loops in
            let client = HTTPClient(loops: loops, limits: .patient, log: quiet)
            let task = Task {
                let stream = try await client.open("GET", "http://127.0.0.1:\(port)/")
                for try await _ in stream.body { received.increment() }
            }
            #expect(try await eventually { received.value == 1 })
            task.cancel()
            _ = await task.result
            #expect(try await eventually { closed.value == 1 })

            // One that is dropped unread.
            do { _ = try await client.open("GET", "http://127.0.0.1:\(port)/") }
            #expect(try await eventually { closed.value == 2 })
        }
    }

    @Test func aSlowReaderSlowsTheServerDown() async throws {
        let sent = Counter()
        let handler = Handler { _, response in
            let stream = response.stream(status: 200, headers: [])
            let pump: @Sendable () -> Void = {
                while stream.isWritable, sent.value < 1_000 {
                    sent.increment()
                    stream.write(Frame([UInt8](repeating: 120, count: 64 << 10)))
                }
                if sent.value >= 1_000 { stream.finish() }
            }
            stream.onWritable(pump)
            pump()
        }
        try await withServer(handler) { port, _, loops in
            let stream = try await HTTPClient(loops: loops, limits: .patient, log: quiet).open(
                "GET", "http://127.0.0.1:\(port)/")
            try await Task.sleep(for: .milliseconds(300))
            // 64 MiB are on offer; what fits the buffers on the way is far less.
            #expect(sent.value < 400)
            var received = 0
            for try await chunk in stream.body { received += chunk.count }
            #expect(received == 1_000 * 64 << 10)
        }
    }
}

@Suite struct HTTPAPIClientTests {
    @Test func cutsAWatchIntoLines() async throws {
        let handler = Handler { request, response in
            #expect(request.path == "/api/v1/pods")
            #expect(request.parameter("fieldSelector") == "spec.nodeName=a b")
            #expect(request.header("authorization") == "Bearer t0ken")
            let stream = response.stream(status: 200, headers: [])
            for text in ["one\ntw", "o\n\nth", "ree\n", String(repeating: "x", count: 300_000), "\nincomplete"] {
                stream.write(Frame(Array(text.utf8)))
            }
            stream.finish()
        }
        try await withServer(handler) { port, _, loops in
            let client = HTTPAPIClient(
                server: "http://127.0.0.1:\(port)/", bearerToken: "t0ken", loops: loops, log: quiet)
            var lines: [String] = []
            let request = APIRequest(.get, "/api/v1/pods", query: [("fieldSelector", "spec.nodeName=a b")])
            for try await line in try await client.lines(request) {
                lines.append(String(decoding: line, as: UTF8.self))
            }
            #expect(lines == ["one", "two", "three", String(repeating: "x", count: 300_000)])
        }
    }

    @Test func throwsTheStatusOfARefusedWatch() async throws {
        let handler = Handler { _, response in
            response.respond(status: 410, headers: [], body: StatusError.expired("too old").json.serialized())
        }
        try await withServer(handler) { port, _, loops in
            let client = HTTPAPIClient(server: "http://127.0.0.1:\(port)", loops: loops, log: quiet)
            await #expect {
                _ = try await client.lines(APIRequest(.get, "/api/v1/pods"))
            } throws: { ($0 as? StatusError)?.isExpired == true && "\($0)" == "too old" }
        }
    }

    @Test func returnsAnswersWithErrorStatusAndThrowsWhereThereIsNone() async throws {
        let handler = Handler { _, response in
            response.respond(
                status: 404, headers: [("Content-Type", "application/json")],
                body: StatusError.notFound("pods", name: "x").json.serialized())
        }
        try await withServer(handler) { port, server, loops in
            let client = HTTPAPIClient(server: "http://127.0.0.1:\(port)", loops: loops, log: quiet)
            let answer = try await client.send(APIRequest(.get, "/api/v1/namespaces/default/pods/x"))
            #expect(answer.status == 404)
            #expect(answer.contentType == "application/json")
            await server.shutdown()
            await #expect(throws: APIConnectionError.self) { try await client.send(APIRequest(.get, "/")) }
        }
    }
}
