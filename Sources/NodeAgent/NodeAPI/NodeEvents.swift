import KubeAPI
import Synchronization

/// What happens to this node and its pods, told to the API and kept here: `swiftlet events` shows the newest without an
/// API server, on a node that has none as well.
final class NodeEvents: Sendable {
    /// Events that are kept; the oldest go. A node of 110 pods that all restart once a minute fills it in four minutes.
    static let limit = 1000

    /// An event and how often it has happened, as core/v1 has it.
    struct Entry: Sendable {
        let object: JSON
        let type: String
        let reason: String
        let message: String
        let first: Timestamp
        var last: Timestamp
        var count = 1

        fileprivate var key: Key { Key(object: object.serialized(), type: type, reason: reason, message: message) }

        var json: JSON {
            [
                "kind": "Event", "apiVersion": "v1", "type": .string(type), "reason": .string(reason),
                "message": .string(message), "count": .int(Int64(count)), "firstTimestamp": .string(first.rfc3339),
                "lastTimestamp": .string(last.rfc3339), "involvedObject": object,
            ]
        }
    }

    /// What makes two events the same.
    fileprivate struct Key: Hashable {
        let object: [UInt8]
        let type: String
        let reason: String
        let message: String
    }

    private struct State {
        private var known: [Key: (entry: Entry, turn: UInt64)] = [:]
        /// Each happening in its turn; an entry's last one counts.
        private var turns: [(key: Key, turn: UInt64)] = []
        private var turn: UInt64 = 0
        var followers: [UInt64: AsyncStream<Entry>.Continuation] = [:]
        var nextFollower: UInt64 = 0

        /// The one that happened last is the last.
        var entries: [Entry] { current.suffix(NodeEvents.limit).compactMap { known[$0.key]?.entry } }

        private var current: [(key: Key, turn: UInt64)] { turns.filter { known[$0.key]?.turn == $0.turn } }

        /// - Returns: the event with its count.
        mutating func note(_ fresh: Entry) -> Entry {
            let key = fresh.key
            var entry = fresh
            if let earlier = known[key]?.entry {
                entry = earlier
                entry.last = fresh.last
                entry.count += 1
            }
            turn += 1
            known[key] = (entry, turn)
            turns.append((key, turn))
            // Now and then, so that an event costs the same however many are kept.
            if turns.count > 2 * NodeEvents.limit {
                let all = current
                for old in all.dropLast(NodeEvents.limit) { known[old.key] = nil }
                turns = all.suffix(NodeEvents.limit)
            }
            return entry
        }
    }

    private let recorder: EventRecorder?
    private let state = Mutex(State())

    /// Without a recorder they are kept only.
    init(recorder: EventRecorder?) { self.recorder = recorder }

    /// Takes note of an event about `object`. Never blocks.
    func record(
        object: JSON, type: EventRecorder.EventType, reason: String, message: String, fieldPath: String = "",
        now: Timestamp = .now()
    ) {
        recorder?.record(object: object, type: type, reason: reason, message: message, fieldPath: fieldPath)
        var reference: JSON = ["kind": .string(object.kind), "name": .string(object.name)]
        if !object.namespace.isEmpty { reference["namespace"] = .string(object.namespace) }
        if !object.uid.isEmpty { reference["uid"] = .string(object.uid) }
        if !fieldPath.isEmpty { reference["fieldPath"] = .string(fieldPath) }
        let fresh = Entry(
            object: reference, type: type.rawValue, reason: reason, message: message, first: now, last: now)
        state.withLock { state in
            let entry = state.note(fresh)
            for follower in state.followers.values { follower.yield(entry) }
        }
    }

    /// Those that are kept, the one that happened last at the end.
    var entries: [Entry] { state.withLock { $0.entries } }

    /// Those that are kept, then each as it happens. One who reads too slowly misses the older ones.
    func follow() -> AsyncStream<Entry> {
        let (stream, continuation) = AsyncStream<Entry>.makeStream(bufferingPolicy: .bufferingNewest(Self.limit * 2))
        let number = state.withLock { state in
            for entry in state.entries { continuation.yield(entry) }
            defer { state.nextFollower += 1 }
            state.followers[state.nextFollower] = continuation
            return state.nextFollower
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.followers.removeValue(forKey: number) }
        }
        return stream
    }
}
