import KubeAPI
import Synchronization
import Transport

/// The current objects of one resource with their recent changes, and everybody who watches them.
///
/// The store's thread applies changes; event loops and in-process clients read. Under the lock nothing is parsed and
/// nothing is waited for; what is written to a stream there is only handed to its event loop.
final class ResourceCache: Sendable {
    /// Of one hand-over between the ring and a watcher that is catching up.
    private static let catchUpBatch = 64

    private struct Subscription {
        let watcher: Watcher
        /// Everything up to this revision has been written to its stream.
        var position: Int64
        /// Whether changes go to it directly. Otherwise it catches up from the ring.
        var isLive: Bool
    }

    private struct State {
        var objects = SortedObjects()
        var ring: EventRing
        /// Of the newest change of this resource.
        var revision: Int64 = 0
        var subscriptions: [ObjectIdentifier: Subscription] = [:]
        var bytes = 0
    }

    /// What keys in the store begin with: `pods/`.
    let prefix: String
    private let makeFacts: @Sendable (JSON) -> ObjectFacts
    private let makeFrame: @Sendable (Representation, CacheEvent.Kind, StoredObject) -> Frame
    private let state: Mutex<State>
    private let foreign = Mutex<(@Sendable (StoredObject?, StoredObject?) -> Void)?>(nil)

    init(
        prefix: String, floor: Int64, facts: @escaping @Sendable (JSON) -> ObjectFacts,
        frame: @escaping @Sendable (Representation, CacheEvent.Kind, StoredObject) -> Frame
    ) {
        self.prefix = prefix
        makeFacts = facts
        makeFrame = frame
        state = Mutex(State(ring: EventRing(floor: floor)))
    }

    // MARK: - Reading

    func get(_ key: String) -> StoredObject? { state.withLock { $0.objects[key] } }

    /// All objects, and the revision of the newest change among them.
    func snapshot() -> (objects: SortedObjects, revision: Int64) { state.withLock { ($0.objects, $0.revision) } }

    /// All objects as they were at `revision`; nil when history does not reach back so far.
    func snapshot(at revision: Int64) -> SortedObjects? {
        let result: (SortedObjects, [CacheEvent])? = state.withLock { state in
            guard revision >= state.ring.floor else { return nil }
            return (state.objects, state.ring.reversed(downTo: revision))
        }
        guard let (current, events) = result else { return nil }
        var objects = current
        for event in events {
            if let previous = event.previous { objects.insert(previous) } else { objects.remove(event.object.key) }
        }
        return objects
    }

    var count: Int { state.withLock { $0.objects.count } }
    var watcherCount: Int { state.withLock { $0.subscriptions.count } }

    // MARK: - The store's side

    /// Fills the empty cache with what the store holds.
    func load(_ records: [StoreRecord]) {
        state.withLock { state in
            for record in records {
                state.objects.insert(object(record.key, record.revision, record.value, nil))
                state.revision = max(state.revision, record.revision)
            }
        }
    }

    /// Fills the ring with changes from before the start; the objects themselves are loaded already.
    func remember(_ event: StoreEvent, time: Int64) {
        let previous = event.previousValue.map { object(event.key, event.previousRevision, $0, nil) }
        let change: CacheEvent
        if let value = event.value {
            change = CacheEvent(
                kind: event.previousRevision > 0 ? .modified : .added,
                object: object(event.key, event.revision, value, nil), previous: previous, time: time)
        } else {
            guard let previous else { return }
            change = CacheEvent(
                kind: .deleted, object: StoredObject(previous, revision: event.revision), previous: previous,
                time: time)
        }
        state.withLock { state in
            state.ring.append(change)
            state.revision = max(state.revision, event.revision)
        }
    }

    /// Takes in one committed change and hands it to the watchers that it concerns.
    func apply(_ event: StoreEvent, time: Int64) {
        let fresh = event.value.map { object(event.key, event.revision, $0, event.facts) }
        let replaced: StoredObject? = state.withLock { state in
            let change: CacheEvent
            let replaced: StoredObject?
            if let fresh {
                let previous = state.objects.insert(fresh)
                replaced = previous
                state.bytes += fresh.bytes.count - (previous?.bytes.count ?? 0)
                change = CacheEvent(
                    kind: previous == nil ? .added : .modified, object: fresh, previous: previous, time: time)
            } else {
                guard let previous = state.objects.remove(String(event.key.dropFirst(prefix.count))) else {
                    return nil
                }
                replaced = previous
                state.bytes -= previous.bytes.count
                change = CacheEvent(
                    kind: .deleted, object: StoredObject(previous, revision: event.revision), previous: previous,
                    time: time)
            }
            state.ring.append(change)
            state.revision = event.revision
            fanOut(change, &state)
            return replaced
        }
        if event.isForeign { foreign.withLock({ $0 })?(fresh, replaced) }
    }

