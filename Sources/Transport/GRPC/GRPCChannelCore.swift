import NIOCore
import NIOPosix
import NIOSSL

/// The state of a channel. Belongs to its loop.
final class GRPCChannelCore: GRPCConnectionOwner {
    /// Calls that wait for a connection; more are refused.
    private static let maxWaiting = 20_000

    private let loop: any EventLoop
    private let endpoints: [GRPCEndpoint]
    private let tls: ClientTLS?
    private let agent: String
    private let messageLimit: Int
    private let pace: GRPCPace

    private enum State {
        case idle
        case connecting(GRPCConnection)
        case ready(GRPCConnection)
        case pausing
        case closed
    }
    private var state = State.idle
    private var position = 0
    /// Attempts to connect since one has led to an answer.
    private var failures = 0
    private var draining: [GRPCConnection] = []
    private var waiting = CircularBuffer<GRPCCall>()
    private var ticker: RepeatedTask?
    /// Why the newest attempt to connect has failed, or the connection has ended.
    private(set) var trouble: GRPCError?

    init(
        loop: any EventLoop, endpoints: [GRPCEndpoint], tls: ClientTLS?, agent: String, messageLimit: Int,
        pace: GRPCPace
    ) {
        self.loop = loop
        self.endpoints = endpoints
        self.tls = tls
        self.agent = agent
        self.messageLimit = messageLimit
        self.pace = pace
    }

    func begin() {
        let bound = NIOLoopBound(self, eventLoop: loop)
        ticker = loop.scheduleRepeatedTask(initialDelay: .milliseconds(250), delay: .milliseconds(250)) { _ in
            bound.value.tick()
        }
    }

    // MARK: - Calls

    func unary(
        _ path: String, _ message: [UInt8], _ deadline: NIODeadline, _ isRepeatable: Bool,
        _ completion: @escaping @Sendable (Result<GRPCReply, GRPCError>) -> Void
    ) {
        var answer: [UInt8]?
        var isRepeated = { false }
        let call = GRPCCall(
            path: path, headers: [], deadline: deadline, isRepeatable: isRepeatable, message: message,
            isHalfClosed: true, messageLimit: messageLimit,
            onMessage: { answer = answer ?? $0 },
            onEnd: { error in
                if let error {
                    completion(.failure(error))
                } else if let answer {
                    completion(.success(GRPCReply(message: answer, isRepeated: isRepeated())))
                } else {
                    completion(.failure(GRPCError(.internal, "the answer has no message")))
                }
            })
        isRepeated = { [weak call] in call?.isRepeated ?? false }
        begin(call)
    }

    func stream(
        _ path: String, _ headers: [(name: String, value: String)], _ message: [UInt8],
        _ onMessage: @escaping ([UInt8]) -> Void, _ onEnd: @escaping (GRPCError?) -> Void
    ) -> GRPCCall {
        let call = GRPCCall(
            path: path, headers: headers, deadline: nil, isRepeatable: false, message: message, isHalfClosed: false,
            messageLimit: messageLimit, onMessage: onMessage, onEnd: onEnd)
        begin(call)
        return call
    }

    func send(_ message: [UInt8], on call: GRPCCall) {
        guard !call.isOver else { return }
        if let connection = connection(of: call) { connection.send(message, on: call) } else { call.append(message) }
    }

    func cancel(_ call: GRPCCall) {
        let error = GRPCError(.cancelled, "the call was cancelled")
        if let connection = connection(of: call) {
            connection.abandon(call, error)
        } else {
            waiting.removeAll { $0 === call }
            call.end(error)
        }
    }

    private func connection(of call: GRPCCall) -> GRPCConnection? {
        var all = draining
        if case .ready(let connection) = state { all.append(connection) }
        return all.first { $0.calls[call.stream] === call }
    }

    private func begin(_ call: GRPCCall) {
        if case .ready(let connection) = state, connection.hasRoom { return connection.start(call) }
        if case .closed = state {
            return call.end(GRPCError(.cancelled, "the client is closed", isUnsent: !call.isRepeated))
        }
        guard waiting.count < Self.maxWaiting else {
            return call.end(
                GRPCError(.resourceExhausted, "too many calls wait for a connection", isUnsent: !call.isRepeated))
        }
        waiting.append(call)
        if case .idle = state { connect() }
    }

    private func startWaiting() {
        guard case .ready(let connection) = state else {
            if case .idle = state, !waiting.isEmpty { connect() }
            return
        }
        let now = NIODeadline.now()
        while connection.hasRoom, let call = waiting.popFirst() {
            if let deadline = call.deadline, deadline <= now { expire(call) } else { connection.start(call, now: now) }
        }
    }

