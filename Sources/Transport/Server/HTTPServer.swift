import Glibc
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// An HTTP/1.1 server: one handler behind any number of listeners, over TCP (plain, or TLS where `tls` is given) and
/// unix sockets (always plain).
public final class HTTPServer: Sendable {
    let loops: EventLoops
    let handler: any HTTPHandler
    let limits: ServerLimits
    let log: Logger
    private let tls: ServerTLS?

    private struct State {
        var listeners: [any Channel] = []
        var sockets: [String] = []
        var connections: [ObjectIdentifier: (connection: ServerConnection, loop: any EventLoop)] = [:]
        var isShutDown = false
        var hasWarnedOfLimit = false
        var emptied: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())
    /// Bytes of bodies that connections hold.
    private let heldBytes = Atomic<Int>(0)

    /// Listens nowhere yet.
    public convenience init(
        loops: EventLoops, handler: any HTTPHandler, tls: ServerTLS? = nil, maxBodyBytes: Int = 3 << 20, log: Logger
    ) {
        var limits = ServerLimits()
        limits.bodyBytes = maxBodyBytes
        self.init(loops: loops, handler: handler, tls: tls, limits: limits, log: log)
    }

    /// Listens nowhere yet.
    public init(loops: EventLoops, handler: any HTTPHandler, tls: ServerTLS?, limits: ServerLimits, log: Logger) {
        self.loops = loops
        self.handler = handler
        self.tls = tls
        self.limits = limits
        self.log = log
    }

    /// Open connections.
    public var connectionCount: Int { state.withLock { $0.connections.count } }

    /// Listens on an address (or name); port 0 takes a free one. Returns the port. Throws `TransportError`.
    @discardableResult
    public func listen(host: String, port: Int) async throws -> Int {
        let channel: any Channel
        do {
            let address: SocketAddress
            if let literal = try? SocketAddress(ipAddress: host, port: port) {  // nil: a name
                address = literal
            } else {
                address = try SocketAddress.makeAddressResolvingHost(host, port: port)
            }
            channel = try await bootstrap(tls: tls).bind(to: address).get()
        } catch {
            let isTaken = (error as? IOError)?.errnoCode == EADDRINUSE
            throw TransportError(
                isTaken ? .addressInUse : .cannotListen,
                "cannot listen on \(host.contains(":") ? "[\(host)]" : host):\(port): \(describe(error))")
        }
        try await keep(channel)
        return channel.localAddress?.port ?? port
    }

    /// Listens on a unix socket. A socket that a dead process has left at the path is replaced; one that somebody
    /// listens on is not. Throws `TransportError`.
    public func listen(unixSocket path: String, mode: UInt32 = 0o600) async throws {
        // Bound beside its place and moved there when its mode is right, so that nobody can connect before.
        let fresh = path + "~"
        guard fresh.utf8.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else {
            throw TransportError(.cannotListen, "cannot listen on \(path): the path is longer than a socket's may be")
        }
        if UnixSocket.isListening(path) {
            throw TransportError(.addressInUse, "cannot listen on \(path): another process listens there")
        }
        unlink(fresh)
        let channel: any Channel
        do {
            channel = try await bootstrap(tls: nil).bind(unixDomainSocketPath: fresh).get()
        } catch {
            throw TransportError(.cannotListen, "cannot listen on \(path): \(describe(error))")
        }
        guard chmod(fresh, mode) == 0, rename(fresh, path) == 0 else {
            let cause = String(cString: strerror(errno))
            unlink(fresh)
            // Its only error is to be closed already.
            try? await channel.close()
            throw TransportError(.cannotListen, "cannot listen on \(path): \(cause)")
        }
        state.withLock { $0.sockets.append(path) }
        try await keep(channel)
    }

