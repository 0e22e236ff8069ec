import Testing

@testable import Transport

@Suite struct HTTPStreamTests {
    private func open(_ port: Int, _ request: String = "GET / HTTP/1.1\r\nHost: h\r\n\r\n") throws -> RawConnection {
        let connection = try RawConnection(port: port)
        connection.send(request)
        return connection
    }

    @Test func sendsOneFrameToManyStreams() async throws {
        let streams = Box<[any HTTPStream]>([])
        let handler = Handler { _, response in
            streams.value.append(response.stream(status: 200, headers: [("Content-Type", "application/json")]))
        }
        try await withServer(handler) { port, _, _ in
            let connections = try (0..<20).map { _ in try open(port) }
            #expect(try await eventually { streams.value.count == 20 })
            let frame = Frame(Array("{\"type\":\"ADDED\"}\n".utf8))
            for stream in streams.value { #expect(stream.write(frame)) }
            for stream in streams.value { stream.finish() }
            for connection in connections {
                let answer = try await connection.read(until: "0\r\n\r\n")
                #expect(answer.contains("Transfer-Encoding: chunked\r\n"))
                #expect(answer.hasSuffix("\r\n\r\n11\r\n{\"type\":\"ADDED\"}\n\r\n0\r\n\r\n"))
            }
            for stream in streams.value { #expect(!stream.write(frame)) }
        }
    }

    @Test func keepsTheOrderOfFramesFromManyThreads() async throws {
        let handler = Handler { _, response in
            let stream = response.stream(status: 200, headers: [])
            stream.write(Frame(Array("first\n".utf8)))
            Task {
                for number in 0..<2_000 { stream.write(Frame(Array("\(number)\n".utf8))) }
                stream.finish()
            }
        }
        try await withServer(handler) { port, _, loops in
            let client = HTTPClient(loops: loops, limits: .patient, log: quiet)
            let answer = try await client.send("GET", "http://127.0.0.1:\(port)/")
            let expected = "first\n" + (0..<2_000).map { "\($0)\n" }.joined()
            #expect(String(decoding: answer.body, as: UTF8.self) == expected)
            // The connection goes on after a stream.
            let next = try await client.send("GET", "http://127.0.0.1:\(port)/")
            #expect(next.status == 200)
        }
    }

    @Test func anEmptyFrameDoesNotEndTheStream() async throws {
        let handler = Handler { _, response in
            let stream = response.stream(status: 200, headers: [])
            stream.write(Frame([]))
            stream.write(Frame(Array("after".utf8)))
            stream.finish()
        }
        try await withServer(handler) { port, _, loops in
            let answer = try await HTTPClient(loops: loops, limits: .patient, log: quiet).send(
                "GET", "http://127.0.0.1:\(port)/")
            #expect(answer.body == Array("after".utf8))
        }
    }

    @Test func closesOnAPeerThatDoesNotRead() async throws {
        var limits = ServerLimits.patient
        limits.streamBacklogBytes = 1 << 20
        let closed = Counter()
        let refused = Counter()
        let handler = Handler { _, response in
            let stream = response.stream(status: 200, headers: [])
            stream.onClose { closed.increment() }
            Task {
                let frame = Frame([UInt8](repeating: 120, count: 64 << 10))
                for _ in 0..<2_000 {
                    if !stream.write(frame) {
                        refused.increment()
                        return
                    }
                    await Task.yield()
                }
            }
        }
        try await withServer(handler, limits: limits) { port, server, _ in
            let connection = try open(port)
            #expect(try await eventually { refused.value == 1 && closed.value == 1 })
            #expect(try await eventually { server.connectionCount == 0 })
            _ = connection
        }
    }

    @Test func tellsWhenThereIsRoomAgain() async throws {
        let total = 20 << 20
        let handler = Handler { _, response in
            let stream = response.stream(status: 200, headers: [])
            let sent = Box(0)
            let pump: @Sendable () -> Void = {
                while stream.isWritable, sent.value < total {
                    stream.write(Frame([UInt8](repeating: 120, count: 32 << 10)))
                    sent.value += 32 << 10
                }
                if sent.value >= total { stream.finish() }
            }
            stream.onWritable(pump)
            pump()
        }
        var limits = ServerLimits.patient
        limits.streamBacklogBytes = 1 << 20
        try await withServer(handler, limits: limits) { port, _, loops in
            let stream = try await HTTPClient(loops: loops, limits: .patient, log: quiet).open(
                "GET", "http://127.0.0.1:\(port)/")
            var received = 0
            for try await chunk in stream.body {
                received += chunk.count
                if received % 7 == 0 { try await Task.sleep(for: .milliseconds(1)) }
            }
            #expect(received == total)
        }
    }

    @Test func noticesThatThePeerHasGone() async throws {
        let closed = Counter()
        let streams = Box<[any HTTPStream]>([])
        let handler = Handler { _, response in
            let stream = response.stream(status: 200, headers: [])
            stream.onClose { closed.increment() }
            streams.value.append(stream)
        }
        try await withServer(handler) { port, _, _ in
            do { _ = try await open(port).read(until: "\r\n\r\n") }
            #expect(try await eventually { closed.value == 1 })
            let stream = try #require(streams.value.first)
            #expect(!stream.write(Frame([1])))
            #expect(!stream.isWritable)
            // Late ones are told at once.
            stream.onClose { closed.increment() }
            #expect(closed.value == 2)
        }
    }

    @Test func streamsToHTTP10UntilTheEnd() async throws {
        let handler = Handler { _, response in
            let stream = response.stream(status: 200, headers: [])
            stream.write(Frame(Array("plain".utf8)))
            stream.finish()
        }
        try await withServer(handler) { port, _, _ in
            let answer = try await open(port, "GET / HTTP/1.0\r\n\r\n").read()
            #expect(answer.hasSuffix("\r\n\r\nplain"))
            #expect(!answer.contains("chunked"))
        }
    }

    @Test func shutdownEndsStreamsProperly() async throws {
        let handler = Handler { _, response in
            let stream = response.stream(status: 200, headers: [])
            stream.write(Frame(Array("x".utf8)))
        }
        let loops = EventLoops(count: 1)
        let server = HTTPServer(loops: loops, handler: handler, log: quiet)
        let port = try await server.listen(host: "127.0.0.1", port: 0)
        let connection = try open(port)
        _ = try await connection.read(until: "x\r\n")
        await server.shutdown()
        #expect(try await connection.read() == "0\r\n\r\n")
        await loops.shutdown()
    }

    @Test func anAbortedStreamIsSeenToBeIncomplete() async throws {
        let handler = Handler { _, response in
            let stream = response.stream(status: 200, headers: [])
            stream.write(Frame(Array("x".utf8)))
            stream.abort()
        }
        try await withServer(handler) { port, _, loops in
            let client = HTTPClient(loops: loops, limits: .patient, log: quiet)
            await #expect(throws: TransportError.self) { try await client.send("POST", "http://127.0.0.1:\(port)/") }
        }
    }
}
