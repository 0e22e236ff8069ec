import Glibc
import Testing

@testable import Transport

@Suite struct GRPCMessageTests {
    private func assemble(_ pieces: [[UInt8]], limit: Int = 100) throws -> [[UInt8]] {
        var assembler = MessageAssembler(limit: limit)
        var messages: [[UInt8]] = []
        for piece in pieces {
            let failure: GRPCError? = piece.withUnsafeBytes { bytes in
                do throws(GRPCError) {
                    try assembler.take(bytes) { messages.append($0) }
                    return nil
                } catch {
                    return error
                }
            }
            if let failure { throw failure }
        }
        #expect(!assembler.isWithinMessage)
        return messages
    }

    @Test func messagesComeInAnyPieces() throws {
        let wire = MessageAssembler.framed([1, 2, 3]) + MessageAssembler.framed([]) + MessageAssembler.framed([4])
        for size in 1...wire.count {
            let pieces = stride(from: 0, to: wire.count, by: size).map { Array(wire[$0..<min($0 + size, wire.count)]) }
            #expect(try assemble(pieces) == [[1, 2, 3], [], [4]])
        }
    }

    @Test func largeAndCompressedOnesAreRefused() {
        #expect(throws: GRPCError.self) { try assemble([[0, 0, 0, 0, 101]]) }
        #expect(throws: GRPCError.self) { try assemble([[1, 0, 0, 0, 1]]) }
    }

    @Test func headersComeBackAsTheyWere() {
        let fields = [(":path", "/a.B/C"), ("x", String(repeating: "y", count: 300)), ("empty", "")]
        var decoder = HeaderDecoder()
        let decoded = decoder.decode(HeaderEncoder.block(fields))
        #expect(decoded?.map(\.name) == fields.map(\.0) && decoded?.map(\.value) == fields.map(\.1))
    }

    @Test func serversAreURLs() throws {
        let endpoint = try GRPCEndpoint("https://[::1]:2379")
        #expect(endpoint.isTLS && endpoint.host == "::1" && endpoint.port == 2379)
        #expect("\(endpoint)" == "https://[::1]:2379")
        for text in ["127.0.0.1:2379", "unix:///run/etcd", "http://h:1/path", "http://h:x", ""] {
            #expect(throws: TransportError.self) { try GRPCEndpoint(text) }
        }
    }
}

/// A channel against a server whose every byte is the test's to say.
@Suite struct GRPCChannelTests {
    private static let pace: GRPCPace = {
        var pace = GRPCPace()
        pace.connect = .milliseconds(500)
        pace.quietWhileAsked = .milliseconds(300)
        pace.pingAnswer = .milliseconds(300)
        pace.betweenPings = .zero
        pace.firstPause = .milliseconds(10)
        return pace
    }()

    private func withChannel(
        to ports: [Int], limit: Int = 1 << 20, _ body: (GRPCChannel) async throws -> Void
    ) async throws {
        let endpoints = try ports.map { try GRPCEndpoint("http://127.0.0.1:\($0)") }
        let channel = await GRPCChannel.open(
            endpoints, tls: nil, agent: "test", messageLimit: limit, pace: Self.pace)
        do { try await body(channel) } catch {
            await channel.close()
            throw error
        }
        await channel.close()
    }

    /// Untyped, as `#expect` wants what it is given.
    private func answer(_ channel: GRPCChannel, to message: [UInt8] = [7]) async throws -> [UInt8] {
        try await channel.call("/a.B/C", message, timeout: .seconds(20))
    }

    private func failure(_ channel: GRPCChannel, timeout: Duration = .seconds(10)) async -> GRPCError? {
        do throws(GRPCError) {
            _ = try await channel.call("/a.B/C", [7], timeout: timeout, isRepeatable: false)
            return nil
        } catch {
            return error
        }
    }

    @Test func aCallIsAnswered() async throws {
        let server = try ScriptedServer { peer in
            try peer.greet()
            while true { try peer.answer(try peer.request(), with: [9]) }
        }
        try await withChannel(to: [server.port]) { channel in
            for _ in 0..<3 {
                let reply = try await answer(channel)
                #expect(reply == [9])
            }
        }
    }

    @Test func statusAndMessageAreTheServers() async throws {
        let server = try ScriptedServer { peer in
            try peer.greet()
            try peer.trailers(
                try peer.request(),
                [
                    (":status", "200"), ("content-type", "application/grpc"),
                    ("grpc-status", "11"), ("grpc-message", "too%20far"),
                ])
            _ = try peer.frame()
        }
        try await withChannel(to: [server.port]) { channel in
            #expect(await failure(channel) == GRPCError(.outOfRange, "too far"))
        }
    }

    @Test func aCallThatIsNotAnsweredEnds() async throws {
        let server = try ScriptedServer { peer in
            try peer.greet()
            while true {
                let frame = try peer.frame()
                if frame.kind == HTTP2Frame.Kind.ping, frame.flags == 0 { try peer.pong(frame) }
            }
        }
        try await withChannel(to: [server.port]) { channel in
            #expect(await failure(channel, timeout: .seconds(1))?.code == .deadlineExceeded)
        }
    }

