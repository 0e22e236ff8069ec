import Glibc
import Kernel

/// Moves bytes between two sockets: small messages by read and write through one buffer that all connections share, bulk
/// by splice through a pipe, so that bytes are not copied.
///
/// What a target does not take waits in a block or in the pipe, and its source is not read meanwhile: the source's window
/// closes, and its sender waits. An idle connection holds neither.
struct RelayPump: ~Copyable {
    /// Read at once; a read that fills it is taken for bulk.
    ///
    /// Measured with messages of one size over eight connections, per second of processor time: up to 4 KB copying moves
    /// a fifth more of them than splicing, at 16 KB splicing moves a quarter more, at 64 KB three quarters, from 128 KB on
    /// more than twice as many.
    static let chunkBytes = 16 << 10
    /// Moved by one splice.
    static let spliceBytes = 1 << 20
    /// Twice in a row less than that by one splice, and it is no bulk any more.
    static let leastSpliceBytes = 8 << 10
    /// Reads for one connection before others have their turn.
    static let turn = 8

    private let scratch = UnsafeMutableRawPointer.allocate(byteCount: RelayPump.chunkBytes, alignment: 4096)
    private let fullReadsBeforeSplice: UInt8
    private(set) var pipes: PipePool
    var blocks = BlockPool(blockBytes: RelayPump.chunkBytes)
    /// Bytes that were taken from sources, since the start.
    private(set) var bytesMoved: UInt64 = 0

    init(budget: DescriptorBudget, fullReadsBeforeSplice: Int) {
        pipes = PipePool(budget: budget)
        self.fullReadsBeforeSplice = UInt8(clamping: fullReadsBeforeSplice)
    }

    deinit { scratch.deallocate() }

    enum Outcome { case waits, hasMore, ended, failed }

    /// Moves what can be moved, both ways.
    mutating func run(_ relay: inout Relay) -> Outcome {
        let up = move(relay.client, relay.server, &relay.up)
        let down = move(relay.server, relay.client, &relay.down)
        if up == .failed || down == .failed {
            // One is lost. What it sent before is passed on still, as it would be without us: an answer that came before
            // a reset is read by its client.
            if up == .failed, down != .failed { drain(relay.server, relay.client, &relay.down) }
            if down == .failed, up != .failed { drain(relay.client, relay.server, &relay.up) }
            return .failed
        }
        if relay.up.hasEnded, relay.down.hasEnded, relay.up.waiting == 0, relay.down.waiting == 0 { return .ended }
        passEnd(relay.server, &relay.up)
        passEnd(relay.client, &relay.down)
        return up == .hasMore || down == .hasMore ? .hasMore : .waits
    }

    /// Reads what the client has sent while its backend does not answer yet, into a block: a backend that fails has seen
    /// none of it.
    mutating func readAhead(_ relay: inout Relay) -> Outcome {
        guard relay.up.canRead, relay.up.waiting == 0, !relay.up.hasEnded, !blocks.isExhausted else { return .waits }
        let count = recv(relay.client, scratch, Self.chunkBytes, Self.dontWait)
        if count > 0 {
            if count < Self.chunkBytes, !relay.up.isEnding { relay.up.canRead = false }
            bytesMoved &+= UInt64(count)
            keep(scratch, count, &relay.up)
            return .waits
        }
        if count == 0 {
            relay.up.hasEnded = true
            return .waits
        }
        if errno == EAGAIN { relay.up.canRead = false }
        return errno == EAGAIN || errno == EINTR ? .waits : .failed
    }

    /// Gives back the memory of a relay that ends.
    mutating func release(_ relay: inout Relay) {
        dropWaiting(&relay.up)
        dropWaiting(&relay.down)
    }

    // MARK: one way

    private mutating func move(_ source: Int32, _ target: Int32, _ way: inout RelayWay) -> Outcome {
        for _ in 0..<Self.turn {
            // Nothing is read that can't be passed on.
            guard way.canWrite else { return .waits }
            if way.waiting > 0 {
                guard writeWaiting(target, &way) else { return .failed }
                guard way.waiting == 0 else { return .waits }
            }
            guard way.canRead, !way.hasEnded else { return .waits }
            let outcome =
                way.fullReads >= fullReadsBeforeSplice && takePipe(&way)
                ? splice(source, target, &way) : copy(source, target, &way)
            if outcome != .hasMore { return outcome }
        }
        return way.canRead && way.canWrite && !way.hasEnded ? .hasMore : .waits
    }

    /// One read and one write. `hasMore` where there may be more.
    private mutating func copy(_ source: Int32, _ target: Int32, _ way: inout RelayWay) -> Outcome {
        if blocks.isExhausted { return peek(source, target, &way) }
        let count = recv(source, scratch, Self.chunkBytes, Self.dontWait)
        guard count > 0 else { return stop(count, &way) }
        bytesMoved &+= UInt64(count)
        if count == Self.chunkBytes {
            if way.fullReads < .max { way.fullReads += 1 }
        } else {
            way.fullReads = 0
            // Less than asked for: there is no more, and another read would only say so.
            if !way.isEnding { way.canRead = false }
        }
        var written = send(target, scratch, count, Self.dontWait)
        if written < 0 {
            guard errno == EAGAIN || errno == EINTR else { return .failed }
            written = 0
        }
        guard written == count else {
            way.canWrite = false
            keep(scratch + written, count - written, &way)
            return .waits
        }
        return way.canRead ? .hasMore : .waits
    }

