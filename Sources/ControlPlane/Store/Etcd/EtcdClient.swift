import KubeAPI
import Transport

/// The calls of etcd's API that we make, typed.
final class EtcdClient: Sendable {
    /// Of one answer. A page of values (`pageSize`), each as large as etcd takes them by default (1.5 MiB), stays below.
    private static let messageLimit = 256 << 20
    static let pageSize: Int64 = 128
    /// From asking to giving up, over reconnects and other servers.
    static let timeout = Duration.seconds(10)

    let channel: GRPCChannel

    init(_ config: EtcdConfig) async throws(StoreError) {
        let tls: ClientTLS?
        do {
            tls =
                config.servers.contains(where: \.isTLS)
                ? try ClientTLS(
                    authorities: config.authorities, certificateChain: config.certificate,
                    privateKey: config.privateKey, protocols: ["h2"]) : nil
        } catch {
            throw .unusable("cannot use etcd at \(config.place): \(error)")
        }
        channel = await GRPCChannel.open(
            config.servers, tls: tls, agent: "swiftlet/\(KubernetesVersion.gitVersion)",
            messageLimit: Self.messageLimit)
    }

    // MARK: - Calls

    func transact(
        _ transaction: EtcdTransaction,
        completion: @escaping @Sendable (Result<(EtcdTransactionResponse, isRepeated: Bool), GRPCError>) -> Void
    ) {
        var writer = ProtobufWriter()
        transaction.write(to: &writer)
        // Its condition holds once: a repetition changes nothing.
        channel.call("/etcdserverpb.KV/Txn", writer.bytes, timeout: Self.timeout, isRepeatable: true) { result in
            completion(
                result.flatMap { reply in
                    Self.decode(reply.message, EtcdTransactionResponse.init(_:)).map { ($0, reply.isRepeated) }
                })
        }
    }

    func transact(_ transaction: EtcdTransaction) async throws(GRPCError) -> EtcdTransactionResponse {
        let result = await withCheckedContinuation { continuation in
            transact(transaction) { continuation.resume(returning: $0) }
        }
        return try result.get().0
    }

    func range(
        _ request: EtcdRangeRequest, completion: @escaping @Sendable (Result<EtcdRangeResponse, GRPCError>) -> Void
    ) {
        var writer = ProtobufWriter()
        request.write(to: &writer)
        channel.call("/etcdserverpb.KV/Range", writer.bytes, timeout: Self.timeout, isRepeatable: true) { result in
            completion(result.flatMap { Self.decode($0.message, EtcdRangeResponse.init(_:)) })
        }
    }

