import Transport

/// The leases with which events end: one for all that are written within a while, as Kubernetes has it, because each
/// costs etcd memory and a timer. Belongs to the client's thread.
final class EtcdLeases: @unchecked Sendable {
    /// Of one lease: when it ends, all its keys are deleted at once.
    private static let maxKeys = 1000
    /// How long one is used for new keys, at most; a twentieth of their life where that is less.
    private static let longestUse = Duration.seconds(60)

    private let client: EtcdClient
    private let ttl: Duration
    private let use: Duration
    private var lease: Int64?
    private var count = 0
    private var end = ContinuousClock.now
    private var waiting: [@Sendable (Result<Int64, GRPCError>) -> Void] = []

    init(_ client: EtcdClient, ttl: Duration) {
        self.client = client
        self.ttl = ttl
        use = max(.seconds(1), min(Self.longestUse, ttl / 20))
    }

    static func isLeased(_ key: String) -> Bool {
        key.utf8.starts(with: "events/".utf8) || key.utf8.starts(with: "events.events.k8s.io/".utf8)
    }

    /// A lease for one more key, which lives at least as long as events do.
    func current(_ completion: @escaping @Sendable (Result<Int64, GRPCError>) -> Void) {
        if let lease, count < Self.maxKeys, ContinuousClock.now < end {
            count += 1
            return completion(.success(lease))
        }
        waiting.append(completion)
        guard waiting.count == 1 else { return }
        client.grantLease(seconds: (ttl + use).components.seconds + 1) { [self] result in
            let ready = waiting
            waiting = []
            if case .success(let granted) = result {
                lease = granted.id
                count = ready.count
                end = .now + use
            }
            for completion in ready { completion(result.map(\.id)) }
        }
    }

    /// The server does not know it any more.
    func forget() { lease = nil }
}
