import KubeAPI
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A complete answer.
public struct HTTPClientResponse: Sendable {
    public let status: Int
    public let headers: [(name: String, value: String)]
    public let body: [UInt8]

    /// The first value of that header; names ignore case.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// An answer whose body is still arriving. Reading slowly slows the server down; dropping or cancelling the stream
/// closes the connection.
public struct HTTPClientStream: Sendable {
    public let status: Int
    public let headers: [(name: String, value: String)]
    /// For one reader. Throws `TransportError` where the connection breaks before the end.
    public let body: AsyncThrowingStream<[UInt8], any Error>

    /// The first value of that header; names ignore case.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// An HTTP/1.1 client that keeps connections. Throws `TransportError` alone, or `CancellationError`.
public final class HTTPClient: Sendable {
    /// Bounds of all requests.
    public struct Limits: Sendable {
        public var connectTimeout: Duration = .seconds(10)
        /// Kept connections per server.
        public var idleConnections = 32
        /// Less than the server's own (180 s), so that reusing one seldom meets its end.
        public var idleTimeout: Duration = .seconds(60)
        /// Body of a complete answer.
        public var bodyBytes = 256 << 20
        public init() {}
    }

    private let loops: EventLoops
    private let tls: ClientTLS?
    private let unixSocket: String?
    private let limits: Limits
    private let log: Logger
    private let pool: ConnectionPool

    /// `tls` serves all https URLs (without it, the system's roots are trusted). With `unixSocket` all connections go
    /// there, plain, and a URL's authority only names the host.
    public init(
        loops: EventLoops, tls: ClientTLS? = nil, unixSocket: String? = nil, limits: Limits = Limits(), log: Logger
    ) {
        self.loops = loops
        self.tls = tls
        self.unixSocket = unixSocket
        self.limits = limits
        self.log = log
        pool = ConnectionPool(limit: limits.idleConnections)
    }

    /// Closes the kept connections; requests in hand go on.
    public func shutdown() { pool.closeAll() }

    deinit { pool.closeAll() }

    /// Sends a request and reads the whole answer. `timeout` covers everything from connecting to the last byte.
    public func send(
        _ method: String, _ url: String, headers: [(String, String)] = [], body: [UInt8] = [],
        timeout: Duration = .seconds(60)
    ) async throws -> HTTPClientResponse {
        let deadline = NIODeadline.now() + .nanoseconds(timeout.nanos)
        let exchange = try await start(method, url, headers, body, deadline)
        let head = try await exchange.head()
        var bytes: [UInt8] = []
        while let chunk = try await exchange.nextChunk() {
            guard bytes.count &+ chunk.count <= limits.bodyBytes else {
                exchange.cancel()
                throw TransportError(.tooLarge, "cannot read the answer of \(url): over \(limits.bodyBytes) bytes")
            }
            if bytes.isEmpty { bytes = chunk } else { bytes.append(contentsOf: chunk) }
        }
        return HTTPClientResponse(
            status: Int(head.status.code), headers: head.headers.map { ($0.name, $0.value) }, body: bytes)
    }

    /// Sends a request and returns when the answer's headers are there. `timeout` covers that much.
    public func open(
        _ method: String, _ url: String, headers: [(String, String)] = [], body: [UInt8] = [],
        timeout: Duration = .seconds(60)
    ) async throws -> HTTPClientStream {
        let deadline = NIODeadline.now() + .nanoseconds(timeout.nanos)
        let exchange = try await start(method, url, headers, body, deadline)
        let head = try await exchange.head()
        exchange.clearDeadline()
        let reader = BodyReader(exchange)
        return HTTPClientStream(
            status: Int(head.status.code), headers: head.headers.map { ($0.name, $0.value) },
            body: AsyncThrowingStream { try await reader.next() })
    }

    // MARK: connections

