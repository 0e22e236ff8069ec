import Transport

/// Writes a long answer at the pace at which the peer reads it. For one task.
final class PacedWriter {
    private let stream: any HTTPStream
    private var signals: AsyncStream<Void>.Iterator

    init(_ stream: any HTTPStream) {
        self.stream = stream
        // One signal is remembered: room that comes between a look and the wait for it is not missed.
        let (signals, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.signals = signals.makeAsyncIterator()
        stream.onWritable { continuation.yield() }
        stream.onClose { continuation.finish() }
    }

    /// False: the stream has ended.
    func write(_ bytes: [UInt8]) async -> Bool {
        while !stream.isWritable {
            if await signals.next(isolation: nil) == nil { return false }
        }
        return stream.write(Frame(bytes))
    }
}

extension Exchange {
    /// Passes another server's answer on as it comes, and as fast as the client takes it.
    func pass(_ answer: HTTPClientStream, contentType: String) async {
        let stream = stream(status: answer.status, contentType: contentType)
        // Reading the answer must end with the client, also while the other server has nothing to say.
        let copying = Task {
            let writer = PacedWriter(stream)
            do {
                for try await chunk in answer.body {
                    guard await writer.write(chunk) else { return }
                }
                stream.finish()
            } catch {
                // What has been sent looks complete to the client unless the connection breaks.
                stream.abort()
            }
        }
        stream.onClose { copying.cancel() }
        await copying.value
    }
}
