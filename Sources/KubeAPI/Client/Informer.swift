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
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
    }

    public let resource: ResourcePath
    private let client: any APIClient
    private let namespace: String?
    private let labelSelector: String?
    private let fieldSelector: String?
    private let transform: @Sendable (JSON) -> JSON
    private let log: Logger
    private let state = Mutex(State())
    /// Held while handlers run, so that each sees all events in order. They run outside `state`: a handler may read.
    private let delivery = Mutex<Void>(())

    /// `transform` reduces objects to what is wanted of them before they are kept; name, namespace and resource version
    /// must stay.
    public init(
        _ client: any APIClient, _ resource: ResourcePath, namespace: String? = nil, labelSelector: String? = nil,
        fieldSelector: String? = nil, log: Logger, transform: @escaping @Sendable (JSON) -> JSON = { $0 }
    ) {
        self.client = client
        self.resource = resource
        self.namespace = namespace
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
        self.transform = transform
        self.log = log
    }

    /// Adds a handler; what is known already is reported to it as added, before this returns. Not for use in a handler.
    public func onEvent(_ handler: @escaping Handler) {
        delivery.withLock { _ in
            let known = state.withLock { state in
                state.handlers.append(handler)
                return Array(state.objects.values)
            }
            for object in known { handler(.added(object)) }
        }
    }

    /// The object of that key (`namespace/name`, or `name`), as last seen.
    public func get(_ key: String) -> JSON? { state.withLock { $0.objects[key] } }
    /// All objects, in no order.
    public func all() -> [JSON] { state.withLock { Array($0.objects.values) } }
    public var count: Int { state.withLock { $0.objects.count } }
    public var hasSynced: Bool { state.withLock { $0.hasSynced } }

    /// Returns once the first list is in, or when the informer or the waiting task has been stopped before.
    public func waitForSync() async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state in
                    if state.hasSynced || Task.isCancelled { return false }
                    state.waiters[id] = continuation
                    return true
                }
                if !waits { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    private func resumeWaiters() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Lists and watches until the task is cancelled. An error is answered by a new watch, an expired revision by a
    /// new list, with a growing pause (0.1 to 5 s) while the server does not serve events.
    public func run() async {
        defer { resumeWaiters() }  // whoever still waits would wait for ever
        var backoff = Backoff(first: .milliseconds(100), limit: .seconds(5))
        var revision: String?
        while !Task.isCancelled {
            do {
                // A list alone does not end the pauses: a watch that is refused each time must not list in a loop.
                if revision == nil { revision = try await relist() }
                let events = try await client.watch(
                    resource, namespace: namespace,
                    options: ListOptions(
                        labelSelector: labelSelector, fieldSelector: fieldSelector, resourceVersion: revision,
                        allowWatchBookmarks: true, leavesOutManagedFields: true))
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
                let status = error as? StatusError
                if let status, status.isExpired { revision = nil }
                if backoff.attempts == 0 {
                    // What is refused stays refused until somebody mends it; a lost connection mends itself.
                    let isRefused = status.map { !$0.isExpired && $0.code < 500 } ?? false
                    log.log(
                        level: isRefused ? .warning : .debug, "watch ended",
                        metadata: ["resource": "\(resource)", "err": "\(error)"])
                }
                try? await Task.sleep(for: backoff.next())  // cancellation is seen by the loop's condition
            }
        }
    }

    private func relist() async throws -> String {
        let list = try await client.list(
            resource, namespace: namespace,
            options: ListOptions(
                labelSelector: labelSelector, fieldSelector: fieldSelector, leavesOutManagedFields: true))
        var fresh: [String: JSON] = [:]
        for var item in list["items"].items {
            // Items of a list carry no kind of their own; views and events need it.
            if item["kind"].isNull {
                item["apiVersion"] = .string(resource.apiVersion)
                item["kind"] = .string(resource.kind)
            }
            fresh[item.objectKey] = transform(item)
        }
        delivery.withLock { _ in
            let (events, handlers) = state.withLock { state in
                var events: [Event] = []
                for (key, old) in state.objects where fresh[key] == nil { events.append(.deleted(old)) }
                for (key, object) in fresh {
                    let old = state.objects[key]
                    if old == nil || old?.resourceVersion != object.resourceVersion {
                        events += Self.changes(old, object)
                    }
                }
                state.objects = fresh
                return (events, state.handlers)
            }
            for event in events { for handler in handlers { handler(event) } }
            // Only now: whoever waits may rely on the handlers knowing all that was listed.
            state.withLock { $0.hasSynced = true }
        }
        resumeWaiters()
        return list["metadata"]["resourceVersion"].stringValue
    }

    /// An object that was made anew under its name is another one.
    private static func changes(_ old: JSON?, _ new: JSON) -> [Event] {
        guard let old else { return [.added(new)] }
        return old.uid == new.uid ? [.updated(old: old, new: new)] : [.deleted(old), .added(new)]
    }

    private func apply(_ event: WatchEvent) {
        let object = transform(event.object)
        let key = object.objectKey
        delivery.withLock { _ in
            let (events, handlers): ([Event], [Handler]) = state.withLock { state in
                switch event.kind {
                case .added, .modified:
                    let old = state.objects.updateValue(object, forKey: key)
                    return (Self.changes(old, object), state.handlers)
                case .deleted:
                    // What is not known any more has been reported.
                    guard state.objects.removeValue(forKey: key) != nil else { return ([], []) }
                    return ([.deleted(object)], state.handlers)
                case .bookmark, .error:
                    return ([], [])
                }
            }
            for event in events { for handler in handlers { handler(event) } }
        }
    }
}
