import NIOCore

/// A connection that carries several streams of bytes: a WebSocket with channels, or SPDY. All on its event loop.
protocol StreamCarrier: AnyObject {
    var loop: any EventLoop { get }

    /// Whether the connection takes more without its backlog growing.
    var isWritable: Bool { get }

    func send(_ bytes: ByteBuffer, on stream: SubStream)

    /// No more bytes come from our side.
    func finish(_ stream: SubStream)

    /// The bytes that a stream keeps for its receiver have become more or fewer.
    func holds(_ change: Int, of stream: SubStream)

    /// Ends the connection after what has been sent, without waiting for open streams.
    func close()

    /// Ends the connection at once.
    func abort()
}

/// Decides whether a connection is read from: not while its streams keep more than a little.
///
/// One stream that nobody reads thus stops the others of its connection, as it does in Kubernetes, whose clients know no
/// windows; a little of each is kept so that it happens seldom.
struct ReadGate {
    /// For one stream, and for all of a connection.
    static let streamBytes = 256 << 10
    static let connectionBytes = 1 << 20

    private var heldBytes = 0
    private var fullStreams = 0
    /// A read was asked for and has not been passed on.
    private(set) var owesRead = false

    var isOpen: Bool { fullStreams == 0 && heldBytes < Self.connectionBytes }

    /// Counts a change of what a stream keeps, from `before` to `after`; true where the owed read is due.
    mutating func changed(from before: Int, to after: Int) -> Bool {
        heldBytes += after - before
        let (wasFull, isFull) = (before >= Self.streamBytes, after >= Self.streamBytes)
        if isFull != wasFull { fullStreams += isFull ? 1 : -1 }
        guard owesRead, isOpen else { return false }
        owesRead = false
        return true
    }

    /// Whether a read that is asked for may go on now.
    mutating func admits() -> Bool {
        if !isOpen { owesRead = true }
        return isOpen
    }
}
