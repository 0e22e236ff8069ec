import Synchronization

/// What the forwarder has done and holds, summed over its loops.
public struct ForwarderCounts: Sendable, Equatable, BitwiseCopyable {
    /// TCP connections that are open now, and that were accepted since the start.
    public var connections: UInt64 = 0
    public var accepted: UInt64 = 0
    /// Refused by a reset: the bound on connections or descriptors was reached.
    public var refusedByLimit: UInt64 = 0
    /// Refused by a reset: the client is outside the service's source ranges.
    public var refusedBySource: UInt64 = 0
    /// Refused by a reset: no endpoint could be reached.
    public var unreachable: UInt64 = 0
    /// Attempts that failed and were followed by another endpoint.
    public var failovers: UInt64 = 0
    /// Ended because nothing had passed for too long.
    public var idleEnds: UInt64 = 0
    /// Bytes over TCP, both ways.
    public var bytes: UInt64 = 0
    /// UDP flows that are open now, were opened since the start, and were ended early to make room.
    public var flows: UInt64 = 0
    public var flowsOpened: UInt64 = 0
    public var flowsEvicted: UInt64 = 0
    /// UDP datagrams to endpoints and back.
    public var datagrams: UInt64 = 0
    /// Pipes that are open, and blocks of memory that hold what can't be written yet.
    public var pipes: UInt64 = 0
    public var blocks: UInt64 = 0

    public init() {}

    public static func + (left: ForwarderCounts, right: ForwarderCounts) -> ForwarderCounts {
        var sum = ForwarderCounts()
        sum.withWords { words in
            var (left, right) = (left, right)
            left.withWords { left in
                right.withWords { right in
                    for index in words.indices { words[index] = left[index] &+ right[index] }
                }
            }
        }
        return sum
    }

    /// As numbers: it is nothing but counts.
    fileprivate mutating func withWords<Value>(_ body: (UnsafeMutableBufferPointer<UInt64>) -> Value) -> Value {
        withUnsafeMutableBytes(of: &self) { body($0.assumingMemoryBound(to: UInt64.self)) }
    }

    static let wordCount = MemoryLayout<ForwarderCounts>.size / 8
}

/// One loop's counts where others can read them. The loop counts in memory of its own and publishes once a turn.
final class ForwarderCounters: Sendable {
    // Safe: atomics at a fixed address for as long as this object lives.
    nonisolated(unsafe) private let words: UnsafeMutablePointer<Atomic<UInt64>>

    init() {
        words = .allocate(capacity: ForwarderCounts.wordCount)
        for index in 0..<ForwarderCounts.wordCount { (words + index).initialize(to: Atomic(0)) }
    }

    deinit { words.deallocate() }

    func publish(_ counts: inout ForwarderCounts) {
        counts.withWords { source in
            for index in source.indices { words[index].store(source[index], ordering: .relaxed) }
        }
    }

    var counts: ForwarderCounts {
        var counts = ForwarderCounts()
        counts.withWords { target in
            for index in target.indices { target[index] = words[index].load(ordering: .relaxed) }
        }
        return counts
    }
}
