import Glibc
import KubeAPI
import NIOCore

@testable import Transport

/// A server whose requests all become sessions of a command.
func withCommandServer(
    _ begin: @escaping @Sendable (RemoteCommandSession) -> Void,
    _ body: (_ port: Int, HTTPServer) async throws -> Void
) async throws {
    let handler = Handler { request, response in
        do {
            let options = try RemoteCommandOptions(query: request.query)
            response.upgrade(try RemoteCommandUpgrade.make(request, options: options, begin: begin))
        } catch {
            answer(error, response)
        }
    }
    try await withServer(handler) { port, server, _ in try await body(port, server) }
}

/// An error of the negotiation, as the node answers it.
func answer(_ error: any Error, _ response: any HTTPResponder) {
    guard let error = error as? StatusError else { return response.respond(status: 500, headers: [], body: []) }
    response.respond(status: error.code, headers: [], body: Array(error.message.utf8))
}

/// The two ends of a pipe.
struct TestPipe {
    let reading: Int32
    let writing: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        pipe(&ends)
        (reading, writing) = (ends[0], ends[1])
    }

    /// Writes and closes.
    func fill(_ text: String) {
        _ = text.withCString { write(writing, $0, strlen($0)) }
        close(writing)
    }
}

extension RawConnection {
    /// Asks for a WebSocket and reads the 101.
    func openWebSocket(_ target: String, _ subprotocol: String?) async throws -> String {
        send(
            "GET \(target) HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                + (subprotocol.map { "Sec-WebSocket-Protocol: \($0)\r\n" } ?? "") + "\r\n")
        return try await readHead()
    }

    func openSPDY(_ target: String, _ versions: [String]) async throws -> String {
        send(
            "POST \(target) HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n"
                + versions.map { "X-Stream-Protocol-Version: \($0)\r\n" }.joined() + "\r\n")
        return try await readHead()
    }

    /// Byte by byte, so that nothing of what follows is taken.
    func readHead() async throws -> String {
        var text = ""
        while !text.hasSuffix("\r\n\r\n") {
            guard let byte = try await readBytes(1)?.first else { break }
            text.unicodeScalars.append(Unicode.Scalar(byte))
        }
        return text
    }

    /// One frame of the server: its first byte and its payload; nil where it has hung up.
    func readFrame() async throws -> (first: UInt8, payload: [UInt8])? {
        guard let head = try await readBytes(2) else { return nil }
        var length = Int(head[1])
        if length == 126 {
            guard let more = try await readBytes(2) else { return nil }
            length = Int(more[0]) << 8 | Int(more[1])
        } else if length == 127 {
            guard let more = try await readBytes(8) else { return nil }
            length = more.reduce(0) { $0 << 8 | Int($1) }
        }
        guard let payload = try await readBytes(length) else { return nil }
        return (head[0], payload)
    }

    /// Reads messages, as text, until there are enough or the server closes.
    func readMessages(until isEnough: ([String]) -> Bool) async throws -> [String] {
        var messages: [String] = []
        while !isEnough(messages) {
            guard let frame = try await readFrame() else { break }
            if frame.first == 0x82 { messages.append(String(decoding: frame.payload, as: UTF8.self)) }
        }
        return messages
    }

    /// Reads messages until the server closes: what came on each channel, and the code it closed with.
    func readChannels() async throws -> (channels: [UInt8: String], code: Int?) {
        var channels: [UInt8: [UInt8]] = [:]
        while let frame = try await readFrame() {
            let payload = frame.payload
            if frame.first == 0x88 {
                let code = payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : 0
                return (channels.mapValues { String(decoding: $0, as: UTF8.self) }, code)
            }
            guard frame.first == 0x82, let channel = payload.first else { continue }
            channels[channel, default: []] += payload.dropFirst()
        }
        return (channels.mapValues { String(decoding: $0, as: UTF8.self) }, nil)
    }
}
