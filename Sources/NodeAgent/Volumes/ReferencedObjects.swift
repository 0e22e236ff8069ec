import KubeAPI
import Logging
import Synchronization

/// The ConfigMaps and Secrets that the node's pods name, each followed by a watch of its own for as long as a pod needs
/// it: the node reads nothing else of its kind.
final class ReferencedObjects: Sendable {
    /// How long a pod waits for the API before it says so; it tries again.
    static let patience: Duration = .seconds(10)
    /// The same for a pod that has what it needs from before.
    static let shortPatience: Duration = .seconds(1)

    private struct Entry {
        let informer: Informer
        let task: Task<Void, Never>
        var users: Set<String>
    }
    private struct State {
        var entries: [ObjectReference: Entry] = [:]
        var byUser: [String: Set<ObjectReference>] = [:]
    }

    private let client: any APIClient
    private let log: Logger
    /// Called with the uids of pods whose objects have changed.
    private let onChange: @Sendable (Set<String>) -> Void
    private let state = Mutex(State())

    init(client: any APIClient, log: Logger, onChange: @escaping @Sendable (Set<String>) -> Void) {
        self.client = client
        self.log = log
        self.onChange = onChange
    }

    /// How many objects are followed.
    var count: Int { state.withLock { $0.entries.count } }

    /// Begins to follow what a pod names, so that it is here when it is needed; ends it for what the pod names no more.
    func follow(_ references: Set<ObjectReference>, for uid: String) {
        let ended = state.withLock { state -> [Entry] in
            let before = state.byUser[uid] ?? []
            guard before != references else { return [] }
            state.byUser[uid] = references.isEmpty ? nil : references
            for reference in references.subtracting(before) {
                if state.entries[reference] == nil { state.entries[reference] = makeEntry(reference) }
                state.entries[reference]?.users.insert(uid)
            }
            var ended: [Entry] = []
            for reference in before.subtracting(references) {
                state.entries[reference]?.users.remove(uid)
                guard state.entries[reference]?.users.isEmpty == true else { continue }
                if let entry = state.entries.removeValue(forKey: reference) { ended.append(entry) }
            }
            return ended
        }
        for entry in ended { entry.task.cancel() }
    }

    func release(_ uid: String) { follow([], for: uid) }

    func stop() {
        let tasks = state.withLock { state in
            defer { state = State() }
            return state.entries.values.map(\.task)
        }
        for task in tasks { task.cancel() }
    }

    private func makeEntry(_ reference: ObjectReference) -> Entry {
        let informer = Informer(
            client, reference.resource, namespace: reference.namespace,
            fieldSelector: "metadata.name=\(reference.name)", log: log)
        informer.onEvent { [weak self] event in
            // What was there from the beginning is no change to anybody.
            if case .updated(let old, let new) = event, old["data"] == new["data"],
                old["binaryData"] == new["binaryData"]
            {
                return
            }
            self?.changed(reference)
        }
        return Entry(informer: informer, task: Task { await informer.run() }, users: [])
    }

    private func changed(_ reference: ObjectReference) {
        // Handlers run under the informer's lock, and ours may be held by somebody who asks the informer.
        Task { [weak self] in
            guard let self else { return }
            let users = self.state.withLock { $0.entries[reference]?.users ?? [] }
            if !users.isEmpty { self.onChange(users) }
        }
    }

    /// The object, nil where the API has none. Throws where the API can't be asked.
    func get(
        _ reference: ObjectReference, patience: Duration = patience
    ) async throws(APIConnectionError) -> JSON? {
        let informer = state.withLock { $0.entries[reference]?.informer }
        guard let informer else {
            throw APIConnectionError("\(reference.resource) \"\(reference.name)\" is not followed for this pod")
        }
        guard await informer.waitForSync(atMost: patience) else {
            throw APIConnectionError(
                "timed out waiting for \(reference.resource) \"\(reference.name)\" from the API server")
        }
        return informer.get("\(reference.namespace)/\(reference.name)")
    }
}
