import Glibc
import Kernel
import KubeAPI
import Synchronization

/// Queries over TCP.
final class StreamFront: Sendable {
    private let listener: FileDescriptor
    private let filter: ClientFilter
    private let token = Mutex<EpollLoop.Token?>(nil)

    init(_ config: DNSConfig, _ filter: ClientFilter) throws(KernelError) {
        self.filter = filter
        listener = try Sockets.listen(SocketPeer(config.address, port: config.port), isStream: true)
    }

    func start(_ server: DNSServer) throws(KernelError) {
        let token = try server.loop.watch(listener.raw) { [weak self, weak server] _ in
            guard let self, let server else { return }
            accept(server)
        }
        self.token.withLock { $0 = token }
    }

    func stop(_ server: DNSServer) {
        if let token = token.withLock({ $0 }) { server.loop.cancel(token) }
        server.state.withLock { state in
            for stream in state.streams.values { if let token = stream.token { server.loop.cancel(token) } }
            state.streams = [:]
        }
    }

    private func accept(_ server: DNSServer) {
        // Without a descriptor left, or with a peer that has gone: the loop calls again.
        for _ in 0..<16 {
            var peer = SocketPeer()
            guard let descriptor = try? Sockets.accept(listener, from: &peer) else { return }
            let stream = ClientStream(descriptor, now: DNSServer.now())
            server.state.withLock { state in
                guard filter.lets(peer), state.streams.count < ClientStream.limit else {
                    state.counts.strangers += 1
                    return
                }
                admit(stream, server, &state)
            }
        }
    }

    private func admit(_ stream: ClientStream, _ server: DNSServer, _ state: inout ServerState) {
        let number = state.nextStream
        state.nextStream += 1
        do throws(KernelError) {
            stream.token = try server.loop.watch(stream.descriptor.raw, .readable) { [weak server] _ in
                server.map { Self.serve(number, $0) }
            }
        } catch {
            return  // the connection closes with its owner
        }
        state.streams[number] = stream
        if state.streams.count == 1 { Self.sweepLater(server) }
    }

    /// Lets go of idle connections, for as long as there are any.
    private static func sweepLater(_ server: DNSServer) {
        server.loop.after(.seconds(5)) { [weak server] in
            guard let server else { return }
            server.state.withLock { state in
                let oldest = DNSServer.now() - ClientStream.idleSeconds
                for (number, stream) in state.streams where stream.lastUse < oldest {
                    close(stream, number, server, &state)
                }
                if !state.streams.isEmpty { sweepLater(server) }
            }
        }
    }

    private static func serve(_ number: Int, _ server: DNSServer) {
        server.state.withLock { state in
            guard let stream = state.streams[number] else { return }
            flush(stream, number, server, &state)
            guard state.streams[number] != nil else { return }
            do throws(KernelError) {
                let part = try stream.descriptor.read(upTo: 16 << 10)
                guard !part.isEmpty else { return close(stream, number, server, &state) }
                stream.input += part
            } catch {
                if error.code != EAGAIN { close(stream, number, server, &state) }
                return
            }
            stream.lastUse = DNSServer.now()
            withUnsafeTemporaryAllocation(byteCount: MessageSize.stream, alignment: 8) { out in
                while let query = stream.takeQuery() {
                    let length = query.withUnsafeBytes { server.answer($0, from: .stream(number), into: out, &state) }
                    if let length { stream.queue(UnsafeRawBufferPointer(rebasing: out[..<length])) }
                }
            }
            flush(stream, number, server, &state)
        }
    }

    /// Sends what waits; waits for room where it does not all go.
    static func flush(_ stream: ClientStream, _ number: Int, _ server: DNSServer, _ state: inout ServerState) {
        while !stream.output.isEmpty {
            let sent = stream.output.withUnsafeBytes {
                Glibc.send(stream.descriptor.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else {
                guard errno == EAGAIN, stream.output.count <= ClientStream.backlogLimit else {
                    return close(stream, number, server, &state)
                }
                break
            }
            stream.output.removeFirst(sent)
            stream.lastUse = DNSServer.now()
        }
        guard let token = stream.token else { return }
        // A client that does not take answers is not read from.
        server.loop.change(token, stream.output.isEmpty ? .readable : .writable)
    }

    private static func close(_ stream: ClientStream, _ number: Int, _ server: DNSServer, _ state: inout ServerState) {
        if let token = stream.token { server.loop.cancel(token) }
        state.streams[number] = nil
    }
}
