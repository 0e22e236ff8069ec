import Glibc
import Logging
import Synchronization

@testable import Transport

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A handler made of a closure.
struct Handler: HTTPHandler {
    let body: @Sendable (HTTPServerRequest, any HTTPResponder) -> Void
    init(_ body: @escaping @Sendable (HTTPServerRequest, any HTTPResponder) -> Void) { self.body = body }
    func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) { body(request, response) }

    /// Answers with method, path and body.
    static let echo = Handler { request, response in
        response.respond(
            status: 200, headers: [("Content-Type", "text/plain")],
            body: Array("\(request.method) \(request.path) ".utf8) + request.body)
    }
}

extension ServerLimits {
    /// Nothing ends because a machine is slow: a test that is about one of the times sets that one.
    static let patient: ServerLimits = {
        var limits = ServerLimits()
        limits.headTimeout = .seconds(3600)
        limits.bodyTimeout = .seconds(3600)
        limits.idleTimeout = .seconds(3600)
        limits.answerTimeout = .seconds(3600)
        return limits
    }()
}

extension HTTPClient.Limits {
    static let patient: HTTPClient.Limits = {
        var limits = HTTPClient.Limits()
        limits.connectTimeout = .seconds(3600)
        limits.idleTimeout = .seconds(3600)
        return limits
    }()
}

extension Duration {
    /// For what is not to run out.
    static let ever: Duration = .seconds(3600)
}

/// Runs `body` against a server on a free port of the loopback interface.
func withServer(
    _ handler: Handler = .echo, limits: ServerLimits = .patient,
    _ body: (_ port: Int, HTTPServer, EventLoops) async throws -> Void
) async throws {
    let loops = EventLoops(count: 1)
    let server = HTTPServer(loops: loops, handler: handler, tls: nil, limits: limits, log: quiet)
    do {
        let port = try await server.listen(host: "127.0.0.1", port: 0)
        try await body(port, server, loops)
    } catch {
        await server.shutdown(grace: .milliseconds(200))
        await loops.shutdown()
        throw error
    }
    await server.shutdown(grace: .milliseconds(200))
    await loops.shutdown()
}

/// A plain socket: what goes over the wire is the test's to say.
final class RawConnection {
    struct Failure: Error {}
    private let descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure() }
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// False where the server has closed.
    @discardableResult func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    /// False where the server takes no more for two seconds.
    func sendsWithoutBlocking(_ bytes: [UInt8]) async throws -> Bool {
        var sent = 0
        var turns = 0
        while sent < bytes.count, turns < 1_000 {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count > 0 {
                sent += count
                turns = 0
            } else if errno == EAGAIN {
                try await Task.sleep(for: .milliseconds(2))
                turns += 1
            } else {
                return false
            }
        }
        return sent == bytes.count
    }

    @discardableResult func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Reads until `end` has come, or the server has closed, or a minute has passed. Polls, because a blocked thread would
    /// be one of the few that all tests share.
    func read(until end: String? = nil) async throws -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        for _ in 0..<30_000 {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                bytes.append(contentsOf: buffer[..<count])
                if let end, String(decoding: bytes, as: UTF8.self).contains(end) { break }
            } else if count < 0 && errno == EAGAIN {
                try await Task.sleep(for: .milliseconds(2))
            } else {
                break
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Exactly that many bytes; nil where the server closes before, or a minute has passed.
    func readBytes(_ count: Int) async throws -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var turns = 0
        while bytes.count < count {
            let received = recv(descriptor, &buffer, min(buffer.count, count - bytes.count), Int32(MSG_DONTWAIT))
            if received > 0 {
                bytes.append(contentsOf: buffer[..<received])
            } else if received < 0 && errno == EAGAIN && turns < 30_000 {
                turns += 1
                try await Task.sleep(for: .milliseconds(2))
            } else {
                return nil
            }
        }
        return bytes
    }

    /// Whether the server closes within a minute.
    func isClosedByPeer() async throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        for _ in 0..<30_000 {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count == 0 || count < 0 && errno == ECONNRESET { return true }
            if count < 0 { try await Task.sleep(for: .milliseconds(2)) }
        }
        return false
    }
}

/// Waits until `condition` holds, for a minute at most.
func eventually(seconds: Int = 60, _ condition: () -> Bool) async throws -> Bool {
    for _ in 0..<(100 * seconds) {
        if condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return condition()
}

/// Runs what blocks: a blocked thread of the pool would be one of the few that all tests share.
func onThread(_ body: @escaping @Sendable () -> Void) {
    final class Job {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { context in
            if let context { Unmanaged<Job>.fromOpaque(context).takeRetainedValue().body() }
            return nil
        }, Unmanaged.passRetained(Job(body)).toOpaque())
    pthread_detach(thread)
}

/// A counter that closures share.
final class Counter: Sendable {
    private let number = Atomic<Int>(0)
    var value: Int { number.load(ordering: .sequentiallyConsistent) }
    func increment() { number.add(1, ordering: .sequentiallyConsistent) }
}

/// A value that closures share.
final class Box<Value: Sendable>: Sendable {
    private let content: Mutex<Value>
    init(_ value: Value) { content = Mutex(value) }
    var value: Value {
        get { content.withLock { $0 } }
        set { content.withLock { $0 = newValue } }
    }
}
