import Glibc
import Kernel

/// One way of a relayed connection: from a source socket to a target socket.
struct RelayWay: BitwiseCopyable {
    /// What was read and could not be written yet; nil while nothing waits, so that idle connections hold no memory.
    var block: UnsafeMutableRawPointer?
    var offset: Int32 = 0
    /// How many bytes wait, in the block or in the pipe.
    var waiting: Int32 = 0
    /// The pipe through which bytes are spliced; -1 while there is none.
    var pipe: Int32 = -1
    /// Reads in a row that filled the buffer.
    var fullReads: UInt8 = 0
    /// The last splice moved little.
    var isShrinking = false
    /// epoll tells of changes only: these hold until a call says otherwise.
    var canRead = false
    var canWrite = true
    /// The source will end: it is read up to its end, even after a short read.
    var isEnding = false
    /// The source has ended.
    var hasEnded = false
    /// The end was passed on.
    var isShut = false
}

/// A connection of a client, and ours to the backend.
struct Relay: BitwiseCopyable {
    var client: Int32
    /// -1 before it is tried.
    var server: Int32 = -1
    /// Of which backends, and which of them.
    var pool: Int32
    var backend: Int32 = -1
    /// Of the backend's address, which its number leads to only as long as it serves.
    var backendKey: UInt32 = 0
    /// When the attempt to connect is given up.
    var deadlineMs: UInt32 = 0
    /// When something last happened.
    var lastSeconds: UInt32 = 0
    var attempts: UInt8 = 0
    /// The backend has answered.
    var isOpen = false
    /// In the list of those that had more to do than one turn allows.
    var isQueued = false
    /// epoll tells when they can be written to again: asked for once one was full.
    var isClientArmed = false
    var isServerArmed = false
    /// The kernel asks the backend whether it lives.
    var isKeptAlive = false
    var up = RelayWay()
    var down = RelayWay()

    init(client: Int32, pool: Int32) {
        self.client = client
        self.pool = pool
    }

    /// Notes what epoll says of one socket, which is the source of one way and the target of the other.
    mutating func note(_ kinds: EpollEvents, ofClient: Bool) {
        let ends: EpollEvents = [.peerClosed, .hangUp, .error]
        let isEnd = !kinds.isDisjoint(with: ends)
        if ofClient {
            if isEnd { up.isEnding = true }
            if isEnd || kinds.contains(.readable) { up.canRead = true }
            if !kinds.isDisjoint(with: [.writable, .hangUp, .error]) { down.canWrite = true }
        } else {
            if isEnd { down.isEnding = true }
            if isEnd || kinds.contains(.readable) { down.canRead = true }
            if !kinds.isDisjoint(with: [.writable, .hangUp, .error]) { up.canWrite = true }
        }
    }
}
