import Testing

@testable import Transport

/// One question over one connection.
@Suite struct DialerTests {
    private func request(_ port: Int, _ target: String = "/") -> DialRequest {
        DialRequest(host: "127.0.0.1", port: port, target: target, headers: [("Host", "x"), ("X-Kind", "a")])
    }

    private func failure(_ body: () async throws(DialError) -> Void) async -> DialError? {
        do throws(DialError) {
            try await body()
            return nil
        } catch {
            return error
        }
    }

    @Test func asksAndReadsTheAnswer() async throws {
        let handler = Handler { request, response in
            response.respond(
                status: 404, headers: [("X-Seen", request.headers(named: "x-kind").first ?? "")],
                body: Array("\(request.method) \(request.path)".utf8))
        }
        try await withServer(handler) { port, _, loops in
            let answer = try await Dialer(loops: loops).get(
                request(port, "/a?b"), bodyLimit: 100, timeout: .ever)
            #expect(answer.status == 404)
            #expect(answer.header("x-seen") == "a")
            #expect(String(decoding: answer.body, as: UTF8.self) == "GET /a")
        }
    }

    @Test func readsNoMoreThanIsWanted() async throws {
        let handler = Handler { _, response in
            response.respond(status: 200, headers: [], body: [UInt8](repeating: 7, count: 4 << 20))
        }
        try await withServer(handler) { port, _, loops in
            let answer = try await Dialer(loops: loops).get(request(port), bodyLimit: 10, timeout: .ever)
            #expect(answer.body == [UInt8](repeating: 7, count: 10))
        }
    }

    @Test func whoeverNeverAnswersIsLeft() async throws {
        try await withServer(Handler { _, _ in }) { port, _, loops in
            let dialer = try Dialer(loops: loops)
            var error: DialError?
            var limit = Duration.milliseconds(50)
            repeat {
                error = await failure { () throws(DialError) in
                    _ = try await dialer.get(request(port), bodyLimit: 10, timeout: limit)
                }
                limit *= 2
                // A slow machine may need longer for the connection alone.
            } while error == DialError(.connection, .timedOut)
            #expect(error == DialError(.answer, .timedOut))
            // A connection is all that is asked for there, and that comes about.
            try await dialer.touch(host: "127.0.0.1", port: port, timeout: .ever)
        }
    }

    @Test func tellsThatNobodyListens() async throws {
        let deaf = try DeafPort()
        let port = deaf.number
        let loops = EventLoops(count: 1)
        let dialer = try Dialer(loops: loops)
        let refused = DialError(.connection, .system(111))
        #expect(
            await failure { () throws(DialError) in
                try await dialer.touch(host: "127.0.0.1", port: port, timeout: .ever)
            } == refused)
        #expect(
            await failure { () throws(DialError) in
                _ = try await dialer.get(request(port), bodyLimit: 10, timeout: .ever)
            } == refused)
        await loops.shutdown()
        withExtendedLifetime(deaf) {}
    }

    @Test func aHeaderThatWouldBeTwoIsNotSent() async throws {
        try await withServer { port, _, loops in
            let dialer = try Dialer(loops: loops)
            var request = request(port)
            request.headers.append(("X-Bad", "a\r\nX-Other: b"))
            let bad = request
            let error = await failure { () throws(DialError) in
                _ = try await dialer.get(bad, bodyLimit: 10, timeout: .ever)
            }
            #expect(error == DialError(.connection, .unusable("net/http: invalid header field")))
        }
    }

    @Test func aCancelledCallEndsAtOnce() async throws {
        try await withServer(Handler { _, _ in }) { port, _, loops in
            let dialer = try Dialer(loops: loops)
            let request = request(port)
            let task = Task {
                await failure { () throws(DialError) in
                    _ = try await dialer.get(request, bodyLimit: 10, timeout: .ever)
                }
            }
            task.cancel()
            #expect(await task.value != nil)
        }
    }
}
