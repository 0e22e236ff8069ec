import NIOCore

/// A change of the protocol on the connection that a request came by (RFC 9110, 7.8): what is said with the 101, and who
/// has the connection afterwards.
public struct ProtocolSwitch: Sendable {
    /// Beside `Connection: Upgrade`.
    let headers: [(String, String)]
    /// Adds the protocol's handlers at the end of the pipeline, on the connection's event loop. Bytes pass the handlers
    /// before them as they are.
    let install: @Sendable (any Channel) throws -> Void

    init(headers: [(String, String)], install: @escaping @Sendable (any Channel) throws -> Void) {
        self.headers = headers
        self.install = install
    }
}
