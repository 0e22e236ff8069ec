import KubeAPI
import Synchronization

/// A collection behind an `APIClient`, with revisions, watches and the troubles of a network.
final class FakeServer: APIClient {
    private struct Change {
        let revision: Int
        let line: [UInt8]
    }
    private struct State {
        var revision = 10
        /// Changes before it are forgotten.
        var compacted = 0
        var objects: [String: JSON] = [:]
        var changes: [Change] = []
        var watches: [Int: AsyncThrowingStream<[UInt8], any Error>.Continuation] = [:]
        var nextWatch = 0
        var requests: [APIRequest] = []
        /// Answered, in order, before anything else.
        var troubles: [Trouble] = []
        var isHolding = false
    }

    enum Trouble: Sendable {
        /// No connection.
        case unreachable
        /// An error status.
        case status(StatusError)
        /// A watch that ends at once.
        case end
        /// A watch that says that its revision is gone.
        case gone
        /// A watch that breaks within a line.
        case garbage
    }

    private let state = Mutex(State())

    var requests: [APIRequest] { state.withLock { $0.requests } }
    var lists: Int { requests.count { $0.method == .get && $0.parameter("watch") == nil } }
    var watchers: Int { state.withLock { $0.watches.count } }
    var objects: [String: JSON] { state.withLock { $0.objects } }

    // MARK: the server's side

    @discardableResult
    func put(_ name: String, uid: String = "u", _ value: String = "") -> Int {
        state.withLock { state in
            state.revision += 1
            let object: JSON = [
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": [
                    "name": .string(name), "namespace": "n", "uid": .string(uid),
                    "resourceVersion": .string("\(state.revision)"),
                ],
                "data": ["v": .string(value)],
            ]
            let isNew = state.objects.updateValue(object, forKey: "n/\(name)") == nil
            Self.publish(isNew ? "ADDED" : "MODIFIED", object, &state)
            return state.revision
        }
    }

    func remove(_ name: String) {
        state.withLock { state in
            guard var object = state.objects.removeValue(forKey: "n/\(name)") else { return }
            state.revision += 1
            object["metadata"]["resourceVersion"] = .string("\(state.revision)")
            Self.publish("DELETED", object, &state)
        }
    }

    func bookmark() {
        state.withLock { state in
            Self.publish("BOOKMARK", ["metadata": ["resourceVersion": .string("\(state.revision)")]], &state)
        }
    }

    private static func publish(_ type: String, _ object: JSON, _ state: inout State) {
        let event: JSON = ["type": .string(type), "object": object]
        let line = event.serialized()
        if type != "BOOKMARK" { state.changes.append(Change(revision: state.revision, line: line)) }
        for watch in state.watches.values { watch.yield(line) }
    }

    /// Ends all watches, as a server does that goes away; with an error or without.
    func dropWatches(_ error: (any Error)? = nil) {
        let watches = state.withLock { state in
            defer { state.watches = [:] }
            return state.watches.values
        }
        for watch in watches { watch.finish(throwing: error) }
    }

    /// Forgets all changes: older watches must list again.
    func compact() { state.withLock { $0.compacted = $0.revision } }

    func trouble(_ troubles: Trouble...) { state.withLock { $0.troubles += troubles } }

    // MARK: the client's side

    func send(_ request: APIRequest) async throws -> APIResponse {
        try state.withLock { state in
            state.requests.append(request)
            if !state.troubles.isEmpty {
                switch state.troubles.removeFirst() {
                case .unreachable: throw APIConnectionError("connection refused")
                case .status(let error): return APIResponse(status: error.code, body: error.json.serialized())
                case .garbage: return APIResponse(status: 200, body: Array("{".utf8))
                case .end, .gone: break
                }
            }
            // The items of a list carry no kind.
            let items = state.objects.values.map { object in
                var item = object
                item["kind"] = .null
                item["apiVersion"] = .null
                return item
            }
            let list: JSON = ["metadata": ["resourceVersion": .string("\(state.revision)")], "items": .array(items)]
            return APIResponse(status: 200, body: list.serialized())
        }
    }

    func lines(_ request: APIRequest) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let (stream, continuation) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
        let gone: JSON = ["type": "ERROR", "object": StatusError.expired("too old resource version").json]
        try state.withLock { state in
            state.requests.append(request)
            if !state.troubles.isEmpty {
                switch state.troubles.removeFirst() {
                case .unreachable: throw APIConnectionError("connection refused")
                case .status(let error): throw error
                case .end: return continuation.finish()
                case .gone:
                    continuation.yield(gone.serialized())
                    return continuation.finish()
                case .garbage:
                    continuation.yield(Array("{\"type\":".utf8))
                    return continuation.finish()
                }
            }
            let since = Int(request.parameter("resourceVersion") ?? "") ?? 0
            guard since >= state.compacted else {
                continuation.yield(gone.serialized())
                return continuation.finish()
            }
            for change in state.changes where change.revision > since { continuation.yield(change.line) }
            state.nextWatch += 1
            let id = state.nextWatch
            state.watches[id] = continuation
            continuation.onTermination = { [weak self] _ in
                // Not within the lock that the watch is made under.
                Task { self?.state.withLock { _ = $0.watches.removeValue(forKey: id) } }
            }
        }
        return stream
    }
}

/// Lets a test wait for what other tasks do.
final class Journal<Entry: Sendable>: Sendable {
    private let stream: AsyncStream<Entry>
    private let continuation: AsyncStream<Entry>.Continuation
    private let written = Mutex<[Entry]>([])

    init() { (stream, continuation) = AsyncStream<Entry>.makeStream() }

    func write(_ entry: Entry) {
        written.withLock { $0.append(entry) }
        continuation.yield(entry)
    }

    var entries: [Entry] { written.withLock { $0 } }

    /// The next entries, in order; waits for them.
    func next(_ count: Int = 1) async -> [Entry] {
        var entries: [Entry] = []
        var iterator = stream.makeAsyncIterator()
        while entries.count < count, let entry = await iterator.next() { entries.append(entry) }
        return entries
    }
}
