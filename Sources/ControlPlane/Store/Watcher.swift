import KubeAPI
import Synchronization
import Transport

/// The form in which a client wants objects. Part of what tells shared frames apart.
enum Representation: Hashable, Sendable {
    enum Include: Hashable, Sendable { case none, metadata, object }
    case object
    case table(Include)
    case partialMetadata
}

/// One open watch: its filter, its stream and what it still has to be told at the start.
final class Watcher: Sendable {
    let filter: ObjectFilter
    let representation: Representation
    let stream: any HTTPStream
    /// Monotonic, ns.
    let deadline: Int64
    private let kind: String
    private let apiVersion: String
    private let bookmarks: Bool
    private let closed = Atomic<Bool>(false)
    private let onEnd: @Sendable () -> Void

    private struct State {
        var initial: ArraySlice<StoredObject> = []
        var endBookmark: Int64?
        var isPumping = false
        var pumpAgain = false
        var nextBookmark: Int64
    }
    private let state: Mutex<State>

    /// A bookmark a minute, as design.md has it.
    private static let bookmarkIntervalNs: Int64 = 60_000_000_000

    init(
        filter: ObjectFilter, representation: Representation, kind: String, apiVersion: String, bookmarks: Bool,
        now: Int64, deadline: Int64, stream: any HTTPStream, onEnd: @escaping @Sendable () -> Void
    ) {
        self.filter = filter
        self.representation = representation
        self.kind = kind
        self.apiVersion = apiVersion
        self.bookmarks = bookmarks
        self.deadline = deadline
        self.stream = stream
        self.onEnd = onEnd
        state = Mutex(State(nextBookmark: now + Self.bookmarkIntervalNs))
    }

    var isClosed: Bool { closed.load(ordering: .acquiring) }

    /// Marks it as over. The cache forgets it at its next look, so that this may be called from anywhere.
    func close() {
        if closed.exchange(true, ordering: .acquiringAndReleasing) == false { onEnd() }
    }

    func begin(with objects: [StoredObject], endBookmarkAt revision: Int64?) {
        state.withLock {
            $0.initial = objects[...]
            $0.endBookmark = revision
        }
    }

    func nextInitial() -> StoredObject? { state.withLock { $0.initial.popFirst() } }

    func takeEndBookmark() -> Int64? {
        state.withLock { state in
            defer { state.endBookmark = nil }
            return state.endBookmark
        }
    }

    /// Runs `body` unless it runs already, somewhere; then that run is repeated.
    func pumping(_ body: () -> Void) {
        let isMine = state.withLock { state in
            if state.isPumping {
                state.pumpAgain = true
                return false
            }
            state.isPumping = true
            return true
        }
        guard isMine else { return }
        var again = true
        while again {
            body()
            again = state.withLock { state in
                if !state.pumpAgain { state.isPumping = false }
                defer { state.pumpAgain = false }
                return state.pumpAgain
            }
        }
    }

    func isBookmarkDue(_ now: Int64) -> Bool {
        guard bookmarks else { return false }
        return state.withLock { state in
            guard state.nextBookmark <= now else { return false }
            state.nextBookmark = now + Self.bookmarkIntervalNs
            return true
        }
    }

    /// What this watcher sees of a change: an object that begins to match is added, one that ceases to is deleted.
    /// Nil: nothing.
    func view(of change: CacheEvent) -> (CacheEvent.Kind, StoredObject)? {
        // A namespaced key never changes its namespace, so one look suffices for both states.
        if !filter.namespace.isEmpty && change.object.namespace != filter.namespace { return nil }
        guard filter.isSelective else { return (change.kind, change.object) }
        let isIn = change.kind != .deleted && filter.matchesSelectors(change.object)
        let wasIn = change.previous.map(filter.matchesSelectors) ?? false
        switch (wasIn, isIn) {
        case (false, false): return nil
        case (false, true): return (.added, change.object)
        case (true, true): return (.modified, change.object)
        case (true, false):
            // The last state that matched, at the revision at which it ceased to.
            guard let previous = change.previous else { return nil }
            return (.deleted, StoredObject(previous, revision: change.revision))
        }
    }

    func bookmark(_ revision: Int64, endOfInitialEvents: Bool) -> Frame {
        var metadata: JSON = ["resourceVersion": .string(String(revision))]
        if endOfInitialEvents { metadata["annotations"] = ["k8s.io/initial-events-end": "true"] }
        var object: JSON = ["kind": .string(kind), "apiVersion": .string(apiVersion), "metadata": metadata]
        if case .table = representation {
            object = [
                "kind": "Table", "apiVersion": "meta.k8s.io/v1",
                "metadata": ["resourceVersion": .string(String(revision))],
                "columnDefinitions": [],
                "rows": [
                    [
                        "cells": [],
                        "object": [
                            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                        ],
                    ]
                ],
            ]
        }
        if case .partialMetadata = representation {
            object["kind"] = "PartialObjectMetadata"
            object["apiVersion"] = "meta.k8s.io/v1"
        }
        return Self.line("BOOKMARK", object)
    }

    /// What ends a watch whose position is too far back, in an event.
    static func expired(_ revision: Int64, _ floor: Int64) -> StatusError {
        .expired("too old resource version: \(revision) (\(floor))")
    }

    static func line(_ type: String, _ object: JSON) -> Frame {
        var bytes = (["type": .string(type), "object": object] as JSON).serialized()
        bytes.append(UInt8(ascii: "\n"))
        return Frame(bytes)
    }
}
