import Glibc
import KubeAPI
import Testing

@testable import ProxyDataPath

/// A client with calls that block, for at most half a minute.
final class TestClient {
    struct Refused: Error {}
    private let socket: Int32
    private let isStream: Bool
    private var isClosed = false

    init(_ address: IPAddress, _ port: UInt16, isStream: Bool = true) throws {
        self.isStream = isStream
        socket = Glibc.socket(AF_INET, Int32(isStream ? SOCK_STREAM.rawValue : SOCK_DGRAM.rawValue), 0)
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let code = SocketAddress(address, port).withRaw { connect(socket, $0, $1) }
        guard code == 0 else {
            Glibc.close(socket)
            isClosed = true
            throw Refused()
        }
    }

    deinit { close() }

    func close() {
        if !isClosed { Glibc.close(socket) }
        isClosed = true
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    func shutdownWriting() { shutdown(socket, Int32(SHUT_WR)) }

    /// Sends a line and reads one.
    func ask(_ text: String) throws -> String {
        send(text + "\n")
        var line: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while line.last != UInt8(ascii: "\n") {
            let count = recv(socket, &buffer, isStream ? 1 : buffer.count, 0)
            guard count > 0 else { throw Refused() }
            line += buffer.prefix(count)
        }
        return String(decoding: line.dropLast(), as: UTF8.self)
    }

    func readToEnd() -> String {
        var all: [UInt8] = []
        var byte: UInt8 = 0
        while recv(socket, &byte, 1, 0) == 1 { all.append(byte) }
        return String(decoding: all, as: UTF8.self)
    }

    /// True when the connection was reset, false when it ended in another way.
    func waitForReset() -> Bool {
        var byte: UInt8 = 0
        while true {
            let count = recv(socket, &byte, 1, 0)
            if count < 0 { return errno == ECONNRESET }
            if count == 0 { return false }
        }
    }
}

/// A server with a thread for each connection that answers each line with its name and the line.
final class EchoServer: @unchecked Sendable {
    // Safe: set before its threads start, never changed.
    private let socket: Int32
    let place: (IPAddress, UInt16)

    init(
        _ address: IPAddress, name: String, isStream: Bool = true, answersAtEnd: Bool = false, resets: Bool = false
    ) throws {
        let listener = Glibc.socket(AF_INET, Int32(isStream ? SOCK_STREAM.rawValue : SOCK_DGRAM.rawValue), 0)
        socket = listener
        try #require(SocketAddress(address, 0).withRaw { bind(listener, $0, $1) } == 0)
        var raw = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &raw) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
        }
        place = (address, UInt16(bigEndian: raw.sin_port))
        if isStream { try #require(listen(listener, 128) == 0) }
        let prefix = Array(name.utf8)
        Self.thread {
            if !isStream { return Self.echoDatagrams(listener, prefix) }
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                Self.thread { Self.serve(connection, prefix, answersAtEnd: answersAtEnd, resets: resets) }
            }
        }
    }

    deinit { shutdown(socket, Int32(SHUT_RDWR)) }

    /// Its place, with nobody there any more.
    func closed() -> (IPAddress, UInt16) {
        shutdown(socket, Int32(SHUT_RDWR))
        return place
    }

    private static func thread(_ body: @escaping @Sendable () -> Void) {
        final class Box {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body() }
                return nil
            }, Unmanaged.passRetained(Box(body)).toOpaque())
        pthread_detach(thread)
    }

    private static func serve(_ connection: Int32, _ prefix: [UInt8], answersAtEnd: Bool, resets: Bool) {
        defer { close(connection) }
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while recv(connection, &byte, 1, 0) == 1 {
            if resets { return SocketCalls.reset(dup(connection)) }
            line.append(byte)
            guard byte == UInt8(ascii: "\n"), !answersAtEnd else { continue }
            let answer = prefix + line
            _ = send(connection, answer, answer.count, Int32(MSG_NOSIGNAL))
            line = []
        }
        let answer = prefix + line
        if answersAtEnd { _ = send(connection, answer, answer.count, Int32(MSG_NOSIGNAL)) }
    }

    private static func echoDatagrams(_ socket: Int32, _ prefix: [UInt8]) {
        var buffer = [UInt8](repeating: 0, count: 2048)
        var peer = sockaddr_in()
        while true {
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &peer) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw -> Int in
                    let count = recvfrom(socket, &buffer, buffer.count, 0, raw, &length)
                    guard count > 0 else { return count }
                    let answer = prefix + buffer.prefix(count)
                    return sendto(socket, answer, answer.count, 0, raw, length)
                }
            }
            if count <= 0 { return }
        }
    }
}