    /// Sends the request over a kept or a fresh connection, and waits for the head of the answer.
    ///
    /// A kept connection may turn out to have been closed by the server meanwhile. Then the request is sent again over
    /// a fresh one, if nothing of it was written, or if it is a GET or HEAD and nothing of an answer has come.
    private func start(
        _ method: String, _ url: String, _ headers: [(String, String)], _ body: [UInt8], _ deadline: NIODeadline
    ) async throws -> ClientExchange {
        let url = try HTTPURL(url)
        let key =
            unixSocket.map { ConnectionPool.Key(host: $0, port: 0, isTLS: false) }
            ?? ConnectionPool.Key(host: url.host, port: url.port, isTLS: url.isTLS)
        var fields = HTTPHeaders(headers)
        if !fields.contains(name: "host") { fields.add(name: "Host", value: url.authority) }
        if !body.isEmpty || ["POST", "PUT", "PATCH"].contains(method) {
            fields.replaceOrAdd(name: "Content-Length", value: String(body.count))
        }
        let head = HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: method), uri: url.target, headers: fields)
        while true {
            try Task.checkCancellation()
            let kept = pool.take(key)
            let connection: ClientConnection
            if let kept { connection = kept } else { connection = try await connect(url, key, deadline) }
            let exchange = ClientExchange(
                connection: connection, loop: connection.loop, pool: pool, key: key, idleTimeout: limits.idleTimeout,
                subject: "\(method) \(url.authority)\(url.target.prefix(200))")
            exchange.start(head: head, body: body, deadline: deadline)
            do {
                _ = try await exchange.head()
                return exchange
            } catch {
                let isSafe = exchange.hasWrittenNothing || method == "GET" || method == "HEAD"
                guard kept != nil, isSafe, (error as? TransportError)?.code == .connectionLost else { throw error }
                log.debug("kept connection was stale", metadata: ["server": "\(url.authority)"])
            }
        }
    }

    private func connect(_ url: HTTPURL, _ key: ConnectionPool.Key, _ deadline: NIODeadline) async throws
        -> ClientConnection
    {
        let place = unixSocket ?? "\(url.host.contains(":") ? "[\(url.host)]" : url.host):\(url.port)"
        let remaining = deadline - .now()
        guard remaining > .zero else { throw TransportError(.timedOut, "cannot connect to \(place): timed out") }
        let timeout = min(TimeAmount.nanoseconds(limits.connectTimeout.nanos), remaining)
        let tls = key.isTLS ? try self.tls ?? ClientTLS() : nil
        let host = url.host
        // Not looked up in the pipeline afterwards: a connection that has failed meanwhile is no longer there.
        let made = MadeConnections()
        let bootstrap = ClientBootstrap(group: loops.group)
            .connectTimeout(timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    let verdict = ServerVerdict()
                    if let tls { try pipeline.addHandler(tls.makeHandler(host: host, verdict: verdict)) }
                    try pipeline.addHandler(HTTPRequestEncoder())
                    var decoding = NIOHTTPDecoderLimitConfiguration()
                    decoding.maxHeaderListSize = 256 << 10
                    try pipeline.addHandler(
                        ByteToMessageHandler(
                            HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: decoding)))
                    let connection = ClientConnection(channel: channel, verdict: verdict)
                    made.connections.withLock { $0.append(connection) }
                    try pipeline.addHandler(connection)
                }
            }
        do {
            let channel: any Channel
            if let unixSocket {
                channel = try await bootstrap.connect(unixDomainSocketPath: unixSocket).get()
            } else {
                channel = try await SocketTuning.apply(to: bootstrap).connect(host: host, port: url.port).get()
            }
            guard let connection = made.connections.withLock({ $0.first { $0.isOver(channel) } }) else {
                throw ChannelError.inappropriateOperationForState
            }
            return connection
        } catch {
            let isUnknown = (error as? NIOConnectionError).map {
                $0.connectionErrors.isEmpty && ($0.dnsAError ?? $0.dnsAAAAError) != nil
            }
            throw TransportError(
                isUnknown == true ? .unknownHost : .cannotConnect, "cannot connect to \(place): \(Self.cause(error))")
        }
    }

    private static func cause(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let dns = error.dnsAError ?? error.dnsAAAAError, error.connectionErrors.isEmpty {
                return "cannot resolve the name: \(dns)"
            }
            return error.connectionErrors.first.map { cause($0.error) } ?? "\(error)"
        case ChannelError.connectTimeout: return "timed out"
        default: return describe(error)
        }
    }
}

/// Ends the exchange when the stream that reads it is dropped.
private final class BodyReader: Sendable {
    private let exchange: ClientExchange
    init(_ exchange: ClientExchange) { self.exchange = exchange }
    deinit { exchange.cancel() }
    func next() async throws -> [UInt8]? { try await exchange.nextChunk() }
}

/// Carries connections from the event loop that makes them to the task that waits for one. A name with several
/// addresses is tried by several, of which one comes about.
private final class MadeConnections: Sendable {
    let connections = Mutex<[ClientConnection]>([])
}
