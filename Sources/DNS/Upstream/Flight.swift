import Glibc
import KubeAPI
import Kernel

/// One question under way to the resolvers behind, with everybody who waits for its answer.
///
/// Unchecked: only touched under the server's lock.
final class Flight: @unchecked Sendable {
    /// The longest message that is taken over UDP.
    static let datagramLimit = 4096
    /// Clients that may wait for one question.
    static let waiterLimit = 1000
    /// What a question goes through before it is given up: libc asks again after 5 s.
    static let attemptTimeout: Duration = .seconds(1)
    static let attemptLimit = 4

    struct Waiter {
        let query: [UInt8]
        let request: DNSRequest
        let origin: Origin
        let aliases: [[UInt8]]
    }
    enum Origin {
        case datagram(SocketPeer)
        /// The connection's number.
        case stream(Int)

        var isStream: Bool { if case .stream = self { true } else { false } }
    }

    let key: OutsideCache.Key
    let servers: [IPAddress]
    var waiters: [Waiter] = []
    /// Over TCP: the answer did not fit a datagram.
    private(set) var isStream = false
    private(set) var attempt = 0
    private var id: UInt16 = 0
    private var received: [UInt8] = []
    private var isSent = false
    private var socket: Socket?
    /// The loop's registration and timer of this attempt.
    var token: EpollLoop.Token?
    var timer: EpollLoop.Token?

    private final class Socket {
        let descriptor: FileDescriptor
        init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
    }

    init(key: OutsideCache.Key, servers: [IPAddress]) {
        self.key = key
        self.servers = servers
    }

    var descriptor: Int32? { socket?.descriptor.raw }

    /// Whether another resolver, or the same again, can be asked.
    var canRetry: Bool { attempt < Self.attemptLimit }

    /// Begins the next attempt: a socket of its own, so that both the port and the id have to be guessed.
    func begin(isStream: Bool = false) throws(KernelError) {
        socket = nil
        received = []
        isSent = false
        self.isStream = isStream
        let server = servers[attempt % servers.count]
        if !isStream { attempt += 1 }
        id = .random(in: 0...UInt16.max)
        let opened = try Sockets.connect(SocketPeer(server, port: 53), isStream: isStream)
        socket = Socket(opened)
        if !isStream { try send() }
    }

    func close() { socket = nil }

    /// The server that is being asked.
    var server: IPAddress { servers[max(0, attempt - 1) % servers.count] }

    private var query: [UInt8] {
        let flags = HeaderFlags.recursionDesired
        let words: [UInt16] = [id, flags, 1, 0, 0, 1]
        var bytes = words.flatMap(RecordBytes.word) + key.name.wire + RecordBytes.word(key.type)
        bytes += RecordBytes.word(key.recordClass)
        bytes += [0] + RecordBytes.word(RecordType.opt) + RecordBytes.word(UInt16(MessageSize.datagram))
        return bytes + [0, 0, key.wantsSignatures ? 0x80 : 0, 0, 0, 0]
    }

    private func send() throws(KernelError) {
        guard let socket else { return }
        let query = query
        isSent = true
        // A query fits any socket's buffer at once.
        try socket.descriptor.write(all: isStream ? RecordBytes.word(UInt16(query.count)) + query : query)
    }

    enum Progress {
        case waiting
        case answered(OutsideAnswer)
        /// The resolver is away, or says nonsense.
        case failed(KernelError?)
    }

    /// Goes on when the socket is ready.
    func proceed() -> Progress {
        guard let socket else { return .waiting }
        do throws(KernelError) {
            if isStream && !isSent {
                try send()
                return .waiting
            }
            return isStream ? try readStream(socket) : try readDatagrams(socket)
        } catch {
            return error.code == EAGAIN ? .waiting : .failed(error)
        }
    }

    private func readDatagrams(_ socket: Socket) throws(KernelError) -> Progress {
        // What is not ours is passed over, a few at a time.
        for _ in 0..<8 {
            let message = try socket.descriptor.read(upTo: Self.datagramLimit)
            if let answer = parse(message) { return .answered(answer) }
        }
        return .waiting
    }

    private func readStream(_ socket: Socket) throws(KernelError) -> Progress {
        while true {
            let part = try socket.descriptor.read(upTo: 16 << 10)
            guard !part.isEmpty else { return .failed(nil) }
            received += part
            guard received.count >= 2 else { continue }
            let length = Int(received[0]) << 8 | Int(received[1])
            guard received.count >= length + 2 else { continue }
            guard let answer = parse(Array(received[2..<length + 2])) else { return .failed(nil) }
            return .answered(answer)
        }
    }

    private func parse(_ message: [UInt8]) -> OutsideAnswer? {
        message.withUnsafeBytes {
            OutsideAnswer($0, id: id, name: key.name, type: key.type, recordClass: key.recordClass)
        }
    }
}