    /// As a stopped process is: its connections stand.
    @Test func aServerThatSaysNothingIsLeft() async throws {
        let silent = try ScriptedServer { peer in
            try peer.greet()
            while true { _ = try peer.frame() }
        }
        let mute = try ScriptedServer { peer in while true { _ = try peer.frame() } }
        let good = try ScriptedServer { peer in
            try peer.greet()
            while true { try peer.answer(try peer.request(), with: [9]) }
        }
        try await withChannel(to: [silent.port, mute.port, good.port]) { channel in
            let reply = try await answer(channel)
            #expect(reply == [9])
        }
    }

    @Test func whatAServerGoingAwayHasNotSeenGoesToAnother() async throws {
        let leaving = try ScriptedServer { peer in
            try peer.greet()
            _ = try peer.request()
            try peer.send(HTTP2Frame.Kind.goAway, payload: [0, 0, 0, 0, 0, 0, 0, 0])
            _ = try peer.frame()
        }
        let good = try ScriptedServer { peer in
            try peer.greet()
            while true { try peer.answer(try peer.request(), with: [9]) }
        }
        try await withChannel(to: [leaving.port, good.port]) { channel in
            #expect(await failure(channel) == nil)
        }
    }

    @Test func whatMayHaveBeenDoneIsNotRepeated() async throws {
        let server = try ScriptedServer { peer in
            try peer.greet()
            _ = try peer.request()
        }
        try await withChannel(to: [server.port]) { channel in
            let error = await failure(channel)
            #expect(error?.code == .unavailable && error?.isUnsent == false)
        }
    }

    @Test func withoutAServerNothingIsSent() async throws {
        let server = try ScriptedServer { _ in }
        let port = server.port
        server.stop()
        try await withChannel(to: [port]) { channel in
            let error = await failure(channel, timeout: .milliseconds(600))
            #expect(error?.code == .unavailable && error?.isUnsent == true)
            #expect(error?.message == "http://127.0.0.1:\(port): Connection refused")
        }
    }

    @Test func sendsNoMoreThanThereIsRoomFor() async throws {
        let size = 200_000
        let server = try ScriptedServer { peer in
            // A window of 1,000 bytes for each stream.
            try peer.greet(settings: [0, 4, 0, 0, 3, 0xe8])
            let stream = try peer.headers()
            var count = 0
            var isLast = false
            while !isLast {
                let frame = try peer.frame()
                guard frame.kind == HTTP2Frame.Kind.data else { continue }
                count += frame.payload.count
                isLast = frame.flags & HTTP2Frame.Flag.endStream != 0
                guard frame.payload.count <= 1000 else { return }
                let room = GRPCConnection.number(UInt32(frame.payload.count))
                try peer.send(HTTP2Frame.Kind.windowUpdate, stream: stream, payload: room)
                try peer.send(HTTP2Frame.Kind.windowUpdate, payload: room)
            }
            if count == size + 5 { try peer.answer(stream, with: [1]) }
            _ = try peer.frame()
        }
        try await withChannel(to: [server.port]) { channel in
            let message = [UInt8](repeating: 7, count: size)
            let reply = try await answer(channel, to: message)
            #expect(reply == [1])
        }
    }

    @Test func answersBeyondTheLimitAreRefused() async throws {
        let server = try ScriptedServer { peer in
            try peer.greet()
            try peer.answer(try peer.request(), with: [UInt8](repeating: 1, count: 200))
            _ = try peer.frame()
        }
        try await withChannel(to: [server.port], limit: 100) { channel in
            #expect(await failure(channel)?.code == .resourceExhausted)
        }
    }

    @Test(arguments: ["HTTP/1.1 400 Bad Request\r\n\r\n", String(repeating: "\u{7f}", count: 100)])
    func whatIsNoHTTP2IsSaidSo(text: String) async throws {
        let server = try ScriptedServer { peer in
            try peer.write(Array(text.utf8))
            _ = try peer.frame()
        }
        try await withChannel(to: [server.port]) { channel in
            let error = await failure(channel, timeout: .milliseconds(600))
            #expect(error?.message.contains("http2: ") == true)
        }
    }

    @Test func aStreamCarriesBothWays() async throws {
        let server = try ScriptedServer { peer in
            try peer.greet()
            let stream = try peer.headers()
            try peer.begin(stream)
            // Three messages of a byte with five bytes before each, in as many frames as the client likes.
            var count = 0
            while count < 18 {
                let frame = try peer.frame()
                guard frame.kind == HTTP2Frame.Kind.data, frame.stream == stream else { continue }
                try peer.send(HTTP2Frame.Kind.data, stream: stream, payload: frame.payload)
                count += frame.payload.count
            }
            try peer.trailers(stream, [("grpc-status", "0")])
            // To close before the client has read all would reset the connection.
            while true { _ = try peer.frame() }
        }
        try await withChannel(to: [server.port]) { channel in
            let (messages, gives) = AsyncStream<[UInt8]>.makeStream()
            let stream = channel.open(
                "/a.B/C", headers: [], first: [1], onMessage: { gives.yield($0) },
                onEnd: { error in
                    gives.yield(error.map { Array("\($0)".utf8) } ?? [0])
                    gives.finish()
                })
            stream.send([2])
            stream.send([3])
            var seen: [[UInt8]] = []
            for await message in messages { seen.append(message) }
            #expect(seen == [[1], [2], [3], [0]])
        }
    }
}
