import KubeAPI
import Logging
import Synchronization

/// Deletes what is owned by objects that are gone, and carries out foreground and orphan deletion
/// (https://kubernetes.io/docs/concepts/architecture/garbage-collection/).
///
/// It watches every collection and keeps a graph of metadata alone: who exists, who is owned by whom.
final class GarbageCollector: Controller {
    private struct Item: Sendable {
        let resource: ResourcePath
        let namespace: String
        let name: String
        let uid: String
        let owners: [JSON]
        let finalizers: [String]
        let isDeleting: Bool
    }

    private struct Graph {
        var items: [String: Item] = [:]
        /// Owner's uid → uids of what it owns.
        var dependents: [String: Set<String>] = [:]
    }

    private let client: any APIClient
    private let informers: [Informer]
    private let kinds: [String: ResourcePath]
    private let log: Logger
    private let graph = Mutex(Graph())
    private let queue = WorkQueue<String>()

    init(client: any APIClient, resources: [ResourcePath], log: Logger) {
        self.client = client
        self.log = log
        // Events own nothing and are owned by nothing; there are many.
        let watched = resources.filter { $0 != .events }
        kinds = Dictionary(watched.map { ("\($0.apiVersion)/\($0.kind)", $0) }, uniquingKeysWith: { first, _ in first })
        informers = watched.map { Informer(client, $0, log: log) }
    }

    func run() async {
        for informer in informers {
            let resource = informer.resource
            informer.onEvent { [self] event in observe(event, resource) }
        }
        await withTaskGroup(of: Void.self) { group in
            for informer in informers { group.addTask { await informer.run() } }
            group.addTask { [self] in
                for informer in informers { await informer.waitForSync() }
                await queue.run(workers: 2) { [self] uid in try await process(uid) }
            }
            await group.waitForAll()
        }
    }

    private func observe(_ event: Informer.Event, _ resource: ResourcePath) {
        let object = event.object
        let affected: Set<String> = graph.withLock { graph in
            let old = graph.items[object.uid]
            for owner in old?.owners ?? [] { graph.dependents[owner["uid"].stringValue]?.remove(object.uid) }
            if case .deleted = event {
                graph.items[object.uid] = nil
                // What it owned is to be looked at, and owners that wait for it.
                return (graph.dependents[object.uid] ?? []).union((old?.owners ?? []).map { $0["uid"].stringValue })
            }
            let item = Item(
                resource: resource, namespace: object.namespace, name: object.name, uid: object.uid,
                owners: object.ownerReferences, finalizers: object.finalizers, isDeleting: object.isDeleting)
            graph.items[object.uid] = item
            for owner in item.owners { graph.dependents[owner["uid"].stringValue, default: []].insert(object.uid) }
            let isConcerned = !item.owners.isEmpty || (item.isDeleting && !item.finalizers.isEmpty)
            return isConcerned ? [object.uid] : []
        }
        for uid in affected { queue.add(uid) }
    }

    private func process(_ uid: String) async throws {
        let (item, dependents): (Item?, [Item]) = graph.withLock { graph in
            (graph.items[uid], (graph.dependents[uid] ?? []).compactMap { graph.items[$0] })
        }
        guard let item else {
            graph.withLock { graph in
                if graph.dependents[uid]?.isEmpty == true { graph.dependents[uid] = nil }
            }
            return
        }
        if item.isDeleting, item.finalizers.contains("orphan") { return try await orphan(item, dependents) }
        if item.isDeleting, item.finalizers.contains("foregroundDeletion") {
            return try await deleteForeground(item, dependents)
        }
        if !item.owners.isEmpty, !item.isDeleting { try await collect(item) }
    }

    /// Deletes an object none of whose owners is left; drops references to those that are gone from the others.
    private func collect(_ item: Item) async throws {
        var gone: [JSON] = []
        var solid = 0
        var waiting = 0
        for owner in item.owners {
            switch try await state(of: owner, for: item) {
            case .present: solid += 1
            case .waitsForDependents: waiting += 1
            case .gone: gone.append(owner)
            case .unknown: return
            }
        }
        if solid > 0 {
            for owner in gone {
                try await patchOwners(item, ["$patch": "delete", "uid": owner["uid"]])
            }
            return
        }
        guard !gone.isEmpty || waiting > 0 else { return }
        let policy = waiting > 0 && !(dependents(of: item.uid).isEmpty) ? "Foreground" : "Background"
        try await delete(item, policy: policy)
    }

    private enum OwnerState { case present, waitsForDependents, gone, unknown }

    private func state(of owner: JSON, for item: Item) async throws -> OwnerState {
        let uid = owner["uid"].stringValue
        if let found = graph.withLock({ $0.items[uid] }) {
            return found.isDeleting && found.finalizers.contains("foregroundDeletion") ? .waitsForDependents : .present
        }
        guard let resource = kinds["\(owner["apiVersion"].stringValue)/\(owner["kind"].stringValue)"] else { return .unknown }
        // The graph may lag: the truth is asked before anything is deleted.
        do {
            let object = try await client.get(
                resource, namespace: resource.isNamespaced ? item.namespace : nil, name: owner["name"].stringValue)
            return object.uid == uid ? .present : .gone
        } catch let error as StatusError where error.isNotFound {
            return .gone
        }
    }

    private func dependents(of uid: String) -> [Item] {
        graph.withLock { graph in (graph.dependents[uid] ?? []).compactMap { graph.items[$0] } }
    }

    private func deleteForeground(_ item: Item, _ dependents: [Item]) async throws {
        let blocking = dependents.filter { dependent in
            dependent.owners.contains { $0["uid"].string == item.uid && $0["blockOwnerDeletion"].bool == true }
        }
        if blocking.isEmpty { return try await removeFinalizer("foregroundDeletion", item) }
        for dependent in dependents where !dependent.isDeleting { queue.add(dependent.uid) }
    }

    private func orphan(_ item: Item, _ dependents: [Item]) async throws {
        for dependent in dependents {
            try await patchOwners(dependent, ["$patch": "delete", "uid": .string(item.uid)])
        }
        try await removeFinalizer("orphan", item)
    }

    private func patchOwners(_ item: Item, _ reference: JSON) async throws {
        do {
            try await client.patch(
                item.resource, namespace: item.namespace.isEmpty ? nil : item.namespace, name: item.name, type: .strategic,
                ["metadata": ["uid": .string(item.uid), "ownerReferences": [reference]]])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
    }

    private func removeFinalizer(_ finalizer: String, _ item: Item) async throws {
        let namespace = item.namespace.isEmpty ? nil : item.namespace
        do {
            var object = try await client.get(item.resource, namespace: namespace, name: item.name)
            guard object.uid == item.uid, object.finalizers.contains(finalizer) else { return }
            object["metadata"]["finalizers"] = JSON(object.finalizers.filter { $0 != finalizer })
            try await client.update(item.resource, object)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }

    private func delete(_ item: Item, policy: String) async throws {
        do {
            try await client.delete(
                item.resource, namespace: item.namespace.isEmpty ? nil : item.namespace, name: item.name,
                options: ["propagationPolicy": .string(policy), "preconditions": ["uid": .string(item.uid)]])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
    }
}