    /// Reads no more than the target takes, where nothing can be kept: what is looked at stays in the socket until it was
    /// written.
    private mutating func peek(_ source: Int32, _ target: Int32, _ way: inout RelayWay) -> Outcome {
        let count = recv(source, scratch, Self.chunkBytes, Self.dontWait | Int32(MSG_PEEK))
        guard count > 0 else { return stop(count, &way) }
        let written = send(target, scratch, count, Self.dontWait)
        guard written > 0 else {
            guard errno == EAGAIN || errno == EINTR else { return .failed }
            way.canWrite = false
            return .waits
        }
        bytesMoved &+= UInt64(written)
        _ = recv(source, scratch, written, Self.dontWait)  // is there: it was looked at
        if written < count { way.canWrite = false }
        return written < count ? .waits : .hasMore
    }

    /// What a read without bytes means.
    private func stop(_ count: Int, _ way: inout RelayWay) -> Outcome {
        if count == 0 {
            way.hasEnded = true
            return .waits
        }
        switch errno {
        case EAGAIN:
            way.canRead = false
            way.fullReads = 0
            return .waits
        case EINTR: return .hasMore
        default: return .failed
        }
    }

    private mutating func keep(_ bytes: UnsafeRawPointer, _ count: Int, _ way: inout RelayWay) {
        let block = blocks.take()
        block.copyMemory(from: bytes, byteCount: count)
        way.block = block
        way.offset = 0
        way.waiting = Int32(count)
    }

    /// False for a target that is lost.
    private mutating func writeWaiting(_ target: Int32, _ way: inout RelayWay) -> Bool {
        guard let block = way.block else { return flush(target, &way) }
        let written = send(target, block + Int(way.offset), Int(way.waiting), Self.dontWait)
        if written < 0 {
            guard errno == EAGAIN || errno == EINTR else { return false }
            way.canWrite = false
            return true
        }
        way.offset += Int32(written)
        way.waiting -= Int32(written)
        if way.waiting > 0 { way.canWrite = false } else { dropWaiting(&way) }
        return true
    }

    private mutating func dropWaiting(_ way: inout RelayWay) {
        if let block = way.block { blocks.give(block) }
        way.block = nil
        if way.pipe >= 0 { pipes.give(way.pipe, isEmpty: way.waiting == 0) }
        way.pipe = -1
        way.waiting = 0
    }

    /// Tells the target that the source has ended, once all before has been written.
    private func passEnd(_ target: Int32, _ way: inout RelayWay) {
        guard way.hasEnded, way.waiting == 0, !way.isShut else { return }
        way.isShut = true
        shutdown(target, Int32(SHUT_WR))
    }

    /// Passes on what a lost source had sent, as far as its target takes it now.
    private mutating func drain(_ source: Int32, _ target: Int32, _ way: inout RelayWay) {
        way.canRead = true
        for _ in 0..<Self.turn where move(source, target, &way) != .hasMore { return }
    }

    // MARK: bulk

    private mutating func takePipe(_ way: inout RelayWay) -> Bool {
        if way.pipe >= 0 { return true }
        way.pipe = pipes.take()
        return way.pipe >= 0
    }

    private mutating func splice(_ source: Int32, _ target: Int32, _ way: inout RelayWay) -> Outcome {
        let count = ForwardingCalls.splice(from: source, to: pipes.writeEnd(way.pipe), upTo: Self.spliceBytes)
        guard count > 0 else {
            leaveBulk(&way)
            if count == 0 {
                way.hasEnded = true
            } else if count == -Int(EAGAIN) {
                way.canRead = false
            } else if count == -Int(EINVAL) {
                // Nothing that can be spliced: copied from now on.
                way.fullReads = 0
                return .hasMore
            } else if count != -Int(EINTR) {
                return .failed
            }
            return .waits
        }
        bytesMoved &+= UInt64(count)
        way.waiting = Int32(count)
        guard flush(target, &way) else { return .failed }
        guard way.waiting == 0 else { return .waits }
        if count >= Self.leastSpliceBytes {
            way.isShrinking = false
        } else if !way.isShrinking {
            way.isShrinking = true  // the last bytes of a large message, perhaps
        } else {
            way.isShrinking = false
            way.fullReads = 0
            leaveBulk(&way)
        }
        return .hasMore
    }

    /// Empties the pipe; false for a target that is lost.
    private mutating func flush(_ target: Int32, _ way: inout RelayWay) -> Bool {
        while way.waiting > 0 {
            let count = ForwardingCalls.splice(from: pipes.readEnd(way.pipe), to: target, upTo: Int(way.waiting))
            if count > 0 {
                way.waiting -= Int32(count)
            } else if count == -Int(EAGAIN) {
                way.canWrite = false
                return true
            } else if count != -Int(EINTR) {
                return false
            }
        }
        return true
    }

    private mutating func leaveBulk(_ way: inout RelayWay) {
        guard way.pipe >= 0 else { return }
        pipes.give(way.pipe, isEmpty: way.waiting == 0)
        way.pipe = -1
    }

    private static let dontWait = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
}
