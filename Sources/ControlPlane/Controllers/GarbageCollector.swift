import KubeAPI
import Logging

/// Deletes what is owned by objects that are gone, and carries out foreground and orphan deletion
/// (https://kubernetes.io/docs/concepts/architecture/garbage-collection/).
///
/// It watches every collection, those that other controllers watch too through their informers, and keeps metadata
/// alone. That view may lag, so the server is asked before anything is deleted.
final class GarbageCollector: Controller {
    static let foreground = "foregroundDeletion"
    static let orphan = "orphan"

    private let client: any APIClient
    private let informers: [Informer]
    /// Those of the informers that nobody else runs.
    private let own: [Informer]
    private let kinds: [String: ResourcePath]
    private let log: Logger
    private let graph = OwnerGraph()
    private let queue = WorkQueue<String>()

    init(client: any APIClient, informers shared: SharedInformers, resources: [ResourcePath], log: Logger) {
        self.client = client
        self.log = log
        // Events own nothing and are owned by nothing; there are many.
        let watched = resources.filter { $0.resource != "events" }
        kinds = Dictionary(watched.map { ("\($0.apiVersion)/\($0.kind)", $0) }, uniquingKeysWith: { first, _ in first })
        var own: [Informer] = []
        informers = watched.map { resource in
            if let informer = shared.informer(of: resource) { return informer }
            let informer = Informer(client, resource, log: log, transform: Self.metadata)
            own.append(informer)
            return informer
        }
        self.own = own
    }

    /// Nothing but what says who an object is and whose.
    private static func metadata(_ object: JSON) -> JSON {
        var metadata = JSON.emptyObject
        for field in [
            "name", "namespace", "uid", "resourceVersion", "ownerReferences", "finalizers", "deletionTimestamp",
        ] {
            metadata[field] = object["metadata"][field]
        }
        return ["apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": metadata]
    }

    func run() async {
        for informer in informers {
            let resource = informer.resource
            informer.onEvent { [self] event in
                for uid in graph.apply(event, resource) { queue.add(uid) }
            }
        }
        await withTaskGroup(of: Void.self) { group in
            for informer in own { group.addTask { await informer.run() } }
            group.addTask { [self] in
                for informer in informers { await informer.waitForSync() }
                await queue.run(workers: 4) { [self] uid in try await process(uid) }
            }
            await group.waitForAll()
        }
    }

    private func process(_ uid: String) async throws {
        guard let item = graph[uid] else { return }
        if item.isDeleting, item.finalizers.contains(Self.orphan) { return try await orphanDependents(item) }
        if item.isWaitingForDependents { return try await deleteDependents(item) }
        if !item.owners.isEmpty, !item.isDeleting { try await collect(item) }
    }

    // MARK: owners that are gone

    private enum OwnerState { case present, waitsForDependents, gone, unknown }

    /// Deletes an object none of whose owners is left; drops references to those that are gone from the others.
    private func collect(_ item: OwnerGraph.Item) async throws {
        guard !(try await isStillOwned(item, by: item.owners)) else { return }
        // Somebody may have given it another owner a moment ago.
        let current: JSON
        do {
            current = try await client.get(item.resource, namespace: item.path.namespace, name: item.name)
        } catch let error as StatusError where error.isNotFound {
            return
        }
        guard current.uid == item.uid, !current.isDeleting, !current.ownerReferences.isEmpty else { return }
        var lost: [JSON] = []
        var waiting: [JSON] = []
        var solid = 0
        for owner in current.ownerReferences {
            switch try await state(of: owner, for: item) {
            case .present: solid += 1
            case .waitsForDependents: waiting.append(owner)
            case .gone: lost.append(owner)
            case .unknown: return
            }
        }
        if solid > 0 {
            // Neither what is gone nor what waits to go is an owner any more.
            for owner in lost + waiting { try await patchOwners(item, ["$patch": "delete", "uid": owner["uid"]]) }
            return
        }
        let dependents = graph.dependents(of: item.uid)
        if !waiting.isEmpty, !dependents.isEmpty {
            // Objects that own each other in a circle would wait for ever.
            if dependents.contains(where: \.isWaitingForDependents) { try await unblock(item, current.ownerReferences) }
            return try await delete(current, item, policy: "Foreground")
        }
        try await delete(current, item, policy: Self.policy(current.finalizers))
    }

