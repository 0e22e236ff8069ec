import KubeAPI
import Synchronization

/// What a controller has written and its informer has not shown yet, by the key that it works on. While something is
/// outstanding the controller waits: on a stale view it would make things twice.
final class WrittenObjects: Sendable {
    /// After so long what is outstanding is given up: its event was missed, or will never come.
    static let patience: Duration = .seconds(30)

    private struct Entry {
        /// Uids with the revisions at which they were written; nil for what was deleted.
        var objects: [String: Int64?] = [:]
        var since = ContinuousClock.now
    }
    private struct State {
        var entries: [String: Entry] = [:]
        /// The newest revision that was observed: events come in the order of revisions.
        var newest: Int64 = 0
    }
    private let state = Mutex(State())
    private let informer: Informer

    /// `informer` is to show what is written, and to tell it by `observed`.
    init(_ informer: Informer) { self.informer = informer }

    func wrote(_ key: String, _ object: JSON) {
        let revision = Int64(object.resourceVersion)
        add(key, object.uid, revision)
        // The event may have come before the answer, and its end, too.
        if let shown = informer.get(object.objectKey), shown.uid == object.uid {
            observed(key, .added(shown))
        } else if let revision {
            state.withLock { if $0.newest > revision { Self.settle(&$0, key, object.uid) } }
        }
    }

    func deleted(_ key: String, _ object: JSON) {
        add(key, object.uid, nil)
        if informer.get(object.objectKey)?.uid != object.uid { observed(key, .deleted(object)) }
    }

    private func add(_ key: String, _ uid: String, _ revision: Int64?) {
        state.withLock { state in
            state.entries[key, default: Entry()].objects[uid] = .some(revision)
            state.entries[key]?.since = .now
        }
    }

    func observed(_ key: String, _ event: Informer.Event) {
        let object = event.object
        let shown = Int64(object.resourceVersion)
        state.withLock { state in
            state.newest = max(state.newest, shown ?? 0)
            guard let expected = state.entries[key]?.objects[object.uid] else { return }
            if case .deleted = event {
                Self.settle(&state, key, object.uid)
            } else if let revision = expected, (shown ?? .max) >= revision {
                Self.settle(&state, key, object.uid)
            }
        }
    }

    private static func settle(_ state: inout State, _ key: String, _ uid: String) {
        state.entries[key]?.objects[uid] = nil
        if state.entries[key]?.objects.isEmpty == true { state.entries[key] = nil }
    }

    /// Whether the informer shows all that was written.
    func areSeen(_ key: String) -> Bool {
        state.withLock { state in
            guard let entry = state.entries[key] else { return true }
            guard ContinuousClock.now - entry.since > Self.patience else { return false }
            state.entries[key] = nil
            return true
        }
    }
}
