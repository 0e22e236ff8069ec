import KubeAPI
import NIOCore

/// Answers a request for exec or attach by a change of protocol.
public enum RemoteCommandUpgrade {
    /// For a client to open its streams, with SPDY.
    private static let openLimit = TimeAmount.seconds(30)

    /// - Parameter begin: called on the event loop when the client's streams stand. To be answered by `connect` and
    ///   `finish`, or by `finish` alone.
    /// - Throws: what to answer instead: the request does not ask for it, or asks for what is not spoken.
    public static func make(
        _ request: HTTPServerRequest, options: RemoteCommandOptions,
        begin: @escaping @Sendable (RemoteCommandSession) -> Void
    ) throws(StatusError) -> ProtocolSwitch {
        let spoken = try RemoteCommandProtocol.negotiate(request)
        switch spoken {
        case .webSocket:
            let (knowsEnds, tellsStatus) = (spoken.knowsEnds, spoken.tellsStatus)
            return ProtocolSwitch(headers: spoken.headers) { channel in
                try overWebSocket(channel, options, knowsEnds: knowsEnds, tellsStatus: tellsStatus, begin)
            }
        case .spdy:
            let (resizes, tellsStatus) = (spoken.resizes, spoken.tellsStatus)
            return ProtocolSwitch(headers: spoken.headers) { channel in
                try overSPDY(channel, options, resizes: resizes, tellsStatus: tellsStatus, begin)
            }
        }
    }

    // MARK: WebSocket: the channels are there from the beginning

    private static func overWebSocket(
        _ channel: any Channel, _ options: RemoteCommandOptions, knowsEnds: Bool, tellsStatus: Bool,
        _ begin: @escaping @Sendable (RemoteCommandSession) -> Void
    ) throws {
        let closing = Closing()
        let channels = WebSocketChannels(count: 5, knowsEnds: knowsEnds, loop: channel.eventLoop) { closing.run() }
        let streams = RemoteCommandStreams(carrier: channels, tellsStatus: tellsStatus)
        let all = channels.streams
        if options.stdin { streams.stdin = all[0] } else { all[0].ignore() }
        if options.stdout { streams.stdout = all[1] }
        if options.stderr { streams.stderr = all[2] }
        streams.error = all[3]
        streams.resize = all[4]
        for stream in all[1...3] where stream !== streams.stdout && stream !== streams.stderr { stream.ignore() }
        let session = RemoteCommandSession(options: options, streams: streams, loop: channel.eventLoop)
        closing.body = { session.disconnected() }
        try channel.pipeline.syncOperations.addHandlers([WebSocketHandler(), channels])
        channels.greet(streams.stdout ?? streams.stderr ?? all[3])
        all[4].connect(StreamListener { [weak session] in session?.resized($0) })
        begin(session)
    }

    // MARK: SPDY: the client opens a stream for each

    private static func overSPDY(
        _ channel: any Channel, _ options: RemoteCommandOptions, resizes: Bool, tellsStatus: Bool,
        _ begin: @escaping @Sendable (RemoteCommandSession) -> Void
    ) throws {
        let closing = Closing()
        let opening = Opening(options, resizes: resizes)
        let connection = SPDYConnection(
            loop: channel.eventLoop, onStream: { opening.take($0) }, onClose: { closing.run() })
        let streams = RemoteCommandStreams(carrier: connection, tellsStatus: tellsStatus)
        let session = RemoteCommandSession(options: options, streams: streams, loop: channel.eventLoop)
        let timer = channel.eventLoop.scheduleTask(in: openLimit) { channel.close(promise: nil) }
        opening.onComplete = { found in
            timer.cancel()
            streams.stdin = found["stdin"]
            streams.stdout = found["stdout"]
            streams.stderr = found["stderr"]
            streams.error = found["error"]
            streams.resize = found["resize"]
            streams.resize?.connect(StreamListener { [weak session] in session?.resized($0) })
            begin(session)
        }
        closing.body = {
            timer.cancel()
            session.disconnected()
        }
        try channel.pipeline.syncOperations.addHandler(connection)
    }

    /// Collects the streams until all that the options ask for are open.
    private final class Opening {
        private static let known: Set<String> = ["error", "stdin", "stdout", "stderr", "resize"]
        private let expected: Set<String>
        private var found: [String: SubStream] = [:]
        var onComplete: (([String: SubStream]) -> Void)?

        init(_ options: RemoteCommandOptions, resizes: Bool) {
            var expected: Set<String> = ["error"]
            if options.stdin { expected.insert("stdin") }
            if options.stdout { expected.insert("stdout") }
            if options.stderr { expected.insert("stderr") }
            if options.tty && resizes { expected.insert("resize") }
            self.expected = expected
        }

        func take(_ stream: SubStream) -> Bool {
            guard let type = stream.header("streamType"), Self.known.contains(type), found[type] == nil else {
                return false
            }
            guard expected.contains(type) else {
                // Some clients open one for the errors of a terminal as well: nothing comes on it.
                stream.ignore()
                return true
            }
            found[type] = stream
            guard found.count == expected.count else { return true }
            let onComplete = self.onComplete
            self.onComplete = nil
            onComplete?(found)
            return true
        }
    }

    /// What is to be done when the connection ends: known only when all is put together.
    private final class Closing {
        var body: (() -> Void)?
        func run() {
            let body = self.body
            self.body = nil
            body?()
        }
    }
}