    func range(_ request: EtcdRangeRequest) async throws(GRPCError) -> EtcdRangeResponse {
        let result = await withCheckedContinuation { continuation in
            range(request) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Everything below a prefix as of one revision, page by page.
    /// - Parameter revision: 0 for the newest.
    func list(
        prefix: String, revision: Int64
    ) async throws(GRPCError) -> (revision: Int64, values: [EtcdKeyValue]) {
        var request = EtcdRangeRequest(EtcdRange(prefix: prefix))
        request.limit = Self.pageSize
        request.revision = revision
        var values: [EtcdKeyValue] = []
        while true {
            let page = try await range(request)
            if request.revision == 0 { request.revision = page.header.revision }
            values += page.values
            guard page.hasMore, let last = page.values.last else { return (request.revision, values) }
            request.range = EtcdRange(prefix: prefix, after: last.key)
        }
    }

    /// An unconditional write, of which nothing is read but that it was done.
    func put(_ key: String, _ value: [UInt8], lease: Int64 = 0, completion: @escaping @Sendable (GRPCError?) -> Void) {
        var writer = ProtobufWriter()
        writer.string(1, key)
        writer.bytes(2, value)
        writer.int(3, lease)
        channel.call("/etcdserverpb.KV/Put", writer.bytes, timeout: Self.timeout, isRepeatable: true) { result in
            if case .failure(let error) = result { completion(error) } else { completion(nil) }
        }
    }

    /// Deletes everything below a prefix but one key. Returns the newest revision.
    func deleteAll(below prefix: String, but key: String) async throws(GRPCError) -> EtcdHeader {
        var before = EtcdRange(prefix: prefix)
        before.end = Array(key.utf8)
        for range in [before, EtcdRange(prefix: prefix, after: key)] {
            var writer = ProtobufWriter()
            writer.bytes(1, range.key)
            writer.bytes(2, range.end)
            _ = try await channel.call("/etcdserverpb.KV/DeleteRange", writer.bytes, timeout: Self.timeout)
        }
        return try await range(EtcdRangeRequest(EtcdRange(key: key))).header
    }

    func compact(through revision: Int64) async throws(GRPCError) {
        var writer = ProtobufWriter()
        writer.int(1, revision)
        _ = try await channel.call("/etcdserverpb.KV/Compact", writer.bytes, timeout: Self.timeout)
    }

    func grantLease(
        seconds: Int64, completion: @escaping @Sendable (Result<EtcdLease, GRPCError>) -> Void
    ) {
        var writer = ProtobufWriter()
        writer.int(1, seconds)
        channel.call("/etcdserverpb.Lease/LeaseGrant", writer.bytes, timeout: Self.timeout, isRepeatable: true) {
            completion($0.flatMap { Self.decode($0.message, EtcdLease.init(_:)) })
        }
    }

    func status(timeout: Duration) async throws(GRPCError) -> EtcdStatus {
        try Self.decode(
            try await channel.call("/etcdserverpb.Maintenance/Status", [], timeout: timeout), EtcdStatus.init(_:)
        ).get()
    }

    /// A stream of watches with one watch in it. A server that has lost its leader ends it, so that another is asked.
    func watch(
        _ create: EtcdWatchRequest, onResponse: @escaping @Sendable (EtcdWatchResponse) -> Void,
        onEnd: @escaping @Sendable (GRPCError?) -> Void
    ) -> GRPCStream {
        channel.open(
            "/etcdserverpb.Watch/Watch", headers: [("hasleader", "true")], first: create.bytes,
            onMessage: { message in
                switch Self.decode(message, EtcdWatchResponse.init(_:)) {
                case .success(let response): onResponse(response)
                case .failure(let error): onEnd(error)
                }
            }, onEnd: onEnd)
    }

    private static func decode<T>(
        _ message: [UInt8], _ body: (inout ProtobufReader) throws(MalformedProtobuf) -> T
    ) -> Result<T, GRPCError> {
        message.withUnsafeBytes { bytes in
            var reader = ProtobufReader(bytes[...])
            do throws(MalformedProtobuf) {
                return .success(try body(&reader))
            } catch {
                return .failure(GRPCError(.internal, "cannot decode etcd's answer: \(error.what)"))
            }
        }
    }
}

extension GRPCError {
    /// What etcd calls its errors by; it has no other codes for them.
    var isCompacted: Bool { message.contains("required revision has been compacted") }
    var isLeaseGone: Bool { message.contains("requested lease not found") }
    var isFull: Bool { message.contains("database space exceeded") }

    /// The same as the store's callers know it.
    func storeError(_ place: String) -> StoreError {
        if isFull {
            return .failed(
                "etcdserver: mvcc: database space exceeded: make room in etcd (etcdctl defrag after a compaction, then "
                    + "etcdctl alarm disarm) or raise its --quota-backend-bytes")
        }
        if message.contains("request is too large") || code == .resourceExhausted && message.contains("larger than max")
        {
            return .tooLarge("\(message) (its limit is --max-request-bytes, 1.5 MiB by default)")
        }
        if message.contains("too many requests") { return .unavailable("etcd at \(place): \(message)") }
        switch code {
        case .unavailable where isUnsent: return .unavailable("cannot reach etcd at \(place): \(message)")
        case .unavailable, .deadlineExceeded:
            return .timedOut("etcd at \(place) has not answered in time: \(message)")
        case .cancelled where isUnsent: return .closed
        case .cancelled: return .timedOut("the store was closed while etcd was asked")
        case .permissionDenied, .unauthenticated:
            return .failed("etcd at \(place) refuses this server: \(message): check its users and --etcd-certfile")
        default: return .failed("etcd at \(place): \(message)")
        }
    }
}
