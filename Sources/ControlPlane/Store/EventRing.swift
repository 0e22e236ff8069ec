import DequeModule

/// One change of one resource, as the cache saw it.
struct CacheEvent: Sendable {
    enum Kind: Sendable { case added, modified, deleted }

    let kind: Kind
    /// The state after the change; for a deletion the last state, at the revision of the deletion.
    let object: StoredObject
    /// The state before; nil for a creation.
    let previous: StoredObject?
    /// Monotonic, ns.
    let time: Int64

    var revision: Int64 { object.revision }
}

/// The recent changes of one resource, for watches that begin in the past and lists at an old revision. Bounded in
/// number, bytes and age.
struct EventRing: Sendable {
    /// The largest burst that a watcher may miss while its client is away.
    static let maxEvents = 10_000
    /// Of the bytes that only the ring still holds, about.
    static let maxBytes = 32 << 20

    private var events = Deque<CacheEvent>()
    private var bytes = 0
    /// Every event after this revision is here.
    private(set) var floor: Int64

    init(floor: Int64) { self.floor = floor }

    var count: Int { events.count }

    mutating func append(_ event: CacheEvent) {
        events.append(event)
        bytes += event.object.bytes.count
        while events.count > Self.maxEvents || bytes > Self.maxBytes { dropFirst() }
    }

    /// Drops events older than `time` (monotonic, ns).
    mutating func trim(before time: Int64) {
        while let first = events.first, first.time < time { dropFirst() }
    }

    private mutating func dropFirst() {
        guard let first = events.popFirst() else { return }
        bytes -= first.object.bytes.count
        floor = first.revision
    }

    /// At most `limit` events after `revision`, oldest first. Nil when some of them are gone.
    func events(after revision: Int64, limit: Int) -> [CacheEvent]? {
        if revision < floor { return nil }
        let start = firstIndex(after: revision)
        return Array(events[start..<min(start + limit, events.count)])
    }

    /// Everything after `revision`, newest first: to walk back.
    func reversed(downTo revision: Int64) -> [CacheEvent] { events[firstIndex(after: revision)...].reversed() }

    private func firstIndex(after revision: Int64) -> Int {
        var low = 0
        var high = events.count
        while low < high {
            let middle = (low + high) / 2
            if events[middle].revision <= revision { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
