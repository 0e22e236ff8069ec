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
    private let entries = Mutex<[String: Entry]>([:])
    private let informer: Informer

    /// `informer` is to show what is written, and to tell it by `observed`.
    init(_ informer: Informer) { self.informer = informer }

    func wrote(_ key: String, _ object: JSON) {
        add(key, object.uid, Int64(object.resourceVersion))
        // The event may have come before the answer.
        if let shown = informer.get(object.objectKey), shown.uid == object.uid { observed(key, .added(shown)) }
    }

    func deleted(_ key: String, _ object: JSON) {
        add(key, object.uid, nil)
        if informer.get(object.objectKey)?.uid != object.uid { observed(key, .deleted(object)) }
    }

    private func add(_ key: String, _ uid: String, _ revision: Int64?) {
        entries.withLock { entries in
            entries[key, default: Entry()].objects[uid] = .some(revision)
            entries[key]?.since = .now
        }
    }

    func observed(_ key: String, _ event: Informer.Event) {
        let object = event.object
        entries.withLock { entries in
            guard let expected = entries[key]?.objects[object.uid] else { return }
            if case .deleted = event {
                entries[key]?.objects[object.uid] = nil
            } else if let revision = expected, (Int64(object.resourceVersion) ?? .max) >= revision {
                entries[key]?.objects[object.uid] = nil
            }
            if entries[key]?.objects.isEmpty == true { entries[key] = nil }
        }
    }

    /// Whether the informer shows all that was written.
    func areSeen(_ key: String) -> Bool {
        entries.withLock { entries in
            guard let entry = entries[key] else { return true }
            guard ContinuousClock.now - entry.since > Self.patience else { return false }
            entries[key] = nil
            return true
        }
    }
}
