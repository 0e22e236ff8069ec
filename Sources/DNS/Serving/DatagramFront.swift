import Glibc
import Kernel
import KubeAPI
import Synchronization

/// Queries over UDP: a batch is read, answered in place and sent back with one call each.
final class DatagramFront: @unchecked Sendable {
    private static let batch = 64
    /// Longer queries are none: names have 255 bytes, and a cookie or two.
    private static let queryLimit = 1232
    /// Batches in a row, so that timers and others have their turn.
    private static let turnLimit = 16

    private let socket: FileDescriptor
    private let filter: ClientFilter
    private let token = Mutex<EpollLoop.Token?>(nil)
    // Safe: only the loop's thread touches them.
    private let input: UnsafeMutableBufferPointer<Datagram>
    private let output: UnsafeMutableBufferPointer<Datagram>
    private let bytes: UnsafeMutableRawBufferPointer
    private let answers: UnsafeMutableRawBufferPointer

    init(_ config: DNSConfig, _ filter: ClientFilter) throws(KernelError) {
        self.filter = filter
        socket = try Sockets.listen(SocketPeer(config.address, port: config.port), isStream: false)
        input = .allocate(capacity: Self.batch)
        output = .allocate(capacity: Self.batch)
        bytes = .allocate(byteCount: Self.batch * Self.queryLimit, alignment: 64)
        answers = .allocate(byteCount: Self.batch * MessageSize.datagram, alignment: 64)
        for index in 0..<Self.batch {
            input.initializeElement(
                at: index,
                to: Datagram(
                    bytes: bytes.baseAddress.map { $0 + index * Self.queryLimit }, count: 0, peer: SocketPeer()))
            output.initializeElement(at: index, to: Datagram())
        }
    }

    deinit {
        input.deallocate()
        output.deallocate()
        bytes.deallocate()
        answers.deallocate()
    }

    func start(_ server: DNSServer) throws(KernelError) {
        server.state.withLock { $0.datagramSocket = socket.raw }
        let token = try server.loop.watch(socket.raw) { [weak self, weak server] _ in
            guard let self, let server else { return }
            serve(server)
        }
        self.token.withLock { $0 = token }
    }

    func stop(_ server: DNSServer) {
        if let token = token.withLock({ $0 }) { server.loop.cancel(token) }
        server.state.withLock { $0.datagramSocket = -1 }
    }

    private func serve(_ server: DNSServer) {
        for _ in 0..<Self.turnLimit {
            let received = Sockets.receive(socket.raw, input, capacity: Self.queryLimit)
            guard received > 0 else { return }
            let count = server.state.withLock { state in answer(received, server, &state) }
            var sent = 0
            while sent < count {
                let more = Sockets.send(
                    socket.raw, UnsafeBufferPointer(rebasing: output[sent..<count]))
                // One that can't be sent (a peer without a route) is passed over; a full socket loses all.
                if more == -Int(EAGAIN) { break }
                sent += max(1, more)
            }
            if received < Self.batch { return }
        }
    }

    private func answer(_ received: Int, _ server: DNSServer, _ state: inout ServerState) -> Int {
        var count = 0
        for index in 0..<received {
            let datagram = input[index]
            guard filter.lets(datagram.peer) else {
                state.counts.strangers += 1
                continue
            }
            let query = UnsafeRawBufferPointer(start: datagram.bytes, count: Int(datagram.count))
            let start = count * MessageSize.datagram
            let room = UnsafeMutableRawBufferPointer(rebasing: answers[start..<start + MessageSize.datagram])
            guard let length = server.answer(query, from: .datagram(datagram.peer), into: room, &state) else {
                continue
            }
            output[count] = Datagram(bytes: room.baseAddress, count: UInt32(length), peer: datagram.peer)
            count += 1
        }
        return count
    }
}
