import Glibc
import NIOCore
import Synchronization
import Testing

@testable import Transport

@Suite struct RemoteCommandTests {
    /// A command that echoes its input to its output, says `bye` on stderr, and ends with 3.
    private static func echo(_ session: RemoteCommandSession) {
        let (stdin, stdout, stderr) = (TestPipe(), TestPipe(), TestPipe())
        session.connect(
            CommandDescriptors(
                stdin: session.options.stdin ? stdin.writing : nil, stdout: stdout.reading,
                stderr: session.options.stderr ? stderr.reading : nil))
        let reads = session.options.stdin
        onThread {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while reads {
                let count = read(stdin.reading, &buffer, buffer.count)
                if count <= 0 { break }
                _ = write(stdout.writing, buffer, count)
            }
            stderr.fill("bye")
            close(stdout.writing)
            if reads { close(stdin.reading) }
            session.finish(.exited(code: 3, text: "error executing command [echo], exit code 3"))
        }
    }

    @Test func aWebSocketOfTheFifthVersion() async throws {
        try await withCommandServer(Self.echo) { port, _ in
            let client = try RawConnection(port: port)
            let head = try await client.openWebSocket(
                "/exec?input=1&output=1&error=1", "v5.channel.k8s.io, v4.channel.k8s.io")
            #expect(head.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
            #expect(head.contains("Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"))
            // RFC 6455, 1.3.
            #expect(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
            client.send(clientFrame(2, [0] + Array("hello".utf8)))
            client.send(clientFrame(9, [7]))
            client.send(clientFrame(2, [255, 0]))
            let (channels, code) = try await client.readChannels()
            #expect(channels[1] == "hello")
            #expect(channels[2] == "bye")
            #expect(channels[3]?.contains("\"reason\":\"NonZeroExitCode\"") == true)
            #expect(channels[3]?.contains("{\"reason\":\"ExitCode\",\"message\":\"3\"}") == true)
            #expect(code == 1000)
            client.send(clientFrame(8, [3, 232]))
            #expect(try await client.isClosedByPeer())
        }
    }