    /// Closes the listeners, ends streams, lets requests in hand be answered for up to `grace`, then closes everything.
    public func shutdown(grace: Duration = .seconds(2)) async {
        let (listeners, sockets, connections) = state.withLock { state in
            defer {
                state.listeners = []
                state.sockets = []
            }
            state.isShutDown = true
            return (state.listeners, state.sockets, Array(state.connections.values))
        }
        // Closing one that is closed already is the only error.
        for listener in listeners { try? await listener.close() }
        for socket in sockets { unlink(socket) }
        for (connection, loop) in connections { loop.execute { connection.shutDown() } }
        let timeout = Task { [weak self] in
            // Cancelled when all connections have ended before.
            guard (try? await Task.sleep(for: grace)) != nil else { return }
            self?.closeAll()
        }
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isEmpty = state.withLock { state in
                if !state.connections.isEmpty { state.emptied = continuation }
                return state.connections.isEmpty
            }
            if isEmpty { continuation.resume() }
        }
        timeout.cancel()
    }

    private func closeAll() {
        for (connection, loop) in state.withLock({ Array($0.connections.values) }) {
            loop.execute { connection.closeNow() }
        }
    }

    private func keep(_ listener: any Channel) async throws {
        let isLate = state.withLock { state in
            if !state.isShutDown { state.listeners.append(listener) }
            return state.isShutDown
        }
        if isLate {
            try await listener.close()
            throw TransportError(.cannotListen, "cannot listen: the server has been shut down")
        }
    }

    private func bootstrap(tls: ServerTLS?) -> ServerBootstrap {
        ServerBootstrap(group: loops.group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.configure(channel, tls: tls) }
            }
            .childChannelOption(.maxMessagesPerRead, value: 4)
    }

    private func configure(_ channel: any Channel, tls: ServerTLS?) throws {
        let remote = channel.remoteAddress
        let isTCP = remote?.port != nil
        if isTCP { try SocketTuning.apply(to: channel) }
        let peer = PeerIdentity(
            address: remote?.ipAddress ?? "", port: remote?.port ?? 0, isTLS: tls != nil,
            localAddress: channel.localAddress?.ipAddress ?? channel.localAddress?.pathname ?? "")
        let material = tls?.current
        let pipeline = channel.pipeline.syncOperations
        let connection: ServerConnection
        if let material {
            let presented = PresentedChain()
            let sslHandler = NIOSSLServerHandler(
                context: material.context,
                customVerificationCallback: { certificates, promise in
                    // Verified when the first request is there: a bad certificate is answered, not hung up on.
                    presented.certificates = certificates
                    promise.succeed(.certificateVerified)
                })
            try pipeline.addHandler(sslHandler)
            connection = ServerConnection(
                server: self, mailbox: loops.mailbox(of: channel.eventLoop), tls: material, sslHandler: sslHandler,
                presented: presented, peer: peer)
        } else {
            connection = ServerConnection(
                server: self, mailbox: loops.mailbox(of: channel.eventLoop), tls: nil, sslHandler: nil,
                presented: PresentedChain(), peer: peer)
        }
        var decoding = NIOHTTPDecoderLimitConfiguration()
        decoding.maxHeaderFieldSize = limits.headBytes
        decoding.maxHeaderListSize = limits.headBytes
        decoding.maxHeaderFieldCount = limits.headerCount
        let decoder = ByteToMessageHandler(
            HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: decoding))
        connection.decoder = decoder
        try pipeline.addHandler(decoder)
        try pipeline.addHandler(connection)
        try admit(connection, on: channel.eventLoop)
    }

    /// Throwing closes the connection.
    private func admit(_ connection: ServerConnection, on loop: any EventLoop) throws {
        let (isAdmitted, mustWarn) = state.withLock { state in
            let isFull = state.connections.count >= limits.connections
            guard !state.isShutDown, !isFull else {
                defer { state.hasWarnedOfLimit = true }
                return (false, isFull && !state.hasWarnedOfLimit)
            }
            state.connections[ObjectIdentifier(connection)] = (connection, loop)
            return (true, false)
        }
        if mustWarn {
            log.warning("too many connections, refusing further ones", metadata: ["limit": "\(limits.connections)"])
        }
        if !isAdmitted { throw TransportError(.cannotListen, "too many connections") }
    }

    /// Bytes of bodies that all connections hold at the moment.
    var bodyBytes: Int { heldBytes.load(ordering: .relaxed) }

    /// Counts bytes of a request's body; false where all connections together hold as much as they may.
    func hold(_ bytes: Int) -> Bool {
        let held = heldBytes.add(bytes, ordering: .relaxed).newValue
        if held <= limits.allBodiesBytes { return true }
        release(bytes)
        return false
    }

    func release(_ bytes: Int) { heldBytes.subtract(bytes, ordering: .relaxed) }

    func connectionEnded(_ connection: ServerConnection) {
        let emptied = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.connections[ObjectIdentifier(connection)] = nil
            guard state.connections.isEmpty else { return nil }
            defer { state.emptied = nil }
            return state.emptied
        }
        emptied?.resume()
    }
}

/// The certificates that a client has presented; written by the handshake, read by the connection, on one event loop.
final class PresentedChain: @unchecked Sendable {
    var certificates: [NIOSSLCertificate] = []
}

func describe(_ error: any Error) -> String {
    if let error = error as? IOError { return String(cString: strerror(error.errnoCode)) }
    return "\(error)"
}
