import Glibc
import KubeAPI
import NIOCore
import Testing

@testable import Transport

@Suite struct PortForwardTests {
    /// Answers each connection to port 80 with an echo that ends when its input does; refuses others.
    private static let connect: PortForwardUpgrade.Connect = { port in
        guard port == 80 else { return .failure(PortForwardFailure("error forwarding port \(port) to pod p: refused")) }
        var ends: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends)
        let server = ends[1]
        onThread {
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(server, &buffer, buffer.count)
                if count <= 0 { break }
                _ = write(server, buffer, count)
            }
            close(server)
        }
        return .success(ends[0])
    }

    private func withForwarder(_ body: (RawConnection) async throws -> Void) async throws {
        let handler = Handler { request, response in
            do {
                response.upgrade(try PortForwardUpgrade.make(request, connect: Self.connect))
            } catch {
                answer(error, response)
            }
        }
        try await withServer(handler) { port, _, _ in try await body(RawConnection(port: port)) }
    }

    private func pair(_ client: SPDYClient, _ id: UInt32, port: Int) throws -> [UInt8] {
        let fields = [(name: "port", value: String(port)), (name: "requestid", value: String(id))]
        return try client.open(id, [("streamtype", "error")] + fields, isLast: true)
            + client.open(id + 2, [("streamtype", "data")] + fields)
    }

    @Test func joinsPairsOfStreamsWithConnections() async throws {
        try await withForwarder { connection in
            let head = try await connection.openSPDY("/portForward/n/p", ["portforward.k8s.io"])
            #expect(head.contains("X-Stream-Protocol-Version: portforward.k8s.io\r\n"))
            let client = SPDYClient()
            connection.send(try pair(client, 1, port: 80) + pair(client, 5, port: 80))
            connection.send(client.data(3, Array("one".utf8)) + client.data(7, Array("two".utf8), isLast: true))
            connection.send(client.data(3, Array(" more".utf8), isLast: true))
            let heard = try await SPDYListener(connection).untilEnded([1, 3, 5, 7])
            #expect(heard.data[3] == "one more")
            #expect(heard.data[7] == "two")
            // Nothing to complain of.
            #expect(heard.data[1] == "" && heard.data[5] == "")
        }
    }

    @Test func tellsWhyThereIsNoConnectionAndGoesOn() async throws {
        try await withForwarder { connection in
            _ = try await connection.openSPDY("/portForward/n/p", ["portforward.k8s.io"])
            let client = SPDYClient()
            connection.send(try pair(client, 1, port: 81))
            #expect(
                try await SPDYListener(connection).untilEnded([1, 3]).data[1]
                    == "error forwarding port 81 to pod p: refused")
            connection.send(try pair(client, 5, port: 80) + client.data(7, Array("x".utf8), isLast: true))
            #expect(try await SPDYListener(connection).untilEndedIgnoringReplies([7]) == "x")
        }
    }

    @Test func refusesStreamsThatAreNotOfAPair() async throws {
        try await withForwarder { connection in
            _ = try await connection.openSPDY("/portForward/n/p", ["portforward.k8s.io"])
            let client = SPDYClient()
            connection.send(try client.open(1, [("streamtype", "data"), ("port", "0"), ("requestid", "1")]))
            connection.send(try client.open(3, [("streamtype", "other"), ("port", "80"), ("requestid", "1")]))
            connection.send(try client.open(5, []))
            #expect(try await SPDYListener(connection).untilEnded([1, 3, 5]).resets == [1, 3, 5])
        }
    }

    @Test func tunnelsThroughAWebSocketCutAnywhere() async throws {
        try await withForwarder { connection in
            let head = try await connection.openWebSocket("/portForward/n/p", "SPDY/3.1+portforward.k8s.io")
            #expect(head.contains("Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n"))
            let client = SPDYClient()
            let bytes = try pair(client, 1, port: 80) + client.data(3, Array("tunnel".utf8), isLast: true)
            for byte in bytes { connection.send(clientFrame(2, [byte])) }
            // The echo may come in as many pieces.
            let heard = try await SPDYListener(connection, isTunneled: true).untilEnded([1, 3])
            #expect(heard.data[3] == "tunnel")
        }
    }

    @Test func channelsBeginWithTheirPort() async throws {
        try await withForwarder { connection in
            _ = try await connection.openWebSocket("/portForward/n/p?port=80,81", "v4.channel.k8s.io")
            connection.send(clientFrame(2, [0] + Array("ping".utf8)))
            let messages = try await connection.readMessages { $0.count == 6 }
            // The channel, then its port, little-endian.
            #expect(Set(messages.prefix(4)) == ["\u{0}P\u{0}", "\u{1}P\u{0}", "\u{2}Q\u{0}", "\u{3}Q\u{0}"])
            #expect(
                Set(messages.dropFirst(4)) == ["\u{0}ping", "\u{3}error forwarding port 81 to pod p: refused"])
        }
    }

    @Test func channelsEndWithThePodsSide() async throws {
        let connect: PortForwardUpgrade.Connect = { _ in
            var ends: [Int32] = [-1, -1]
            socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends)
            _ = write(ends[1], "bye", 3)
            close(ends[1])
            return .success(ends[0])
        }
        let handler = Handler { request, response in
            do {
                response.upgrade(try PortForwardUpgrade.make(request, connect: connect))
            } catch {
                answer(error, response)
            }
        }
        try await withServer(handler) { port, _, _ in
            let connection = try RawConnection(port: port)
            _ = try await connection.openWebSocket("/portForward/n/p?port=80", "v4.channel.k8s.io")
            let heard = try await connection.readChannels()
            #expect(heard.channels[0]?.hasSuffix("bye") == true)
            #expect(heard.code == 1000)
        }
    }

    @Test func refusesPortsThatAreNone() async throws {
        for (query, text) in [
            ("", "query parameter \"port\" is required"), ("?port=", "query parameter \"port\" cannot be empty"),
            ("?port=a", "unable to parse \"a\" as a port: invalid syntax"), ("?port=0", "port \"0\" must be > 0"),
        ] {
            try await withForwarder { connection in
                let head = try await connection.openWebSocket("/portForward/n/p\(query)", "v4.channel.k8s.io")
                #expect(head.hasPrefix("HTTP/1.1 400 "))
                #expect(try await connection.read() == text)
            }
        }
    }
}

extension SPDYListener {
    /// The text of one stream, however the replies before it are packed.
    func untilEndedIgnoringReplies(_ streams: Set<UInt32>) async throws -> String {
        try await untilEnded(streams, checksReplies: false).data.filter { streams.contains($0.key) }.values.joined()
    }
}