    private static func policy(_ finalizers: [String]) -> String {
        finalizers.contains(orphan) ? "Orphan" : finalizers.contains(foreground) ? "Foreground" : "Background"
    }

    /// By the graph alone: most objects have an owner that is there.
    private func isStillOwned(_ item: OwnerGraph.Item, by owners: [JSON]) async throws -> Bool {
        owners.allSatisfy { owner in
            guard let found = graph[owner["uid"].stringValue] else { return false }
            return !found.isWaitingForDependents && Self.isAt(found, owner, for: item)
        }
    }

    /// Whether an owner is where the reference says: of that name, in the dependent's namespace or in none.
    private static func isAt(_ found: OwnerGraph.Item, _ owner: JSON, for item: OwnerGraph.Item) -> Bool {
        found.name == owner["name"].stringValue && found.resource.kind == owner["kind"].stringValue
            && (found.namespace.isEmpty || found.namespace == item.namespace)
    }

    private func state(of owner: JSON, for item: OwnerGraph.Item) async throws -> OwnerState {
        let uid = owner["uid"].stringValue
        if let found = graph[uid], Self.isAt(found, owner, for: item) {
            return found.isWaitingForDependents ? .waitsForDependents : .present
        }
        guard let resource = kinds["\(owner["apiVersion"].stringValue)/\(owner["kind"].stringValue)"],
            // An object outside namespaces can't be owned by one inside.
            !(resource.isNamespaced && item.namespace.isEmpty)
        else { return .unknown }
        do {
            let object = try await client.get(
                resource, namespace: resource.isNamespaced ? item.namespace : nil, name: owner["name"].stringValue)
            guard object.uid == uid else { return .gone }
            return object.isDeleting && object.finalizers.contains(Self.foreground) ? .waitsForDependents : .present
        } catch let error as StatusError where error.isNotFound {
            return .gone
        }
    }

    // MARK: owners that go

    private func deleteDependents(_ item: OwnerGraph.Item) async throws {
        let dependents = graph.dependents(of: item.uid)
        let isBlocked = dependents.contains { dependent in
            dependent.owners.contains { $0["uid"].string == item.uid && $0["blockOwnerDeletion"].bool == true }
        }
        guard isBlocked else { return try await removeFinalizer(Self.foreground, item) }
        for dependent in dependents where !dependent.isDeleting { queue.add(dependent.uid) }
    }

    private func orphanDependents(_ item: OwnerGraph.Item) async throws {
        for dependent in graph.dependents(of: item.uid) {
            try await patchOwners(dependent, ["$patch": "delete", "uid": .string(item.uid)])
        }
        try await removeFinalizer(Self.orphan, item)
    }

    // MARK: writes

    private func unblock(_ item: OwnerGraph.Item, _ owners: [JSON]) async throws {
        for owner in owners where owner["blockOwnerDeletion"].bool == true {
            try await patchOwners(item, ["uid": owner["uid"], "blockOwnerDeletion": false])
        }
    }

    private func patchOwners(_ item: OwnerGraph.Item, _ reference: JSON) async throws {
        do {
            try await client.patch(
                item.resource, namespace: item.path.namespace, name: item.name, type: .strategic,
                ["metadata": ["uid": .string(item.uid), "ownerReferences": [reference]]])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
    }

    private func removeFinalizer(_ finalizer: String, _ item: OwnerGraph.Item) async throws {
        do {
            var object = try await client.get(item.resource, namespace: item.path.namespace, name: item.name)
            guard object.uid == item.uid, object.finalizers.contains(finalizer) else { return }
            let rest = object.finalizers.filter { $0 != finalizer }
            object["metadata"]["finalizers"] = rest.isEmpty ? .null : JSON(rest)
            try await client.update(item.resource, object)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }

    /// Only the object that was looked at, in the state that was looked at.
    private func delete(_ object: JSON, _ item: OwnerGraph.Item, policy: String) async throws {
        do {
            try await client.delete(
                item.resource, namespace: item.path.namespace, name: item.name,
                options: [
                    "propagationPolicy": .string(policy),
                    "preconditions": ["uid": .string(item.uid), "resourceVersion": .string(object.resourceVersion)],
                ])
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }
}
