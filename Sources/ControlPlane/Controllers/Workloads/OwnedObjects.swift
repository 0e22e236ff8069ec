import KubeAPI

/// Which objects belong to a controller: those that it owns, and orphans that its selector matches, which it adopts.
/// What it owns and does not match any more is let go.
struct OwnedObjects: Sendable {
    let client: any APIClient
    /// The kind of the owners.
    let owners: ResourcePath
    /// The kind of what they own.
    let owned: ResourcePath
    /// What an adopted object gets beside its owner.
    var finalizer: String?

    func claim(
        _ owner: JSON, _ selector: LabelSelector, among candidates: [JSON],
        adopting mayAdopt: (JSON) -> Bool = { _ in true }
    ) async throws -> [JSON] {
        var mine: [JSON] = []
        var isThere: Bool?
        for object in candidates {
            let matches = selector.matches(labels: object["metadata"]["labels"])
            if let reference = object.controllerReference {
                guard owner.isReferred(by: reference) else { continue }
                if matches {
                    mine.append(object)
                } else if !object.isDeleting, !owner.isDeleting {
                    try await release(object, from: owner)
                }
                continue
            }
            guard matches, !object.isDeleting, !owner.isDeleting, mayAdopt(object) else { continue }
            if isThere == nil { isThere = try await isStillThere(owner) }
            if isThere == true, let adopted = try await adopt(object, by: owner) { mine.append(adopted) }
        }
        return mine
    }

    /// Asks the server: a controller that goes must not take objects with it that were somebody else's a moment ago.
    private func isStillThere(_ owner: JSON) async throws -> Bool {
        do {
            let current = try await client.get(owners, namespace: owner.namespace, name: owner.name)
            return current.uid == owner.uid && !current.isDeleting
        } catch let error as StatusError where error.isNotFound {
            return false
        }
    }

    private func adopt(_ object: JSON, by owner: JSON) async throws -> JSON? {
        var metadata: JSON = ["uid": .string(object.uid), "ownerReferences": [owner.ownerReference()]]
        if let finalizer { metadata["finalizers"] = [.string(finalizer)] }
        do {
            return try await client.patch(
                owned, namespace: object.namespace, name: object.name, type: .strategic, ["metadata": metadata])
        } catch let error as StatusError where error.isNotFound || error.isConflict || error.reason == "Invalid" {
            // Gone, another one by now, or somebody else's.
            return nil
        }
    }

    private func release(_ object: JSON, from owner: JSON) async throws {
        var metadata: JSON = [
            "uid": .string(object.uid), "ownerReferences": [["$patch": "delete", "uid": .string(owner.uid)]],
        ]
        if let finalizer { metadata["$deleteFromPrimitiveList/finalizers"] = [.string(finalizer)] }
        do {
            try await client.patch(
                owned, namespace: object.namespace, name: object.name, type: .strategic, ["metadata": metadata])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
    }
}

/// Objects of an informer by who controls them.
struct OwnedIndex: Sendable {
    private let index: ObjectIndex

    init(_ informer: Informer) {
        index = ObjectIndex(informer) { $0.controllerReference?["uid"].string ?? Self.orphans($0.namespace) }
    }

    /// No uid has a slash.
    private static func orphans(_ namespace: String) -> String { "/\(namespace)" }

    /// What the object of that uid controls.
    func callAsFunction(_ uid: String) -> [JSON] { index(uid) }

    /// What may be the owner's: what it controls, and what nobody does.
    func candidates(for owner: JSON) -> [JSON] { index(owner.uid) + index(Self.orphans(owner.namespace)) }
}

/// Brings what happens to owned objects to the queue of those who own them.
struct OwnedEvents: Sendable {
    let owners: ResourcePath
    let owned: ResourcePath
    let queue: WorkQueue<String>
    var expectations: Expectations?
    /// The keys of owners whose selector matches an orphan.
    let suitors: @Sendable (JSON) -> [String]

    /// The owner's key, where it is of our kind.
    func owner(of object: JSON) -> String? {
        guard let reference = object.controllerReference, reference["kind"].string == owners.kind,
            reference["apiVersion"].string == owners.apiVersion
        else { return nil }
        return "\(object.namespace)/\(reference["name"].stringValue)"
    }

    /// Pods that start come in crowds, and each tells of itself several times. What only the status says is gathered for
    /// so long: thirty pods then cost a few writes instead of sixty.
    static let gatheringTime: Duration = .milliseconds(20)

    /// Whether a pod runs on as before, ready or not.
    private static func isStatusAlone(_ old: JSON, _ new: JSON) -> Bool {
        old["metadata"]["labels"] == new["metadata"]["labels"] && old.isDeleting == new.isDeleting
            && old.ownerReferences == new.ownerReferences && old.finalizers == new.finalizers
            && Pod(old).isTerminal == Pod(new).isTerminal
    }

    func handle(_ event: Informer.Event) {
        let object = event.object
        if let key = owner(of: object) {
            var isUrgent = true
            switch event {
            case .added:
                expectations?.observedCreation(key, object.uid)
                isUrgent = expectations?.areMet(key) ?? true
            case .deleted: expectations?.observedDeletion(key, object.uid)
            case .updated(let old, _):
                if object.isDeleting { expectations?.observedDeletion(key, object.uid) }
                isUrgent = !(owned == .pods && Self.isStatusAlone(old, object))
            }
            queue.add(key, after: isUrgent ? .zero : Self.gatheringTime)
        }
        if case .updated(let old, _) = event, let before = owner(of: old), before != owner(of: object) {
            queue.add(before)
        }
        guard object.controllerReference == nil, !object.isDeleting else { return }
        for key in suitors(object) { queue.add(key) }
    }
}

extension Expectations {
    /// Should an event be missed, the owner is looked at again when it stops waiting for it.
    func watchOver(_ key: String, _ queue: WorkQueue<String>) {
        if !areMet(key) { queue.add(key, after: Self.lifetime + .seconds(1)) }
    }
}
