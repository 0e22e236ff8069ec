import NIOCore

/// One client of port-forward: pairs the streams that it opens, and joins each pair with a connection into the pod. On
/// the connection's event loop.
final class PortForwardSession {
    /// For the second stream of a pair.
    private static let pairLimit = TimeAmount.seconds(30)
    /// Pairs of which one stream is missing.
    private static let halfPairs = 256

    private struct Half {
        let stream: SubStream
        let isData: Bool
        let timer: Scheduled<Void>
    }

    private let loop: any EventLoop
    private let connect: PortForwardUpgrade.Connect
    /// By request and port.
    private var halves: [String: Half] = [:]
    private var pumps: [ObjectIdentifier: DescriptorPump] = [:]
    private var running = 0
    private var isOver = false
    /// Of WebSocket channels, whose ends have no word: it is closed when all is over.
    private var closing: (any StreamCarrier)?

    init(loop: any EventLoop, connect: @escaping PortForwardUpgrade.Connect) {
        self.loop = loop
        self.connect = connect
    }

    /// False refuses the stream.
    func take(_ stream: SubStream) -> Bool {
        guard !isOver, let type = stream.header("streamType"), type == "data" || type == "error",
            let text = stream.header("port"), let port = UInt16(text), port > 0
        else { return false }
        let isData = type == "data"
        // Clients before 1.5 do not number their requests: a pair is then the streams that are opened together, the one
        // of errors first.
        let request = stream.header("requestID") ?? String(isData ? stream.id - 2 : stream.id)
        let key = "\(request)/\(port)"
        if let half = halves[key] {
            guard half.isData != isData else { return false }
            halves[key] = nil
            half.timer.cancel()
            let (data, error) = isData ? (stream, half.stream) : (half.stream, stream)
            // Nothing comes on it.
            error.ignore()
            forward(port: port, data: data, error: error)
            return true
        }
        guard halves.count < Self.halfPairs else { return false }
        let session = NIOLoopBound(self, eventLoop: loop)
        let timer = loop.scheduleTask(in: Self.pairLimit) {
            // Its streams hang, and with them nothing but the client's own connection.
            guard let half = session.value.halves.removeValue(forKey: key) else { return }
            half.stream.ignore()
            half.stream.finish()
        }
        halves[key] = Half(stream: stream, isData: isData, timer: timer)
        return true
    }

    func forward(port: UInt16, data: SubStream, error: SubStream) {
        running += 1
        let bound = NIOLoopBound((session: self, data: data, error: error), eventLoop: loop)
        let (connect, loop) = (connect, loop)
        Task {
            let result = await connect(port)
            loop.execute {
                let (session, data, error) = bound.value
                session.connected(result, data: data, error: error)
            }
        }
    }

    private func connected(_ result: Result<Int32, PortForwardFailure>, data: SubStream, error: SubStream) {
        switch result {
        case .success(let socket):
            guard !isOver else { return closeDescriptor(socket) }
            // One object, so that it may name itself.
            let place = Place()
            let pump = DescriptorPump(
                .socket, source: data, target: data,
                onReadEnd: { [weak self] in
                    data.finish()
                    // A client that can't hear of one direction's end would wait for it for ever.
                    if self?.closing != nil { place.pump?.close() }
                },
                onClose: { [weak self] in
                    error.finish()
                    self?.ended(place.pump.map { ObjectIdentifier($0) })
                })
            place.pump = pump
            pumps[ObjectIdentifier(pump)] = pump
            pump.start(socket, on: loop)
        case .failure(let failure):
            error.send(ByteBuffer(string: failure.text))
            error.finish()
            data.ignore()
            data.finish()
            ended(nil)
        }
    }

    private final class Place { weak var pump: DescriptorPump? }

    private func ended(_ pump: ObjectIdentifier?) {
        if let pump { pumps[pump] = nil }
        running -= 1
        if running == 0 { closing?.close() }
    }

    /// Of a connection whose pairs are given at its beginning.
    func closeWhenDone(_ carrier: any StreamCarrier) {
        closing = carrier
        if running == 0 { carrier.close() }
    }

    func disconnected() {
        guard !isOver else { return }
        isOver = true
        closing = nil
        for half in halves.values { half.timer.cancel() }
        halves = [:]
        for pump in pumps.values { pump.close() }
    }
}
