import NIOCore

/// The bounds on what a client can make the server hold or wait for.
public struct ServerLimits: Sendable {
    /// Bytes of one request's body; more is answered with 413. Kubernetes' own limit is 3 MiB.
    public var bodyBytes: Int = 3 << 20
    /// Bytes of the bodies of all requests that have not been answered yet, of all connections together; more is
    /// answered with 429.
    public var allBodiesBytes: Int = 512 << 20
    /// Bytes of the request line and all headers together; more is answered with 431.
    public var headBytes: Int = 128 << 10
    /// Headers of one request.
    public var headerCount: Int = 256
    /// Connections at a time; further ones are closed at once.
    public var connections: Int = 8_192
    /// Bytes that wait for the peer of one stream. A large list is written into a stream at once, so that this is not
    /// small; who has more waits for `isWritable`.
    public var streamBacklogBytes: Int = 16 << 20
    /// From the connection, or the first byte of a further request, to the end of its headers; includes the TLS
    /// handshake. Kubernetes has 32 s.
    public var headTimeout: Duration = .seconds(32)
    /// For the body, once the headers are there.
    public var bodyTimeout: Duration = .seconds(120)
    /// Between requests. Longer than clients keep theirs (Go: 90 s), so that it is they who close.
    public var idleTimeout: Duration = .seconds(180)
    /// From a complete request to the beginning of its answer; then 504.
    public var answerTimeout: Duration = .seconds(120)

    public init() {}
}
