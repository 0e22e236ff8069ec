import Glibc
import KubeAPI
import Logging
import Synchronization
import Transport

/// The store behind its watch caches: what handlers read from and write to.
final class WatchHub: Sendable {
    /// How long superseded values and events are kept (design.md §5).
    static let historyNs: Int64 = 300 * 1_000_000_000

    let store: any Store
    private let caches: [String: ResourceCache]
    private let log: Logger
    /// Everything up to this revision has been applied to all caches.
    private let published: Atomic<Int64>
    private let background = Mutex(Background())

    private struct Background {
        /// (time, revision at that time), oldest first: which revision is five minutes old.
        var marks: [(time: Int64, revision: Int64)] = []
        var nextMark: Int64 = 0
        var isCompacting = false
    }

    /// Loads the caches from the store, with the changes that it still remembers.
    init(store: any Store, caches: [ResourceCache], log: Logger) async throws(StoreError) {
        self.store = store
        self.log = log
        self.caches = Dictionary(caches.map { ($0.prefix, $0) }, uniquingKeysWith: { first, _ in first })
        published = Atomic(store.revision)
        for cache in caches { cache.load(try await store.list(prefix: cache.prefix).records) }
        let now = Self.now()
        var position = store.compactedRevision
        while true {
            let events = try await store.events(after: position, limit: 1000)
            guard let last = events.last else { break }
            for event in events { cache(of: event.key)?.remember(event, time: now) }
            position = last.revision
        }
        store.addSink { [weak self] update in self?.publish(update) }
    }

    /// The newest revision that every cache knows.
    var revision: Int64 { published.load(ordering: .acquiring) }

    /// Monotonic, ns.
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private func publish(_ update: StoreUpdate) {
        switch update {
        case .changes(let events, let revision):
            let now = Self.now()
            for event in events { cache(of: event.key)?.apply(event, time: now) }
            published.store(revision, ordering: .releasing)
        case .reset(let records, let revision):
            let byPrefix = Dictionary(grouping: records) { Self.prefix(of: $0.key) }
            for (prefix, cache) in caches { cache.reset(byPrefix[prefix] ?? [], at: revision) }
            published.store(revision, ordering: .releasing)
        }
    }

    private func cache(of key: String) -> ResourceCache? {
        caches[Self.prefix(of: key)]
    }

    /// With the slash; empty for what belongs to no resource.
    private static func prefix(of key: String) -> String {
        guard let slash = key.utf8.firstIndex(of: UInt8(ascii: "/")) else { return "" }
        return String(key[...slash])
    }

    /// Ends and marks watches, and compacts: about once a second.
    func tick(now: Int64 = WatchHub.now()) {
        let revision = revision
        for cache in caches.values { cache.tick(now: now, revision: revision, oldest: now - Self.historyNs) }
        let target: Int64? = background.withLock { state in
            guard now >= state.nextMark, !state.isCompacting else { return nil }
            state.nextMark = now + store.compactionInterval.nanoseconds
            state.marks.append((now, revision))
            var target: Int64?
            while let first = state.marks.first, first.time <= now - Self.historyNs {
                target = first.revision
                state.marks.removeFirst()
            }
            if let target, target > store.compactedRevision {
                state.isCompacting = true
                return target
            }
            return nil
        }
        guard let target else { return }
        Task {
            do throws(StoreError) {
                try await store.compact(through: target)
            } catch {
                log.warning("cannot compact the store", metadata: ["rv": "\(target)", "err": "\(error)"])
            }
            background.withLock { $0.isCompacting = false }
        }
    }

    func finishWatches() { for cache in caches.values { cache.finishWatches() } }
}