    /// Takes what the store holds in place of all that was known. Watches end: what happened meanwhile can't be told,
    /// and clients list anew.
    func reset(_ records: [StoreRecord], at revision: Int64) {
        var objects = SortedObjects()
        for record in records { objects.insert(object(record.key, record.revision, record.value, nil)) }
        let (gone, ended) = state.withLock { state in
            let old = state.objects
            let ended = state.subscriptions.values.map { ($0.watcher, $0.position) }
            state.objects = objects
            state.bytes = records.reduce(0) { $0 + $1.value.count }
            state.ring = EventRing(floor: revision)
            state.revision = revision
            state.subscriptions = [:]
            return (old, ended)
        }
        for (watcher, position) in ended {
            _ = watcher.stream.write(Watcher.line("ERROR", Watcher.expired(position, revision).json))
            watcher.stream.finish()
            watcher.close()
        }
        guard let onForeign = foreign.withLock({ $0 }) else { return }
        objects.forEach { object in
            onForeign(object, gone[object.key])
            return true
        }
        gone.forEach { object in
            if objects[object.key] == nil { onForeign(nil, object) }
            return true
        }
    }

    /// Calls `body` with the new state and the one before, each time another server has written an object.
    func onForeignChange(_ body: @escaping @Sendable (_ new: StoredObject?, _ old: StoredObject?) -> Void) {
        foreign.withLock { $0 = body }
    }

    private func object(_ key: String, _ revision: Int64, _ value: [UInt8], _ facts: ObjectFacts?) -> StoredObject {
        let known = facts ?? (try? JSON.parse(value)).map(makeFacts) ?? .none  // damaged bytes have no facts
        return StoredObject(
            key: String(key.dropFirst(prefix.count)), revision: revision, bytes: value, facts: known)
    }

    // MARK: - Watching

    /// Each frame is made once, for all watchers that see the same.
    private func fanOut(_ change: CacheEvent, _ state: inout State) {
        if state.subscriptions.isEmpty { return }
        var frames: [(Representation, CacheEvent.Kind, Frame)] = []
        var gone: [ObjectIdentifier] = []
        for id in state.subscriptions.keys {
            guard let subscription = state.subscriptions[id], subscription.isLive else { continue }
            let watcher = subscription.watcher
            if watcher.isClosed {
                gone.append(id)
                continue
            }
            guard let (kind, object) = watcher.view(of: change) else {
                state.subscriptions[id]?.position = change.revision
                continue
            }
            guard watcher.stream.isWritable else {
                // Too slow for the moment: it goes on from the ring when its stream drains.
                state.subscriptions[id]?.isLive = false
                continue
            }
            let frame: Frame
            if let known = frames.first(where: { $0.0 == watcher.representation && $0.1 == kind }) {
                frame = known.2
            } else {
                frame = makeFrame(watcher.representation, kind, object)
                frames.append((watcher.representation, kind, frame))
            }
            state.subscriptions[id]?.position = change.revision
            if !watcher.stream.write(frame) { gone.append(id) }
        }
        for id in gone { state.subscriptions[id] = nil }
    }

    /// Where a watch begins.
    enum WatchStart: Sendable {
        /// With the changes after this revision.
        case after(Int64)
        /// With everything that exists as ADDED, then the changes. `endBookmark`: a bookmark marks the end of the
        /// initial events.
        case initial(endBookmark: Bool)
    }

