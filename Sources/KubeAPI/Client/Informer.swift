import Logging
import Synchronization

/// A local copy of a collection, kept up to date by list and watch, with notifications.
///
/// Handlers run on the informer's task, in revision order, and must not block: they put keys into a `WorkQueue`.
public final class Informer: Sendable {
    public enum Event: Sendable {
        case added(JSON)
        case updated(old: JSON, new: JSON)
        /// The last known state.
        case deleted(JSON)

        /// The object, in its newest known state.
        public var object: JSON {
            switch self {
            case .added(let object), .deleted(let object): object
            case .updated(_, let new): new
            }
        }
    }
    public typealias Handler = @Sendable (Event) -> Void

    private struct State {
        var objects: [String: JSON] = [:]
        var hasSynced = false
        var handlers: [Handler] = []
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    public let resource: ResourcePath
    private let client: any APIClient
    private let namespace: String?
    private let labelSelector: String?
    private let fieldSelector: String?
    private let log: Logger
    private let state = Mutex(State())

    public init(
        _ client: any APIClient, _ resource: ResourcePath, namespace: String? = nil, labelSelector: String? = nil,
        fieldSelector: String? = nil, log: Logger
    ) {
        self.client = client
        self.resource = resource
        self.namespace = namespace
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
        self.log = log
    }

    /// Adds a handler; what is known already is reported to it as added, before this returns.
    public func onEvent(_ handler: @escaping Handler) {
        state.withLock { state in
            state.handlers.append(handler)
            for object in state.objects.values { handler(.added(object)) }
        }
    }

    /// The object of that key (`namespace/name`, or `name`), as last seen.
    public func get(_ key: String) -> JSON? { state.withLock { $0.objects[key] } }
    /// All objects, in no order.
    public func all() -> [JSON] { state.withLock { Array($0.objects.values) } }
    public var count: Int { state.withLock { $0.objects.count } }
    public var hasSynced: Bool { state.withLock { $0.hasSynced } }

    /// Returns once the first list is in.
    public func waitForSync() async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if !state.hasSynced { state.waiters.append(continuation) }
                return state.hasSynced
            }
            if isReady { continuation.resume() }
        }
    }

    /// Lists and watches until the task is cancelled. An error is answered by a new watch, an expired revision by a
    /// new list, with a growing pause (0.1 to 5 s) while the server does not answer.
    public func run() async {
        var backoff = Backoff(first: .milliseconds(100), limit: .seconds(5))
        var revision: String?
        while !Task.isCancelled {
            do {
                if revision == nil {
                    revision = try await relist()
                    backoff.reset()
                }
                let events = try await client.watch(
                    resource, namespace: namespace,
                    options: ListOptions(
                        labelSelector: labelSelector, fieldSelector: fieldSelector, resourceVersion: revision,
                        allowWatchBookmarks: true))
                for try await event in events {
                    revision = event.object["metadata"]["resourceVersion"].string ?? revision
                    apply(event)
                    backoff.reset()
                }
                if Task.isCancelled { return }
                // A watch that the server ends at once must not become a busy loop.
                try await Task.sleep(for: .milliseconds(10))
            } catch is CancellationError {
                return
            } catch {
                if Task.isCancelled { return }
                if let status = error as? StatusError, status.isExpired { revision = nil }
                if backoff.attempts == 0 {
                    log.debug("watch ended", metadata: ["resource": "\(resource)", "err": "\(error)"])
                }
                try? await Task.sleep(for: backoff.next())  // cancellation is seen by the loop's condition
            }
        }
    }

    private func relist() async throws -> String {
        let list = try await client.list(
            resource, namespace: namespace,
            options: ListOptions(labelSelector: labelSelector, fieldSelector: fieldSelector))
        var fresh: [String: JSON] = [:]
        for var item in list["items"].items {
            // Items of a list carry no kind of their own; views and events need it.
            if item["kind"].isNull {
                item["apiVersion"] = .string(resource.apiVersion)
                item["kind"] = .string(resource.kind)
            }
            fresh[item.objectKey] = item
        }
        let waiters = state.withLock { state in
            for (key, object) in fresh {
                if let old = state.objects[key] {
                    if old.resourceVersion != object.resourceVersion {
                        for handler in state.handlers { handler(.updated(old: old, new: object)) }
                    }
                } else {
                    for handler in state.handlers { handler(.added(object)) }
                }
            }
            for (key, old) in state.objects where fresh[key] == nil {
                for handler in state.handlers { handler(.deleted(old)) }
            }
            state.objects = fresh
            state.hasSynced = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
        return list["metadata"]["resourceVersion"].stringValue
    }

    private func apply(_ event: WatchEvent) {
        let key = event.object.objectKey
        state.withLock { state in
            switch event.kind {
            case .added, .modified:
                let old = state.objects.updateValue(event.object, forKey: key)
                for handler in state.handlers {
                    handler(old.map { .updated(old: $0, new: event.object) } ?? .added(event.object))
                }
            case .deleted:
                state.objects[key] = nil
                for handler in state.handlers { handler(.deleted(event.object)) }
            case .bookmark, .error:
                break
            }
        }
    }
}
