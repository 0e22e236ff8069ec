import Logging
import Transport

/// The changes of everything below a prefix, from a revision on, without gaps: when the stream breaks, it goes on after
/// the last revision that was told. Belongs to the client's thread.
final class EtcdWatch: @unchecked Sendable {
    enum Update: Sendable {
        /// Complete revisions, in order.
        case events([EtcdEvent])
        /// Everything up to this revision has been told.
        case progress(Int64)
        /// What follows the last event is gone; the watch has ended.
        case compacted(Int64)
        /// Whether it is running, and if not, why.
        case state(trouble: String?, EtcdHeader)
    }

    private static let firstPause = Duration.milliseconds(50)
    private static let longestPause = Duration.seconds(2)

    private let client: EtcdClient
    private let range: EtcdRange
    private let withPrevious: Bool
    private let onUpdate: @Sendable (Update) -> Void
    /// Everything up to here has been told.
    private(set) var position: Int64
    private var stream: GRPCStream?
    /// Tells the stream in use from those before it.
    private var generation = 0
    private var pieces: [EtcdEvent] = []
    /// The server has said that it tells us changes.
    private(set) var isRunning = false
    private var isOver = false
    private var pause = EtcdWatch.firstPause

    init(
        _ client: EtcdClient, _ range: EtcdRange, after revision: Int64, withPrevious: Bool,
        onUpdate: @escaping @Sendable (Update) -> Void
    ) {
        self.client = client
        self.range = range
        self.withPrevious = withPrevious
        self.onUpdate = onUpdate
        position = revision
    }

    /// On the client's thread, as everything here.
    func open() {
        if isOver { return }
        generation += 1
        let number = generation
        pieces = []
        isRunning = false
        stream = client.watch(
            .create(range, from: position + 1, withPrevious: withPrevious),
            onResponse: { [weak self] in self?.take($0, number) },
            onEnd: { [weak self] in self?.ended($0?.message ?? "the stream was closed", number) })
    }

    func close() {
        isOver = true
        stream?.cancel()
    }

    /// Has the server say how far the watch is.
    func askForProgress() { if isRunning { stream?.send(EtcdWatchRequest.progress.bytes) } }

    private func take(_ response: EtcdWatchResponse, _ number: Int) {
        guard number == generation, !isOver else { return }
        if response.isCanceled {
            if response.compactRevision > 0 {
                close()
                return onUpdate(.compacted(response.compactRevision))
            }
            // A member without a leader: another may have one.
            client.channel.moveOn()
            return ended(response.reason.isEmpty ? "the watch was cancelled" : response.reason, number)
        }
        if response.isCreated {
            isRunning = true
            pause = Self.firstPause
            onUpdate(.state(trouble: nil, response.header))
        }
        pieces += response.events
        if response.isFragment { return }
        // Told already, by the stream before: never twice.
        let events = pieces.filter { $0.current.revision > position }
        pieces = []
        if let last = events.last {
            position = last.current.revision
            onUpdate(.events(events))
        } else if response.isProgress, response.header.revision > position {
            position = response.header.revision
            onUpdate(.progress(position))
        }
    }

    private func ended(_ why: String, _ number: Int) {
        guard number == generation, !isOver else { return }
        generation += 1
        let old = stream
        stream = nil
        old?.cancel()
        isRunning = false
        onUpdate(.state(trouble: why, EtcdHeader()))
        let delay = pause
        pause = min(pause * 2, Self.longestPause)
        client.channel.run(after: delay) { [weak self] in self?.open() }
    }
}
