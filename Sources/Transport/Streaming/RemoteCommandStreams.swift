import Glibc
import KubeAPI
import NIOCore

func closeDescriptor(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

/// The streams that a client of exec or attach has opened. On the connection's event loop.
final class RemoteCommandStreams {
    private let carrier: any StreamCarrier
    private let tellsStatus: Bool
    var stdin: SubStream?
    var stdout: SubStream?
    var stderr: SubStream?
    var error: SubStream?
    var resize: SubStream?

    init(carrier: any StreamCarrier, tellsStatus: Bool) {
        self.carrier = carrier
        self.tellsStatus = tellsStatus
    }

    /// Says how the command ended, and ends the connection.
    func end(with outcome: RemoteCommandOutcome) {
        stdout?.finish()
        stderr?.finish()
        if tellsStatus {
            error?.send(ByteBuffer(bytes: outcome.status.serialized()))
        } else if let text = outcome.text {
            error?.send(ByteBuffer(string: text))
        }
        for stream in [error, stdin, resize] { stream?.finish() }
        for stream in [stdin, stdout, stderr, error, resize] { stream?.ignore() }
        carrier.close()
    }
}

/// Cuts what comes on the stream of sizes into documents: one follows the other without anything between, and a
/// WebSocket may cut them anywhere.
struct ResizeReader {
    private var pending: [UInt8] = []
    /// Of one document, which has some 30.
    private static let documentBytes = 1024

    mutating func read(_ bytes: ByteBuffer) -> [TerminalSize] {
        pending += bytes.readableBytesView
        var sizes: [TerminalSize] = []
        while let end = pending.firstIndex(of: UInt8(ascii: "}")) {
            // What is not JSON is nobody's size.
            let document = (try? JSON.parse(Array(pending[...end]))) ?? .null
            pending.removeSubrange(...end)
            guard let width = document["Width"].int, let height = document["Height"].int,
                width > 0, height > 0, width <= Int(UInt16.max), height <= Int(UInt16.max)
            else { continue }
            sizes.append(TerminalSize(width: UInt16(width), height: UInt16(height)))
        }
        if pending.count > Self.documentBytes { pending = [] }
        return sizes
    }
}

/// Hands what comes on a stream to a closure.
final class StreamListener: StreamReceiver {
    private let body: (ByteBuffer) -> Void
    init(_ body: @escaping (ByteBuffer) -> Void) { self.body = body }
    func received(_ bytes: ByteBuffer) { body(bytes) }
    func peerEnded() {}
    func becameWritable() {}
    func lost() {}
}
