import DequeModule
import KubeAPI
import Logging
import Synchronization
import Transport

/// The store in an etcd 3 cluster, for more than one server: the key's newest revision in etcd is the object's resource
/// version, each write is a transaction guarded by it, and one watch over everything feeds the sinks.
///
/// A write is answered when that watch has brought it back, so that the caches have it. What is asked of etcd and what it
/// says is handled on the client's one thread.
public final class EtcdStore: Store, @unchecked Sendable {
    /// How far back history is told at most when a server starts: as much as the caches keep.
    private static let maxHistory: Int64 = 10_000
    private static let tick = Duration.milliseconds(500)

    let client: EtcdClient
    let keys: EtcdKeys
    let place: String
    let cluster: UInt64
    let log: Logger
    /// What it says on request about the progress of a watch is true.
    let hasTrueProgress: Bool
    /// The revision that was the newest at opening: until it is started or written to, nothing newer is shown.
    let base: Int64

    /// Everything up to it has been told to the sinks.
    let seen: Atomic<Int64>
    let compacted: Atomic<Int64>
    private let hasBegun = Atomic<Bool>(false)
    let isClosing = Atomic<Bool>(false)
    private let trouble = Mutex<String?>(nil)
    let waitingWrites = Atomic<Int>(0)
    /// Keys that say that this server is there.
    let announced = Mutex<Set<String>>([])

    // What follows belongs to the client's thread.
    var sinks: [@Sendable (StoreUpdate) -> Void] = []
    var watch: EtcdWatch?
    /// Writes whose events have not come yet, by key.
    var pending: [String: [PendingWrite]] = [:]
    /// Transactions that etcd has not answered yet, and those that are not sent before it has.
    var inFlight = 0
    var queued = Deque<(PendingWrite, @Sendable (Result<Int64, StoreError>) -> Void)>()
    /// Who waits until a revision has been told, by revision.
    var waiters: [Waiter] = []
    var fetching: [@Sendable (StoreError?) -> Void]?
    var fetchNext: [@Sendable (StoreError?) -> Void] = []
    var isNudging = false
    /// Why nothing can be done any more: etcd is not what it was.
    var broken: StoreError?
    let leases: EtcdLeases
    var onIdle: (@Sendable () -> Void)?

    /// A write on its way.
    final class PendingWrite {
        let write: StoreWrite
        let submitted = ContinuousClock.now
        init(_ write: StoreWrite) { self.write = write }
    }

    struct Waiter {
        let revision: Int64
        let deadline: ContinuousClock.Instant
        let completion: @Sendable (StoreError?) -> Void
    }

    /// Connects, and claims the place for a cluster. `cluster` tells clusters apart: servers of one have the same.
    /// Throws `unusable` with cause and way out.
    public static func open(
        _ config: EtcdConfig, cluster: String, purpose: Purpose = .serve, log: Logger
    ) async throws(StoreError) -> EtcdStore {
        let client = try await EtcdClient(config)
        do throws(StoreError) {
            let status = try await EtcdIdentity.checkServer(client, config, log)
            for alarm in status.errors { log.warning("etcd has an alarm", metadata: ["alarm": "\(alarm)"]) }
            let keys = EtcdKeys(prefix: config.prefix)
            let header = try await EtcdIdentity.claim(client, keys, cluster: cluster, config, purpose)
            let oldest = try await oldestRevision(client, keys, config)
            log.info(
                "using etcd",
                metadata: [
                    "servers": "\(config.place)", "version": "\(status.version)", "rv": "\(header.revision)",
                ])
            return EtcdStore(
                client, keys, config, header, version: status.version,
                compacted: max(oldest, header.revision - maxHistory), log)
        } catch {
            await client.channel.close()
            throw error
        }
    }

    private init(
        _ client: EtcdClient, _ keys: EtcdKeys, _ config: EtcdConfig, _ header: EtcdHeader, version: String,
        compacted: Int64, _ log: Logger
    ) {
        self.client = client
        self.keys = keys
        self.log = log
        place = config.place
        cluster = header.cluster
        base = header.revision
        hasTrueProgress = EtcdIdentity.hasTrueProgress(version: version)
        seen = Atomic(header.revision)
        self.compacted = Atomic(compacted)
        leases = EtcdLeases(client, ttl: config.eventTTL)
    }

    public var revision: Int64 { seen.load(ordering: .acquiring) }
    public var compactedRevision: Int64 { compacted.load(ordering: .acquiring) }
    public var isShared: Bool { true }
    public var compactionInterval: Duration { .seconds(300) }
    public var backlog: Int { waitingWrites.load(ordering: .relaxed) }
    public var failure: String? { trouble.withLock { $0 } }

    /// Told once per condition.
    func setTrouble(_ text: String?) {
        let old = trouble.withLock { trouble in
            defer { trouble = text }
            return trouble
        }
        if let text, old == nil {
            log.warning("etcd cannot be used", metadata: ["servers": "\(place)", "err": "\(text)"])
        } else if text == nil, old != nil {
            log.notice("etcd can be used again", metadata: ["servers": "\(place)"])
        }
    }

    // MARK: - Reading

    var isStandingStill: Bool { !hasBegun.load(ordering: .acquiring) }

    public func get(_ key: String) async throws(StoreError) -> StoreRecord? {
        do throws(GRPCError) {
            var request = EtcdRangeRequest(EtcdRange(key: keys.path(key)))
            if isStandingStill { request.revision = base }
            return try await client.range(request).values.first.flatMap(record)
        } catch {
            throw error.storeError(place)
        }
    }

    public func list(prefix: String) async throws(StoreError) -> (revision: Int64, records: [StoreRecord]) {
        do throws(GRPCError) {
            let (revision, values) = try await client.list(
                prefix: keys.path(prefix), revision: isStandingStill ? base : 0)
            // Paths do not order as keys do, where resources have other names there.
            return (revision, values.compactMap(record).sorted { $0.key < $1.key })
        } catch {
            throw error.storeError(place)
        }
    }

    func record(_ value: EtcdKeyValue) -> StoreRecord? {
        keys.key(value.key).map {
            StoreRecord(
                key: $0, revision: value.revision, createRevision: value.createRevision, value: value.value)
        }
    }

    public func backup(to path: String) throws(StoreError) {
        throw .failed("cannot write backup \(path): this cluster's data is in etcd: use etcdctl snapshot save")
    }

    // MARK: - Life

    public func addSink(_ sink: @escaping @Sendable (StoreUpdate) -> Void) {
        client.channel.run { [self] in sinks.append(sink) }
    }

    /// Begins to follow, when it is told to or written to.
    public func start() {
        guard hasBegun.exchange(true, ordering: .acquiringAndReleasing) == false else { return }
        client.channel.run { [self] in follow(after: base) }
        repeatTick()
    }

    private func repeatTick() {
        client.channel.run(after: Self.tick) { [weak self] in
            guard let self,
                !self.isClosing.load(ordering: .acquiring) || self.waitingWrites.load(ordering: .relaxed) > 0
            else { return }
            self.expireWaiters()
            self.repeatTick()
        }
    }

    public func close() async {
        guard isClosing.exchange(true, ordering: .acquiringAndReleasing) == false else { return }
        await withCheckedContinuation { continuation in
            client.channel.run { [self] in
                if waitingWrites.load(ordering: .relaxed) == 0 { return continuation.resume() }
                onIdle = { continuation.resume() }
            }
        }
        client.channel.run { [self] in
            watch?.close()
            sinks = []
        }
        await withdraw()
        await client.channel.close()
    }
}