    @Test func theFourthVersionHasNoWordForTheEndOfInput() async throws {
        let sessions = Box<[RemoteCommandSession]>([])
        try await withCommandServer({ session in
            sessions.value.append(session)
            Self.echo(session)
        }) { port, _ in
            let client = try RawConnection(port: port)
            #expect(
                try await client.openWebSocket("/exec?input=1&output=1", "v4.channel.k8s.io")
                    .contains("Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n"))
            client.send(clientFrame(2, [255, 0]))
            client.send(clientFrame(2, [0, 65]))
            // The empty message says that the connection stands.
            #expect(try await client.readFrame()?.payload == [1])
            #expect(try await client.readFrame()?.payload == [1, 65])
        }
    }

    @Test func pingsAreAnswered() async throws {
        try await withCommandServer({ _ in }) { port, _ in
            let client = try RawConnection(port: port)
            _ = try await client.openWebSocket("/exec?output=1", nil)
            client.send(clientFrame(9, Array("still there".utf8)))
            _ = try await client.readFrame()
            let pong = try await client.readFrame()
            #expect(pong?.first == 0x8a)
            #expect(pong?.payload == Array("still there".utf8))
        }
    }

    @Test func whatIsSentWithTheRequestIsNotLost() async throws {
        try await withCommandServer(Self.echo) { port, _ in
            let client = try RawConnection(port: port)
            var bytes = Array(
                ("GET /exec?input=1&output=1 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
                    + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    + "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n").utf8)
            bytes += clientFrame(2, [0] + Array("early".utf8)) + clientFrame(2, [255, 0])
            client.send(bytes)
            _ = try await client.readHead()
            #expect(try await client.readChannels().channels[1] == "early")
        }
    }

    @Test(arguments: [
        "v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io",
    ])
    func streamsOverSPDY(version: String) async throws {
        try await withCommandServer(Self.echo) { port, _ in
            let connection = try RawConnection(port: port)
            let head = try await connection.openSPDY("/exec?input=1&output=1&error=1", ["v9.channel.k8s.io", version])
            #expect(head.contains("Upgrade: SPDY/3.1\r\n"))
            #expect(head.contains("X-Stream-Protocol-Version: \(version)\r\n"))
            let client = SPDYClient()
            for (index, type) in ["error", "stdin", "stdout", "stderr"].enumerated() {
                connection.send(try client.open(UInt32(2 * index + 1), [("streamtype", type)]))
            }
            connection.send(client.ping(1) + client.data(3, Array("over ".utf8)))
            connection.send(client.data(3, Array("SPDY".utf8), isLast: true))
            let heard = try await SPDYListener(connection).untilEnded([1, 5, 7])
            #expect(heard.replies == [1, 3, 5, 7])
            #expect(heard.pings == [1])
            #expect(heard.data[5] == "over SPDY")
            #expect(heard.data[7] == "bye")
            if version.hasPrefix("v4") || version.hasPrefix("v5") {
                #expect(heard.data[1]?.contains("\"message\":\"3\"") == true)
            } else {
                #expect(
                    heard.data[1]
                        == "command terminated with non-zero exit code: error executing command [echo], exit code 3")
            }
        }
    }

    @Test func sizesOfTheTerminalArrive() async throws {
        let sizes = Box<[TerminalSize]>([])
        try await withCommandServer({ session in session.onResize { size in sizes.value.append(size) } }) { port, _ in
            let client = try RawConnection(port: port)
            _ = try await client.openWebSocket("/exec?input=1&output=1&tty=1", "v5.channel.k8s.io")
            client.send(clientFrame(2, [4] + Array("{\"Width\":80,\"Height\":24}\n".utf8)))
            client.send(clientFrame(2, [4] + Array("{\"Width\":0,\"Height\":24}{\"Wid".utf8)))
            client.send(clientFrame(2, [4] + Array("th\":132,\"Height\":50}nonsense}".utf8)))
            #expect(try await eventually { sizes.value.count == 2 })
            #expect(sizes.value == [TerminalSize(width: 80, height: 24), TerminalSize(width: 132, height: 50)])
        }
    }

    @Test func aClientThatVanishesEndsTheSession() async throws {
        let closed = Counter()
        let stdin = TestPipe()
        try await withCommandServer({ session in
            session.onClose { closed.increment() }
            session.connect(CommandDescriptors(stdin: stdin.writing))
        }) { port, server in
            do {
                let client = try RawConnection(port: port)
                _ = try await client.openWebSocket("/exec?input=1&output=1", "v5.channel.k8s.io")
            }
            #expect(try await eventually { closed.value == 1 })
            // The command's input has ended.
            _ = fcntl(stdin.reading, F_SETFL, O_NONBLOCK)
            #expect(
                try await eventually {
                    var byte: UInt8 = 0
                    return read(stdin.reading, &byte, 1) == 0
                })
            #expect(try await eventually { server.connectionCount == 0 })
        }
    }

    @Test func aClientThatDoesNotReadStopsTheCommand() async throws {
        let counted = Counted()
        try await withCommandServer({ session in
            let stdout = TestPipe()
            session.connect(CommandDescriptors(stdout: stdout.reading))
            _ = fcntl(stdout.writing, F_SETFL, O_NONBLOCK)
            Task.detached {
                let block = [UInt8](repeating: 97, count: 65_536)
                // Until nothing has been taken for half a second.
                var idle = 0
                while idle < 100 {
                    let count = write(stdout.writing, block, block.count)
                    if count > 0 {
                        counted.add(count)
                        idle = 0
                    } else {
                        idle += 1
                        try? await Task.sleep(for: .milliseconds(5))  // nobody cancels it
                    }
                }
                counted.isDone.value = true
                close(stdout.writing)
            }
        }) { port, _ in
            let client = try RawConnection(port: port)
            _ = try await client.openWebSocket("/exec?output=1", "v5.channel.k8s.io")
            #expect(try await eventually(seconds: 60) { counted.isDone.value })
            // What the kernel's socket buffers take, and little more.
            #expect(counted.value < 24 << 20)
            #expect(counted.value > 0)
        }
    }

    private final class Counted: Sendable {
        let isDone = Box(false)
        private let count = Atomic<Int>(0)
        var value: Int { count.load(ordering: .sequentiallyConsistent) }
        func add(_ more: Int) { count.add(more, ordering: .sequentiallyConsistent) }
    }

    @Test func inputThatNobodyTakesIsNotCollected() async throws {
        let stdin = TestPipe()
        try await withCommandServer({ session in
            session.connect(CommandDescriptors(stdin: stdin.writing))
        }) { port, _ in
            let client = try RawConnection(port: port)
            _ = try await client.openWebSocket("/exec?input=1&output=1", "v5.channel.k8s.io")
            // 64 MiB: were it collected, all of it would be taken.
            let frame = clientFrame(2, [0] + [UInt8](repeating: 98, count: 1 << 20))
            var sent = 0
            while sent < 64 {
                guard try await client.sendsWithoutBlocking(frame) else { break }
                sent += 1
            }
            #expect(sent < 32)
            close(stdin.reading)
        }
    }

    @Test func refusesWhatItDoesNotSpeak() async throws {
        try await withCommandServer({ _ in }) { port, _ in
            func answer(_ request: String) async throws -> String {
                let client = try RawConnection(port: port)
                client.send(request)
                return try await client.read()
            }
            let plain = try await answer("GET /exec?output=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            #expect(plain.hasPrefix("HTTP/1.1 400 ") && plain.hasSuffix("Upgrade request required"))
            let none = try await answer("GET /exec HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            #expect(none.hasSuffix("you must specify at least 1 of stdin, stdout, stderr"))
            let version = try await answer(
                "POST /exec?output=1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                    + "X-Stream-Protocol-Version: v9.channel.k8s.io\r\nContent-Length: 0\r\n\r\n")
            #expect(version.hasPrefix("HTTP/1.1 400 "))
            #expect(
                version.contains(
                    "unable to negotiate protocol: client supports [v9.channel.k8s.io], server accepts [v5."))
            let key = try await answer(
                "GET /exec?output=1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n")
            #expect(key.hasPrefix("HTTP/1.1 400 ") && key.contains("16 bytes in base64"))
        }
    }

    @Test func aViolationEndsTheConnection() async throws {
        try await withCommandServer({ _ in }) { port, _ in
            let client = try RawConnection(port: port)
            _ = try await client.openWebSocket("/exec?output=1", "v5.channel.k8s.io")
            client.send([0x82, 0x01, 0x00])
            let (_, code) = try await client.readChannels()
            #expect(code == 1002)
        }
    }

    /// Runs `body` against a server that passes everything on to that port.
    private func withRelay(to back: Int, _ body: (_ port: Int) async throws -> Void) async throws {
        let loops = EventLoops(count: 1)
        let relay = UpgradeRelay(loops: loops, tls: nil)
        let handler = Handler { request, response in
            relay.pass(
                request.method, host: "127.0.0.1", port: back, target: "/exec?\(request.rawQuery)",
                headers: request.headers.map { ($0.name, $0.value) }, to: response)
        }
        try await withServer(handler) { port, _, _ in try await body(port) }
        await loops.shutdown()
    }

    @Test func aRelayPassesAllOn() async throws {
        try await withCommandServer(Self.echo) { back, _ in
            try await withRelay(to: back) { port in
                let client = try RawConnection(port: port)
                let head = try await client.openWebSocket("/front?input=1&output=1", "v5.channel.k8s.io")
                #expect(head.contains("Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"))
                let long = String(repeating: "0123456789abcdef", count: 50_000)
                client.send(clientFrame(2, [0] + Array(long.utf8)))
                client.send(clientFrame(2, [255, 0]))
                let (channels, code) = try await client.readChannels()
                #expect(channels[1] == long)
                #expect(channels[3]?.contains("NonZeroExitCode") == true)
                #expect(code == 1000)
            }
        }
    }

    @Test func aRelayPassesRefusalsOn() async throws {
        try await withCommandServer({ _ in }) { back, _ in
            try await withRelay(to: back) { port in
                let client = try RawConnection(port: port)
                let head = try await client.openWebSocket("/front", "v5.channel.k8s.io")
                #expect(head.hasPrefix("HTTP/1.1 400 "))
                #expect(try await client.read() == "you must specify at least 1 of stdin, stdout, stderr")
            }
        }
        // Nobody listens there.
        try await withRelay(to: 1) { port in
            let client = try RawConnection(port: port)
            _ = try await client.openWebSocket("/front?output=1", "v5.channel.k8s.io")
            #expect(try await client.read().contains("error dialing backend: cannot connect to 127.0.0.1:1"))
        }
    }

    @Test func whoLeavesARelayLeavesTheCommand() async throws {
        let closed = Counter()
        try await withCommandServer({ session in session.onClose { closed.increment() } }) { back, server in
            try await withRelay(to: back) { port in
                do {
                    let client = try RawConnection(port: port)
                    _ = try await client.openWebSocket("/front?output=1", "v5.channel.k8s.io")
                }
                #expect(try await eventually { closed.value == 1 && server.connectionCount == 0 })
            }
        }
    }

    @Test func shuttingDownClosesSessions() async throws {
        let closed = Counter()
        try await withCommandServer({ session in session.onClose { closed.increment() } }) { port, server in
            let client = try RawConnection(port: port)
            _ = try await client.openWebSocket("/exec?output=1", "v5.channel.k8s.io")
            await server.shutdown(grace: .milliseconds(200))
            #expect(closed.value == 1)
        }
    }
}

/// Hears what a SPDY server sends.
final class SPDYListener {
    struct Heard {
        var replies: [UInt32] = []
        var pings: [UInt32] = []
        var data: [UInt32: String] = [:]
        var ended: Set<UInt32> = []
        var resets: [UInt32] = []
    }
    private let connection: RawConnection
    private let headers = SPDYHeaderReader()

    /// In a tunnel: what has come by messages of a WebSocket and is not read yet. Nil without one.
    private var tunneled: [UInt8]?

    init(_ connection: RawConnection, isTunneled: Bool = false) {
        self.connection = connection
        tunneled = isTunneled ? [] : nil
    }

    private func read(_ count: Int) async throws -> [UInt8]? {
        guard var bytes = tunneled else { return try await connection.readBytes(count) }
        while bytes.count < count {
            guard let frame = try await connection.readFrame() else { return nil }
            if frame.first == 0x82 { bytes += frame.payload }
        }
        tunneled = Array(bytes.dropFirst(count))
        return Array(bytes.prefix(count))
    }

    /// Until the server has ended these streams, or hung up.
    func untilEnded(_ streams: Set<UInt32>, checksReplies: Bool = true) async throws -> Heard {
        var heard = Heard()
        while !heard.ended.union(heard.resets).isSuperset(of: streams) {
            guard let head = try await read(8) else { break }
            let first = head[..<4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let length = head[5...].reduce(0) { $0 << 8 | Int($1) }
            guard let body = try await read(length) else { break }
            guard first & 0x8000_0000 != 0 else {
                heard.data[first, default: ""] += String(decoding: body, as: UTF8.self)
                if head[4] & 1 != 0 { heard.ended.insert(first) }
                continue
            }
            let number = body.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            switch first & 0xffff {
            case 2:
                if checksReplies { #expect(try headers.read(ByteBuffer(bytes: body.dropFirst(4))).isEmpty) }
                heard.replies.append(number)
            case 3: heard.resets.append(number)
            case 6: heard.pings.append(number)
            default: break
            }
        }
        return heard
    }
}
