import Glibc
import Kernel

/// One way of a relayed connection: from a source socket to a target socket.
struct RelayWay: BitwiseCopyable {
    /// What was read and could not be written yet; nil while nothing waits, so that idle connections hold no memory.
    var pending: UnsafeMutableRawPointer?
    var pendingOffset: Int32 = 0
    var pendingCount: Int32 = 0
    /// epoll tells of changes only: these hold until a call says otherwise.
    var canRead = false
    var canWrite = false
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
    var server: Int32
    var isOpen = false
    /// In the list of those that had more to do than one turn allows.
    var isQueued = false
    var attempts: UInt8 = 0
    /// For connecting: the service, and the backend that is tried.
    var service: Int32
    var clientAddress: UInt32
    var backend = SocketAddress(address: 0, port: 0)
    /// When the attempt is given up.
    var deadline: UInt64 = 0
    var up = RelayWay()
    var down = RelayWay()

    /// Notes what epoll says of one socket, which is the source of one way and the target of the other.
    mutating func note(_ kinds: EpollEvents, ofClient: Bool) {
        if !kinds.isDisjoint(with: [.readable, .peerClosed, .hangUp, .error]) {
            if ofClient { up.canRead = true } else { down.canRead = true }
        }
        if !kinds.isDisjoint(with: [.peerClosed, .hangUp, .error]) {
            if ofClient { up.isEnding = true } else { down.isEnding = true }
        }
        if !kinds.isDisjoint(with: [.writable, .hangUp, .error]) {
            if ofClient { down.canWrite = true } else { up.canWrite = true }
        }
    }
}

/// Moves bytes between two sockets. Holds no state but one buffer and the sum of what waits.
struct RelayPump: ~Copyable {
    /// Read at once. Larger gains nothing; smaller costs calls.
    static let chunkBytes = 64 << 10
    /// Read at once while much waits already, so that slow readers can't make the whole daemon large.
    static let smallChunkBytes = 4 << 10
    /// How much may wait before reads become small.
    static let pendingLimitBytes = 64 << 20
    /// Chunks for one connection before others have their turn.
    static let turn = 8

    private let scratch = UnsafeMutableRawPointer.allocate(byteCount: RelayPump.chunkBytes, alignment: 64)
    private(set) var pendingBytes = 0

    deinit { scratch.deallocate() }

    enum Outcome { case waits, hasMore, ended, failed }

    /// Moves what can be moved, both ways.
    mutating func run(_ relay: inout Relay) -> Outcome {
        let up = move(relay.client, relay.server, &relay.up)
        if up == .failed { return .failed }
        let down = move(relay.server, relay.client, &relay.down)
        if down == .failed { return .failed }
        if relay.up.isShut, relay.down.isShut { return .ended }
        return up == .hasMore || down == .hasMore ? .hasMore : .waits
    }

    /// Gives back the memory of a relay that ends.
    mutating func release(_ relay: inout Relay) {
        dropPending(&relay.up)
        dropPending(&relay.down)
    }

    private mutating func move(_ source: Int32, _ target: Int32, _ way: inout RelayWay) -> Outcome {
        for _ in 0..<Self.turn {
            // Nothing is read that can't be passed on: the source's window closes, and its sender waits.
            guard way.canWrite else { return .waits }
            if way.pendingCount > 0 {
                guard writePending(target, &way) else { return .failed }
                guard way.pendingCount == 0 else { return .waits }
            }
            if way.hasEnded {
                if !way.isShut {
                    way.isShut = true
                    shutdown(target, Int32(SHUT_WR))
                }
                return .waits
            }
            guard way.canRead else { return .waits }
            let limit = pendingBytes < Self.pendingLimitBytes ? Self.chunkBytes : Self.smallChunkBytes
            let count = recv(source, scratch, limit, Self.dontWait)
            if count < 0 {
                switch errno {
                case EAGAIN: way.canRead = false
                case EINTR: continue
                default: return .failed
                }
                return .waits
            }
            if count == 0 {
                way.hasEnded = true
                continue
            }
            // Less than asked for: there is no more, and another read would only say so.
            if count < limit, !way.isEnding { way.canRead = false }
            guard write(target, count, &way) else { return .failed }
        }
        return .hasMore
    }

    private mutating func write(_ target: Int32, _ count: Int, _ way: inout RelayWay) -> Bool {
        var written = send(target, scratch, count, Self.dontWait)
        if written < 0 {
            guard errno == EAGAIN || errno == EINTR else { return false }
            written = 0
        }
        guard written < count else { return true }
        way.canWrite = false
        let rest = count - written
        let memory = UnsafeMutableRawPointer.allocate(byteCount: rest, alignment: 16)
        memory.copyMemory(from: scratch + written, byteCount: rest)
        way.pending = memory
        way.pendingOffset = 0
        way.pendingCount = Int32(rest)
        pendingBytes += rest
        return true
    }

    /// False for a target that is lost.
    private mutating func writePending(_ target: Int32, _ way: inout RelayWay) -> Bool {
        guard let pending = way.pending else { return true }
        let written = send(target, pending + Int(way.pendingOffset), Int(way.pendingCount), Self.dontWait)
        if written < 0 {
            guard errno == EAGAIN || errno == EINTR else { return false }
            way.canWrite = false
            return true
        }
        pendingBytes -= written
        way.pendingOffset += Int32(written)
        way.pendingCount -= Int32(written)
        if way.pendingCount > 0 { way.canWrite = false } else { dropPending(&way) }
        return true
    }

    private mutating func dropPending(_ way: inout RelayWay) {
        guard let pending = way.pending else { return }
        pendingBytes -= Int(way.pendingCount)
        pending.deallocate()
        way.pending = nil
        way.pendingCount = 0
    }

    private static let dontWait = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
}
