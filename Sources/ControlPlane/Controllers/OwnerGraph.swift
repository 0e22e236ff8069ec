import KubeAPI
import Synchronization

/// Who exists, and who is owned by whom: metadata of every object, by uid.
final class OwnerGraph: Sendable {
    struct Item: Sendable {
        let resource: ResourcePath
        let namespace: String
        let name: String
        let uid: String
        let owners: [JSON]
        let finalizers: [String]
        let isDeleting: Bool

        init(_ object: JSON, _ resource: ResourcePath) {
            self.resource = resource
            namespace = object.namespace
            name = object.name
            uid = object.uid
            owners = object.ownerReferences
            finalizers = object.finalizers
            isDeleting = object.isDeleting
        }

        var path: (namespace: String?, name: String) { (namespace.isEmpty ? nil : namespace, name) }
        var isWaitingForDependents: Bool { isDeleting && finalizers.contains(GarbageCollector.foreground) }
        var ownerUIDs: [String] { owners.map { $0["uid"].stringValue } }
    }

    private struct State {
        var items: [String: Item] = [:]
        /// Owner's uid → uids of what it owns.
        var dependents: [String: Set<String>] = [:]
    }
    private let state = Mutex(State())

    /// Takes over an event. Returns the uids of those that are to be looked at.
    func apply(_ event: Informer.Event, _ resource: ResourcePath) -> Set<String> {
        let item = Item(event.object, resource)
        return state.withLock { state in
            let old = state.items[item.uid]
            if case .deleted = event {
                state.items[item.uid] = nil
                Self.unlink(old ?? item, &state)
                // What it owned, and owners that wait for it to go.
                return (state.dependents[item.uid] ?? []).union((old ?? item).ownerUIDs)
            }
            if let old, old.owners == item.owners, old.finalizers == item.finalizers, old.isDeleting == item.isDeleting
            {
                return []
            }
            if let old { Self.unlink(old, &state) }
            state.items[item.uid] = item
            for owner in item.ownerUIDs { state.dependents[owner, default: []].insert(item.uid) }
            // Owners that wait may do so no longer: the reference is gone, or blocks no more.
            var affected: Set<String> = old.map { $0.owners == item.owners ? [] : Set($0.ownerUIDs) } ?? []
            if !item.owners.isEmpty || (item.isDeleting && !item.finalizers.isEmpty) { affected.insert(item.uid) }
            return affected
        }
    }

    private static func unlink(_ item: Item, _ state: inout State) {
        for owner in item.ownerUIDs {
            state.dependents[owner]?.remove(item.uid)
            if state.dependents[owner]?.isEmpty == true { state.dependents[owner] = nil }
        }
    }

    subscript(_ uid: String) -> Item? { state.withLock { $0.items[uid] } }

    func dependents(of uid: String) -> [Item] {
        state.withLock { state in (state.dependents[uid] ?? []).compactMap { state.items[$0] } }
    }
}
