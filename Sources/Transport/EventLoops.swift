import NIOCore
import NIOPosix

/// The threads that move bytes. Servers and clients share one set; a handler that blocks one of them blocks all of its
/// connections.
public final class EventLoops: Sendable {
    let group: MultiThreadedEventLoopGroup
    private let mailboxes: [ObjectIdentifier: LoopMailbox]

    /// Starts `count` threads (at least one). One suffices up to some 80,000 small requests per second.
    public init(count: Int) {
        group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, count))
        var mailboxes: [ObjectIdentifier: LoopMailbox] = [:]
        for loop in group.makeIterator() { mailboxes[ObjectIdentifier(loop)] = LoopMailbox(loop: loop) }
        self.mailboxes = mailboxes
    }

    /// Stops the threads. Shut servers and clients down before.
    public func shutdown() async {
        // Its only error is having been shut down already.
        try? await group.shutdownGracefully()
    }

    /// The mailbox of one of our loops.
    func mailbox(of loop: any EventLoop) -> LoopMailbox {
        // A loop of another group cannot get here; a mailbox of its own would be correct all the same, but slower.
        mailboxes[ObjectIdentifier(loop)] ?? LoopMailbox(loop: loop)
    }
}