    private func expire(_ call: GRPCCall) {
        if call.isRepeated {
            call.end(GRPCError(.deadlineExceeded, trouble?.message ?? "context deadline exceeded"))
        } else {
            call.end(
                GRPCError(
                    trouble?.code ?? .unavailable, trouble?.message ?? "no connection came about in time",
                    isUnsent: true))
        }
    }

    func moveOn() {
        guard endpoints.count > 1, case .ready(let connection) = state else { return }
        connection.close(GRPCError(.unavailable, "\(endpoints[position]) cannot serve"))
    }

    private func tick() {
        let now = NIODeadline.now()
        switch state {
        case .connecting(let connection), .ready(let connection): connection.tick(now)
        default: break
        }
        for connection in draining { connection.tick(now) }
        let expired = waiting.filter { $0.deadline.map { $0 <= now } ?? false }
        guard !expired.isEmpty else { return }
        waiting.removeAll { $0.deadline.map { $0 <= now } ?? false }
        for call in expired { expire(call) }
    }

    func close() {
        ticker?.cancel()
        let error = GRPCError(.cancelled, "the client is closed", isUnsent: true)
        var connections = draining
        switch state {
        case .connecting(let connection), .ready(let connection): connections.append(connection)
        default: break
        }
        state = .closed
        for connection in connections { connection.close(GRPCError(.cancelled, "the client is closed")) }
        while let call = waiting.popFirst() { call.end(error) }
    }

    // MARK: - Connecting

    private func connect() {
        let endpoint = endpoints[position]
        let connection = GRPCConnection(endpoint: endpoint, agent: agent, pace: pace, owner: self)
        state = .connecting(connection)
        let bound = NIOLoopBound(connection, eventLoop: loop)
        let bootstrap = SocketTuning.apply(to: ClientBootstrap(group: loop))
            .connectTimeout(pace.connect)
            .channelInitializer { [tls] channel in
                channel.eventLoop.makeCompletedFuture {
                    if endpoint.isTLS, let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            tls.makeHandler(host: endpoint.host, verdict: bound.value.verdict))
                    }
                    try channel.pipeline.syncOperations.addHandler(bound.value)
                }
            }
        let connected: EventLoopFuture<any Channel>
        if let address = try? SocketAddress(ipAddress: endpoint.host, port: endpoint.port) {  // else it is a name
            connected = bootstrap.connect(to: address)
        } else {
            connected = bootstrap.connect(host: endpoint.host, port: endpoint.port)
        }
        connected.whenFailure { error in
            bound.value.close(GRPCError(.unavailable, Dialer.cause(error).words))
        }
    }

    func isReady(_ connection: GRPCConnection) {
        guard case .connecting(let expected) = state, expected === connection else { return }
        state = .ready(connection)
        trouble = nil
        startWaiting()
    }

    func hasRoom(_ connection: GRPCConnection) { startWaiting() }

    func isDraining(_ connection: GRPCConnection) {
        guard case .ready(let current) = state, current === connection else { return }
        draining.append(connection)
        state = .idle
        // The server asks us to go elsewhere.
        position = (position + 1) % endpoints.count
        startWaiting()
    }

    func isGone(_ connection: GRPCConnection, _ why: GRPCError) {
        draining.removeAll { $0 === connection }
        switch state {
        case .connecting(let current) where current === connection, .ready(let current) where current === connection:
            trouble = GRPCError(why.code, "\(connection.endpoint): \(why.message)")
            state = .idle
            position = (position + 1) % endpoints.count
            failures += 1
            guard failures % endpoints.count == 0 || failures > 100 else { return startWaiting() }
            pause()
        default: break
        }
    }

    private func pause() {
        let round = min(10, failures / endpoints.count)
        let longest = min(pace.longestPause, pace.firstPause * (1 << round))
        // Not all clients at once, after a server comes back.
        let delay = TimeAmount.nanoseconds(Int64.random(in: longest.nanoseconds / 2...longest.nanoseconds))
        state = .pausing
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: delay) {
            let core = bound.value
            guard case .pausing = core.state else { return }
            core.state = .idle
            core.startWaiting()
        }
    }

    func ended(_ call: GRPCCall, _ error: GRPCError?) {
        guard let error else {
            failures = 0
            return call.end(nil)
        }
        if case .closed = state { return call.end(GRPCError(.cancelled, "the client is closed")) }
        let isLost = error.code == .unavailable && (call.isRepeatable || error.isUnsent)
        guard isLost, let deadline = call.deadline, NIODeadline.now() < deadline else {
            var error = error
            error.isUnsent = error.isUnsent && !call.isRepeated
            return call.end(error)
        }
        if !error.isUnsent { call.isRepeated = true }
        call.rewind()
        // A server that answers "unavailable" is asked again after a moment; without a connection it waits anyway.
        let bound = NIOLoopBound((self, call), eventLoop: loop)
        loop.scheduleTask(in: .milliseconds(20)) { bound.value.0.begin(bound.value.1) }
    }
}
