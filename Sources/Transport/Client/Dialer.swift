import KubeAPI
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// A GET over a connection of its own.
public struct DialRequest: Sendable, Equatable {
    /// A name or an address, without brackets.
    public var host: String
    public var port: Int
    public var isTLS: Bool
    /// Path and query as they stand on the wire.
    public var target: String
    public var headers: [(name: String, value: String)]

    public init(host: String, port: Int, isTLS: Bool = false, target: String, headers: [(name: String, value: String)])
    {
        self.host = host
        self.port = port
        self.isTLS = isTLS
        self.target = target
        self.headers = headers
    }

    public static func == (left: DialRequest, right: DialRequest) -> Bool {
        left.host == right.host && left.port == right.port && left.isTLS == right.isTLS && left.target == right.target
            && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }
}

/// What came of it.
public struct DialAnswer: Sendable {
    public var status: Int
    public var headers: [(name: String, value: String)]
    /// Cut where the caller wants no more.
    public var body: [UInt8]

    public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first value of that header; names ignore case.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// Asks one question over each connection and closes it: to find out whether somebody answers there. Nothing is kept,
/// followed or tried again, any certificate is believed, and each call ends at its time whatever the other side does.
public final class Dialer: Sendable {
    private let loops: EventLoops
    private let tls: ClientTLS

    public init(loops: EventLoops) throws {
        self.loops = loops
        tls = try ClientTLS(isInsecure: true)
    }

    /// Connects, and hangs up.
    public func touch(host: String, port: Int, timeout: Duration) async throws(DialError) {
        let cancellation = DialCancellation()
        let channel = try await connect(host, port, timeout, cancellation) { _ in }
        channel.close(promise: nil)
    }

    /// Sends a GET, and reads the answer up to `bodyLimit` bytes of its body. `timeout` covers all of it.
    public func get(_ request: DialRequest, bodyLimit: Int, timeout: Duration) async throws(DialError) -> DialAnswer {
        var headers = HTTPHeaders(request.headers.map { ($0.name, $0.value) })
        headers.replaceOrAdd(name: "Connection", value: "close")
        // The encoder would send them as they are, and more requests with them.
        guard headers.allSatisfy({ Self.isPlain($0.name) && Self.isPlain($0.value) }), Self.isPlain(request.target)
        else { throw DialError(.connection, .unusable("net/http: invalid header field")) }
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: request.target, headers: headers)
        let deadline = NIODeadline.now() + .nanoseconds(timeout.nanos)
        let cancellation = DialCancellation()
        let tls = request.isTLS ? self.tls : nil
        let host = request.host
        return try await ask(
            host: host, port: request.port, timeout: timeout, cancellation
        ) { channel, promise in
            let pipeline = channel.pipeline.syncOperations
            if let tls { try pipeline.addHandler(tls.makeHandler(host: host, verdict: ServerVerdict())) }
            try pipeline.addHandler(HTTPRequestEncoder())
            var decoding = NIOHTTPDecoderLimitConfiguration()
            decoding.maxHeaderListSize = 64 << 10
            try pipeline.addHandler(
                ByteToMessageHandler(
                    HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: decoding)))
            try pipeline.addHandler(
                GetHandler(head: head, bodyLimit: bodyLimit, deadline: deadline, promise: promise))
        }
    }

    private static func isPlain(_ text: String) -> Bool { text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 9 } }

    // MARK: connections

    /// Connects with handlers that keep the promise, and waits for that.
    func ask<Answer: Sendable>(
        host: String, port: Int, timeout: Duration, _ cancellation: DialCancellation,
        _ handlers: @escaping @Sendable (any Channel, EventLoopPromise<Answer>) throws -> Void
    ) async throws(DialError) -> Answer {
        let promise = loops.group.next().makePromise(of: Answer.self)
        do throws(DialError) {
            _ = try await connect(host, port, timeout, cancellation) { try handlers($0, promise) }
        } catch {
            promise.fail(error)
        }
        do {
            return try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                cancellation.cancel()
            }
        } catch {
            throw error as? DialError ?? DialError(.answer, .malformed("\(error)"))
        }
    }

    private func connect(
        _ host: String, _ port: Int, _ timeout: Duration, _ cancellation: DialCancellation,
        _ initialize: @escaping @Sendable (any Channel) throws -> Void
    ) async throws(DialError) -> any Channel {
        let bootstrap = SocketTuning.apply(to: ClientBootstrap(group: loops.group))
            .connectTimeout(.nanoseconds(timeout.nanos))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    cancellation.take(channel)
                    try initialize(channel)
                }
            }
        do {
            return try await withTaskCancellationHandler {
                // An address needs no thread to be looked up on.
                if let address = try? SocketAddress(ipAddress: host, port: port) {
                    try await bootstrap.connect(to: address).get()
                } else {
                    try await bootstrap.connect(host: host, port: port).get()
                }
            } onCancel: {
                cancellation.cancel()
            }
        } catch {
            throw DialError(.connection, Self.cause(error, Task.isCancelled))
        }
    }

    static func cause(_ error: any Error, _ isCancelled: Bool = false) -> DialError.Cause {
        if isCancelled { return .cancelled }
        switch error {
        case let error as IOError: return .system(error.errnoCode)
        case let error as NIOConnectionError:
            if error.connectionErrors.isEmpty, let dns = error.dnsAError ?? error.dnsAAAAError {
                return .unresolved("\(dns)")
            }
            return error.connectionErrors.first.map { cause($0.error) } ?? .closed
        case ChannelError.connectTimeout: return .timedOut
        case is ChannelError: return .closed
        case is HTTPParserError: return .malformed("\(error)")
        case is NIOSSLError, is BoringSSLError: return .tls("\(error)")
        default: return .malformed("\(error)")
        }
    }
}
