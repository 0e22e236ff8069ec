/// Answers requests.
public protocol HTTPHandler: Sendable {
    /// Called on the connection's event loop: must not block. The answer may come later and from any thread; pipelined
    /// requests of the same connection wait until it is complete. Every request must be answered.
    func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder)
}

/// The way to answer one request, once, from any thread. A second answer is dropped, as is one to a peer that has gone.
public protocol HTTPResponder: AnyObject, Sendable {
    /// Sends a complete answer. `Content-Length`, `Date` and `Connection` are added; a HEAD request gets the headers
    /// alone.
    func respond(status: Int, headers: [(String, String)], body: [UInt8])

    /// Starts an answer of unknown length; headers go out at once.
    func stream(status: Int, headers: [(String, String)]) -> any HTTPStream

    /// Gives the connection to another protocol, for a request that asks for it (`asksForUpgrade`). Refused with 400
    /// where there is no connection, or the request did not ask.
    func upgrade(_ change: ProtocolSwitch)
}

extension HTTPResponder {
    public func upgrade(_ change: ProtocolSwitch) {
        respond(
            status: 400, headers: [("Content-Type", "text/plain; charset=utf-8")],
            body: Array("unable to upgrade: this connection carries one protocol\n".utf8))
    }
}

/// An answer of unknown length. All functions may be called from any thread.
public protocol HTTPStream: AnyObject, Sendable {
    /// Sends a frame. False: the stream is closed, or the peer reads so slowly that its backlog has reached the limit,
    /// in which case the connection is closed.
    @discardableResult func write(_ frame: Frame) -> Bool

    /// Whether the backlog is small. Those who have much to send wait for it; the backlog's limit is for all others.
    var isWritable: Bool { get }

    /// Called once when the stream has ended, by `finish` or by the peer; at once where it has ended already.
    func onClose(_ body: @escaping @Sendable () -> Void)

    /// Called on the event loop each time the stream becomes writable again. Replaces the previous one.
    func onWritable(_ body: @escaping @Sendable () -> Void)

    /// Ends the answer properly.
    func finish()

    /// Breaks the connection, so that the peer can tell that the answer is incomplete.
    func abort()
}
