import Synchronization
import Transport

/// What happened before this server listened, and its end.
extension EtcdStore {
    private static let patience = Duration.seconds(10)

    public func events(after revision: Int64, limit: Int) async throws(StoreError) -> [StoreEvent] {
        if isClosing.load(ordering: .acquiring) { throw .closed }
        let oldest = compactedRevision
        if revision < oldest { throw .compacted(through: oldest) }
        if isStandingStill, revision >= base { return [] }
        let result = await withCheckedContinuation { continuation in
            let reader = HistoryReader(self, after: revision, limit: limit) { continuation.resume(returning: $0) }
            client.channel.run { reader.open() }
            client.channel.run(after: Self.patience) { reader.giveUp() }
        }
        return try result.get()
    }

    /// 0 where nothing was ever compacted.
    static func oldestRevision(
        _ client: EtcdClient, _ keys: EtcdKeys, _ config: EtcdConfig
    ) async throws(StoreError) -> Int64 {
        do throws(GRPCError) {
            var first = EtcdRangeRequest(EtcdRange(key: keys.identity))
            first.revision = 1
            first.countOnly = true
            _ = try await client.range(first)
            return 0
        } catch {
            guard error.isCompacted else { throw EtcdIdentity.unusable(config, error) }
        }
        // No answer has the number but that of a watch that begins too early.
        let result: Result<Int64, StoreError> = await withCheckedContinuation { continuation in
            let probe = CompactionProbe(client, EtcdRange(key: keys.identity)) { continuation.resume(returning: $0) }
            client.channel.run { probe.open() }
            client.channel.run(after: patience) {
                probe.finish(.failure(.unusable("etcd at \(config.place) does not say what it has compacted")))
            }
        }
        return try result.get()
    }

    public func compact(through revision: Int64) async throws(StoreError) {
        if isClosing.load(ordering: .acquiring) { throw .closed }
        let target = min(revision, self.revision)
        guard target > compactedRevision else { return }
        do throws(GRPCError) {
            // As Kubernetes' servers do it: one key says how far history was given up, and who writes it does the work.
            let mark = try await client.range(EtcdRangeRequest(EtcdRange(key: EtcdKeys.compaction))).values.first
            let known = mark.flatMap { Int64(String(decoding: $0.value, as: UTF8.self)) } ?? 0
            if known < target {
                let won = try await client.transact(
                    EtcdTransaction(
                        key: EtcdKeys.compaction, condition: .version(mark?.version ?? 0),
                        action: .put(Array(String(target).utf8), lease: 0)))
                if won.hasSucceeded { try await client.compact(through: target) }
            }
        } catch {
            // Somebody has gone further.
            if !error.isCompacted { throw error.storeError(place) }
        }
        compacted.store(max(target, compacted.load(ordering: .relaxed)), ordering: .releasing)
    }
}

/// Reads changes from a watch of its own until it has enough or has reached the present. It watches all keys there are,
/// so that every revision brings an event and the last one is known to be the last. Belongs to the client's thread.
private final class HistoryReader: @unchecked Sendable {
    private let store: EtcdStore
    private let limit: Int
    private let start: Int64
    private var bound: Int64?
    private var events: [StoreEvent] = []
    private var watch: EtcdWatch?
    private var completion: ((Result<[StoreEvent], StoreError>) -> Void)?

    init(
        _ store: EtcdStore, after revision: Int64, limit: Int,
        completion: @escaping (Result<[StoreEvent], StoreError>) -> Void
    ) {
        self.store = store
        self.limit = limit
        start = revision
        self.completion = completion
        if store.isStandingStill { bound = store.base }
    }

    func open() {
        let watch = EtcdWatch(store.client, .everything, after: start, withPrevious: true) { [weak self] in
            self?.take($0)
        }
        self.watch = watch
        watch.open()
    }

    func giveUp() { finish(.failure(.timedOut("etcd at \(store.place) has not told its history in time"))) }

    private func take(_ update: EtcdWatch.Update) {
        switch update {
        case .state(nil, let header):
            let bound = bound ?? header.revision
            self.bound = bound
            if start >= bound { finish(.success([])) }
        case .state: break
        case .progress(let revision): if let bound, revision >= bound { finish(.success(events)) }
        case .compacted(let revision): finish(.failure(.compacted(through: revision)))
        case .events(let batch):
            let bound = bound ?? .max
            for event in batch where event.current.revision <= bound { add(event) }
            if events.count >= limit {
                // A revision is told whole.
                let end = events[limit - 1].revision
                finish(.success(Array(events.prefix { $0.revision <= end })))
            } else if let last = batch.last, last.current.revision >= bound {
                finish(.success(events))
            }
        }
    }

    private func add(_ event: EtcdEvent) {
        let current = event.current
        guard let key = store.keys.key(current.key) else { return }
        events.append(
            StoreEvent(
                key: key, revision: current.revision,
                createRevision: event.isDelete ? event.previous?.createRevision ?? 0 : current.createRevision,
                value: event.isDelete ? nil : current.value, previousRevision: event.previous?.revision ?? 0,
                previousValue: event.previous?.value, facts: nil))
    }

    private func finish(_ result: Result<[StoreEvent], StoreError>) {
        watch?.close()
        completion?(result)
        completion = nil
    }
}

/// A watch that begins before everything, to be told from where on it could. Belongs to the client's thread.
private final class CompactionProbe: @unchecked Sendable {
    private let client: EtcdClient
    private let range: EtcdRange
    private var watch: EtcdWatch?
    private var completion: ((Result<Int64, StoreError>) -> Void)?

    init(_ client: EtcdClient, _ range: EtcdRange, completion: @escaping (Result<Int64, StoreError>) -> Void) {
        self.client = client
        self.range = range
        self.completion = completion
    }

    func open() {
        let watch = EtcdWatch(client, range, after: 0, withPrevious: false) { [self] update in
            if case .compacted(let revision) = update { finish(.success(revision)) }
        }
        self.watch = watch
        watch.open()
    }

    func finish(_ result: Result<Int64, StoreError>) {
        watch?.close()
        watch = nil
        completion?(result)
        completion = nil
    }
}
