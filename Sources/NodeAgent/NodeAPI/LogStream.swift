import KubeAPI
import Kernel
import Logging
import Transport

/// Sends one log to one client, no faster than the client takes it.
struct LogStream: Sendable {
    let path: String
    let options: LogOptions
    /// Whether the run may still write.
    let isRunning: @Sendable () -> Bool
    /// Tells of changes of the folder that the log lies in; nil where it is not to be followed.
    let inotify: Inotify?
    /// Tells that the run may have ended.
    let worker: PodWorker?
    let log: Logger

    /// Answers a request. Returns at once.
    func answer(_ response: any HTTPResponder) {
        let stream = response.stream(status: 200, headers: [("Content-Type", "text/plain")])
        let (signals, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let task = Task { await send(to: stream, signals: signals, signal: signal) }
        stream.onWritable { signal.yield() }
        stream.onClose {
            task.cancel()
            signal.finish()
        }
    }

    private func send(
        to stream: any HTTPStream, signals: AsyncStream<Void>, signal: AsyncStream<Void>.Continuation
    ) async {
        var token: Inotify.Token?
        if options.follow, let inotify, let slash = path.lastIndex(of: "/") {
            // The folder may be gone already: then there is nothing to come.
            token = try? inotify.watch(String(path[..<slash]), [.modified, .created, .movedFrom, .gone]) { _ in
                signal.yield()
            }
        }
        let watcher = options.follow ? worker?.onChange { signal.yield() } : nil
        defer {
            if let token { inotify?.cancel(token) }
            if let watcher { worker?.cancel(watcher) }
        }
        var wakes = signals.makeAsyncIterator()
        do {
            let reader = try LogReader(path: path, options: options)
            while !Task.isCancelled {
                // Looked at before the log is read to its end: what is written later is read in another turn.
                let mayGrow = options.follow && isRunning()
                while let piece = try reader.next() {
                    if piece.isEmpty { continue }
                    guard stream.write(Frame(piece)) else { return }
                    while !stream.isWritable {
                        guard await wakes.next() != nil else { return }
                    }
                }
                guard mayGrow, !reader.isFull else { break }
                guard await wakes.next() != nil else { return }
            }
            stream.finish()
        } catch {
            log.warning("cannot read a log", metadata: ["path": "\(path)", "err": "\(error)"])
            stream.abort()
        }
    }
}