    /// Begins a watch on the watcher's stream. Nil, or the oldest revision that a watch may begin after.
    func watch(_ watcher: Watcher, from start: WatchStart, currentRevision: Int64) -> Int64? {
        let id = ObjectIdentifier(watcher)
        switch start {
        case .after(let revision):
            let floor: Int64? = state.withLock { state in
                if revision < state.ring.floor { return state.ring.floor }
                state.subscriptions[id] = Subscription(watcher: watcher, position: revision, isLive: false)
                return nil
            }
            if let floor { return floor }
        case .initial(let endBookmark):
            let (objects, revision) = state.withLock { state in
                let revision = max(state.revision, currentRevision)
                state.subscriptions[id] = Subscription(watcher: watcher, position: revision, isLive: false)
                return (state.objects, revision)
            }
            var initial: [StoredObject] = []
            objects.forEach(prefix: watcher.filter.keyPrefix) { object in
                if watcher.filter.matchesSelectors(object) { initial.append(object) }
                return true
            }
            watcher.begin(with: initial, endBookmarkAt: endBookmark ? revision : nil)
        }
        watcher.stream.onClose { watcher.close() }
        watcher.stream.onWritable { [weak self] in self?.pump(watcher) }
        pump(watcher)
        return nil
    }

    /// Writes to a watcher what it has not seen yet, as long as its stream takes it; makes it live at the end. Nothing
    /// is written under the lock, since a stream may call back while it is written to.
    private func pump(_ watcher: Watcher) {
        watcher.pumping { self.pumpOnce(watcher) }
    }

    private enum Step { case done, gone(floor: Int64), events([CacheEvent]) }

    private func pumpOnce(_ watcher: Watcher) {
        let id = ObjectIdentifier(watcher)
        while watcher.stream.isWritable && !watcher.isClosed {
            if let object = watcher.nextInitial() {
                if !watcher.stream.write(makeFrame(watcher.representation, .added, object)) { return drop(watcher) }
                continue
            }
            if let revision = watcher.takeEndBookmark() {
                let frame = watcher.bookmark(revision, endOfInitialEvents: true)
                if !watcher.stream.write(frame) { return drop(watcher) }
                continue
            }
            let step: Step = state.withLock { state in
                guard let subscription = state.subscriptions[id], !subscription.isLive else { return .done }
                guard let events = state.ring.events(after: subscription.position, limit: Self.catchUpBatch) else {
                    return .gone(floor: state.ring.floor)
                }
                if let last = events.last {
                    state.subscriptions[id]?.position = last.revision
                    return .events(events)
                }
                state.subscriptions[id]?.isLive = true
                return .done
            }
            switch step {
            case .done: return
            case .gone(let floor):
                let position = state.withLock { $0.subscriptions[id]?.position ?? 0 }
                _ = watcher.stream.write(Watcher.line("ERROR", Watcher.expired(position, floor).json))
                watcher.stream.finish()
                return drop(watcher)
            case .events(let events):
                for event in events {
                    guard let (kind, object) = watcher.view(of: event) else { continue }
                    if !watcher.stream.write(makeFrame(watcher.representation, kind, object)) { return drop(watcher) }
                }
            }
        }
    }

    private func drop(_ watcher: Watcher) {
        watcher.close()
        state.withLock { $0.subscriptions[ObjectIdentifier(watcher)] = nil }
    }

    /// Once a second or so: ends watches whose time is over, sends bookmarks that are due, forgets closed watchers and
    /// old events. `revision`: everything up to it has been applied.
    func tick(now: Int64, revision: Int64, oldest: Int64) {
        var finished: [Watcher] = []
        state.withLock { state in
            state.ring.trim(before: oldest)
            let newest = max(revision, state.revision)
            for (id, subscription) in state.subscriptions {
                let watcher = subscription.watcher
                if watcher.isClosed {
                    state.subscriptions[id] = nil
                } else if watcher.deadline <= now {
                    state.subscriptions[id] = nil
                    finished.append(watcher)
                } else if subscription.isLive {
                    // It has seen everything there is, so that its ring position can move on.
                    state.subscriptions[id]?.position = newest
                    if watcher.isBookmarkDue(now), watcher.stream.isWritable {
                        _ = watcher.stream.write(watcher.bookmark(newest, endOfInitialEvents: false))
                    }
                }
            }
        }
        for watcher in finished { watcher.stream.finish() }
    }

    /// Ends all watches: the server goes away.
    func finishWatches() {
        let watchers = state.withLock { state in
            defer { state.subscriptions = [:] }
            return state.subscriptions.values.map(\.watcher)
        }
        for watcher in watchers { watcher.stream.finish() }
    }
}
