import Glibc
import Synchronization
import Testing

@testable import Transport

/// A server of HTTP/2 on the loopback interface that does to each connection what the test says, on a thread of its own.
final class ScriptedServer: Sendable {
    struct Ended: Error {}

    let port: Int
    private let listener: Int32
    private let isStopped = Mutex(false)

    init(_ script: @escaping @Sendable (inout Peer) throws -> Void) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 16) == 0
                    ? getsockname(descriptor, $0, &size) : -1
            }
        }
        try #require(result == 0)
        port = Int(in_port_t(bigEndian: address.sin_port))
        Self.thread {
            while true {
                let connection = accept(descriptor, nil, nil)
                if connection < 0 { return }
                Self.thread {
                    var peer = Peer(descriptor: connection)
                    try? script(&peer)  // the connection has ended, and so does the script
                    close(connection)
                }
            }
        }
    }

    deinit { stop() }

    func stop() {
        let isFirst = isStopped.withLock { isStopped in
            defer { isStopped = true }
            return !isStopped
        }
        guard isFirst else { return }
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private static func thread(_ body: @escaping @Sendable () -> Void) {
        final class Body {
            let run: @Sendable () -> Void
            init(_ run: @escaping @Sendable () -> Void) { self.run = run }
        }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(Body(body)).toOpaque())
        pthread_detach(thread)
    }

    /// The server's side of one connection.
    struct Peer {
        let descriptor: Int32
        private var received: [UInt8] = []
        private var hasPreface = false

        init(descriptor: Int32) {
            self.descriptor = descriptor
            var limit = timeval(tv_sec: 30, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        }

        func write(_ bytes: [UInt8]) throws {
            guard Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
                throw Ended()
            }
        }

        func send(_ kind: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, payload: [UInt8] = []) throws {
            try write(HTTP2Frame(kind: kind, flags: flags, stream: stream, payload: payload).bytes)
        }

        func greet(settings: [UInt8] = []) throws { try send(HTTP2Frame.Kind.settings, payload: settings) }

        func pong(_ ping: HTTP2Frame) throws {
            try send(HTTP2Frame.Kind.ping, flags: HTTP2Frame.Flag.acknowledgement, payload: ping.payload)
        }

        mutating func frame() throws -> HTTP2Frame {
            while true {
                if !hasPreface, received.count >= HTTP2Frame.preface.count {
                    received.removeFirst(HTTP2Frame.preface.count)
                    hasPreface = true
                }
                if hasPreface, case .frame(let frame) = HTTP2Frame.take(from: &received) { return frame }
                var chunk = [UInt8](repeating: 0, count: 65536)
                let count = recv(descriptor, &chunk, chunk.count, 0)
                guard count > 0 else { throw Ended() }
                received += chunk.prefix(count)
            }
        }

        /// The stream of the next call, whose headers have come.
        mutating func headers() throws -> UInt32 {
            while true {
                let frame = try frame()
                if frame.kind == HTTP2Frame.Kind.headers { return frame.stream }
            }
        }

        /// The stream of the next call, all of which has come.
        mutating func request() throws -> UInt32 {
            while true {
                let frame = try frame()
                if frame.kind == HTTP2Frame.Kind.data, frame.flags & HTTP2Frame.Flag.endStream != 0 {
                    return frame.stream
                }
            }
        }

        func begin(_ stream: UInt32) throws {
            try send(
                HTTP2Frame.Kind.headers, flags: HTTP2Frame.Flag.endHeaders, stream: stream,
                payload: HeaderEncoder.block([(":status", "200"), ("content-type", "application/grpc")]))
        }

        func trailers(_ stream: UInt32, _ fields: [(String, String)]) throws {
            try send(
                HTTP2Frame.Kind.headers, flags: HTTP2Frame.Flag.endHeaders | HTTP2Frame.Flag.endStream, stream: stream,
                payload: HeaderEncoder.block(fields))
        }

        func answer(_ stream: UInt32, with message: [UInt8]) throws {
            try begin(stream)
            try send(HTTP2Frame.Kind.data, stream: stream, payload: MessageAssembler.framed(message))
            try trailers(stream, [("grpc-status", "0"), ("grpc-message", "")])
        }
    }
}
