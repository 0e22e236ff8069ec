import KubeAPI
import Synchronization

/// What a controller has done and its informer has not shown yet. While something is expected, the controller does not
/// count its pods, so that a stale cache never makes it create or delete too many.
final class Expectations: Sendable {
    /// After so long an expectation is given up: the event was missed, or will never come.
    static let lifetime: Duration = .seconds(300)

    private struct Entry {
        /// Creations on their way, whose uids are not known yet.
        var creating = 0
        var createdUIDs: Set<String> = []
        /// Seen by the informer before the creation's answer came.
        var seenUIDs: Set<String> = []
        var deleting: Set<String> = []
        var since = Timestamp.now()

        var isMet: Bool { creating <= 0 && createdUIDs.isEmpty && deleting.isEmpty }
    }

    private let entries = Mutex<[String: Entry]>([:])

    func areMet(_ key: String) -> Bool {
        entries.withLock { entries in
            guard let entry = entries[key] else { return true }
            if entry.isMet || Timestamp.now() - entry.since > Self.lifetime {
                entries[key] = nil
                return true
            }
            return false
        }
    }

    func forget(_ key: String) { entries.withLock { _ = $0.removeValue(forKey: key) } }

    func expectCreations(_ key: String, _ count: Int) {
        entries.withLock { entries in
            entries[key, default: Entry()].creating += count
            entries[key]?.since = .now()
        }
    }

    func created(_ key: String, _ uid: String) {
        entries.withLock { entries in
            guard entries[key] != nil else { return }
            entries[key]?.creating -= 1
            if entries[key]?.seenUIDs.remove(uid) == nil { entries[key]?.createdUIDs.insert(uid) }
        }
    }

    func creationFailed(_ key: String) { entries.withLock { $0[key]?.creating -= 1 } }

    func observedCreation(_ key: String, _ uid: String) {
        entries.withLock { entries in
            guard let entry = entries[key], entry.creating > 0 || !entry.createdUIDs.isEmpty else { return }
            if entries[key]?.createdUIDs.remove(uid) == nil { entries[key]?.seenUIDs.insert(uid) }
        }
    }

    func expectDeletions(_ key: String, _ uids: Set<String>) {
        entries.withLock { entries in
            entries[key, default: Entry()].deleting.formUnion(uids)
            entries[key]?.since = .now()
        }
    }

    func observedDeletion(_ key: String, _ uid: String) {
        entries.withLock { entries in
            entries[key]?.deleting.remove(uid)
            // A pod that was made and went before anybody looked.
            entries[key]?.createdUIDs.remove(uid)
        }
    }
}
