import KubeAPI
import Kernel

/// Everything that the server knows, behind its lock.
struct ServerState {
    var book: ServiceBook
    var responder: Responder
    var cache = OutsideCache()
    var flights: [OutsideCache.Key: Flight] = [:]
    var streams: [Int: ClientStream] = [:]
    var nextStream = 0
    /// The resolvers behind, and the stamp of the file that named them.
    var servers: [IPAddress] = []
    var stamp: [Int] = [-1]
    /// Questions that come back where a resolver leads to us: which.
    var probes: [DNSName: IPAddress] = [:]
    /// Resolvers that lead to us.
    var circular: Set<IPAddress> = []
    /// The socket that datagrams leave by; -1 while there is none.
    var datagramSocket: Int32 = -1
    var failure: String?
    var counts = DNSCounts()
}

/// Counts of what the server did.
public struct DNSCounts: Sendable, Equatable {
    /// Queries that were answered or passed on.
    public var queries = 0
    /// Those that came from where nobody is answered.
    public var strangers = 0
    public var forwarded = 0
    public var cacheHits = 0
    /// Questions that no resolver behind has answered.
    public var failures = 0
}

/// A client's connection over TCP (RFC 7766): queries one after the other, each with its length.
///
/// Unchecked: only touched under the server's lock.
final class ClientStream: @unchecked Sendable {
    /// Bytes of answers that may wait for a client; one that does not read is let go.
    static let backlogLimit = 1 << 20
    /// Connections at once; more are closed at once.
    static let limit = 512
    /// Seconds without a query or an answer, after which a connection goes.
    static let idleSeconds = 10

    let descriptor: FileDescriptor
    var token: EpollLoop.Token?
    var input: [UInt8] = []
    var output: [UInt8] = []
    var lastUse: Int

    init(_ descriptor: consuming FileDescriptor, now: Int) {
        self.descriptor = descriptor
        lastUse = now
    }

    /// Adds an answer with its length to what is to be sent.
    func queue(_ answer: UnsafeRawBufferPointer) {
        output += RecordBytes.word(UInt16(clamping: answer.count))
        output += answer
    }

    /// Takes the next whole query out of what came.
    func takeQuery() -> [UInt8]? {
        guard input.count >= 2 else { return nil }
        let length = Int(input[0]) << 8 | Int(input[1])
        guard input.count >= length + 2 else { return nil }
        defer { input.removeFirst(length + 2) }
        return Array(input[2..<length + 2])
    }
}
