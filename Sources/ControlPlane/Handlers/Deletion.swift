import KubeAPI

/// One object on its way out: marked first where something still has to happen (grace, finalizers, content), removed
/// where nothing does (https://kubernetes.io/docs/concepts/architecture/garbage-collection/).
struct Deletion: Sendable {
    enum Outcome: Sendable {
        /// It is gone; its last state.
        case removed(StoredObject)
        /// It is still there, being deleted.
        case pending(StoredObject)

        var object: StoredObject {
            switch self {
            case .removed(let object), .pending(let object): object
            }
        }
    }

    let resource: ServedResource
    let context: ServerContext
    let user: UserInfo
    let key: String
    /// For messages.
    let name: String
    let options: DeleteOptions
    /// Called once, from any thread.
    let completion: @Sendable (Result<Outcome, StatusError>) -> Void

    private static let maxAttempts = 100

    func run() { attempt(1) }

    private func attempt(_ number: Int) {
        do throws(StatusError) {
            guard let current = resource.cache.get(key) else {
                throw .notFound(resource.resource, group: resource.group, name: name)
            }
            let old = current.tree
            try resource.strategy.checkDeletion(old)
            try NodeRestriction.checkDelete(old, user, resource)
            try checkPreconditions(old)
            perform(DeletionStep(old, options, resource.strategy), current, old, number)
        } catch {
            let store = context.registry.hub.store
            guard store.isShared, number == 1 else { return completion(.failure(error)) }
            // What refuses it may no longer be the current state.
            store.catchUp { failure in
                if let failure { return completion(.failure(.store(failure, resource, name: name))) }
                Task { attempt(number + 1) }
            }
        }
    }

    private func checkPreconditions(_ object: JSON) throws(StatusError) {
        // Kubernetes names the kind here, not the resource.
        if let uid = options.uid, uid != object.uid {
            throw .conflict(
                resource.kind, group: resource.group, name: name,
                "the UID in the precondition (\(uid)) does not match the UID in record (\(object.uid)). The object might have been deleted and then recreated"
            )
        }
        if let version = options.resourceVersion, version != object.resourceVersion {
            throw .conflict(
                resource.kind, group: resource.group, name: name,
                "the ResourceVersion in the precondition (\(version)) does not match the ResourceVersion in record (\(object.resourceVersion)). The object might have been modified"
            )
        }
    }

    private func perform(_ step: DeletionStep, _ current: StoredObject, _ old: JSON, _ number: Int) {
        let storeKey = resource.cache.prefix + key
        switch step {
        case .wait:
            completion(.success(.pending(current)))
        case .mark(let marked):
            if options.isDryRun {
                return completion(
                    .success(.pending(StoredObject(unsaved: marked, key: key, revision: current.revision))))
            }
            let bytes = CanonicalObject.bytes(marked)
            let facts = resource.facts(marked)
            submit(
                StoreWrite(key: storeKey, value: bytes, expected: .revision(current.revision), facts: facts), number
            ) { .pending(StoredObject(key: key, revision: $0, bytes: bytes, facts: facts)) }
        case .remove:
            if options.isDryRun { return completion(.success(.removed(current))) }
            submit(.delete(storeKey, at: current.revision), number) { revision in
                resource.strategy.release(old)
                return .removed(StoredObject(current, revision: revision))
            }
        }
    }

    private func submit(_ write: StoreWrite, _ number: Int, _ outcome: @escaping @Sendable (Int64) -> Outcome) {
        context.registry.hub.store.submit(write) { result in
            switch result {
            case .success(let revision): completion(.success(outcome(revision)))
            case .failure(.conflict) where number < Self.maxAttempts:
                // Not on the store's thread, which others wait for.
                Task { attempt(number + 1) }
            case .failure(let error): completion(.failure(.store(error, resource, name: name)))
            }
        }
    }
}

/// What a deletion does to an object now.
enum DeletionStep {
    /// Nothing: it is being deleted already, and this request hurries nothing.
    case wait
    case mark(JSON)
    case remove

    private static let orphanFinalizer = "orphan"
    private static let foregroundFinalizer = "foregroundDeletion"

    init(_ old: JSON, _ options: DeleteOptions, _ strategy: some Strategy) {
        var object = old
        object["metadata"]["resourceVersion"] = .null
        let before = object
        let grace = strategy.gracePeriod(of: old, requested: options.gracePeriodSeconds)
        let pendingGrace = old["metadata"]["deletionGracePeriodSeconds"].int ?? 0
        if old.isDeleting, grace != nil, pendingGrace > 0 {
            // Only a shorter period changes anything. Finalizers can't be chosen any more.
            guard let asked = options.gracePeriodSeconds, let grace, asked < pendingGrace else {
                self = .wait
                return
            }
            if let end = Timestamp(old["metadata"]["deletionTimestamp"]) {
                object["metadata"]["deletionTimestamp"] = .string((end - .seconds(pendingGrace - grace)).rfc3339)
            }
            object["metadata"]["deletionGracePeriodSeconds"] = .int(Int64(grace))
            let isOver = grace == 0 && object.finalizers.isEmpty && !strategy.isHeld(object)
            self = isOver ? .remove : .mark(object)
            return
        }
        let finalizers = Self.finalizers(old, options, strategy)
        object["metadata"]["finalizers"] = finalizers.isEmpty ? .null : JSON(finalizers)
        let seconds = old.isDeleting ? 0 : grace ?? 0
        if !old.isDeleting { strategy.beginDeletion(&object) }
        if seconds == 0, finalizers.isEmpty, !strategy.isHeld(object) {
            self = .remove
            return
        }
        if !old.isDeleting {
            object["metadata"]["deletionTimestamp"] = .string((Timestamp.now() + .seconds(seconds)).rfc3339)
            if !strategy.isHeld(object) || grace != nil {
                object["metadata"]["deletionGracePeriodSeconds"] = .int(Int64(seconds))
            }
            if old.generation > 0 { object["metadata"]["generation"] = .int(Int64(old.generation + 1)) }
        }
        self = object == before ? .wait : .mark(object)
    }

    /// The finalizers that ask the garbage collector for what the client wants of the dependents.
    private static func finalizers(_ old: JSON, _ options: DeleteOptions, _ strategy: some Strategy) -> [String] {
        let before = old.finalizers
        let orphans: Bool
        let isForeground: Bool
        switch (options.propagation, options.orphanDependents) {
        case (let policy?, _):
            orphans = policy == .orphan
            isForeground = policy == .foreground
        case (nil, let flag?):
            orphans = flag
            isForeground = false
        case (nil, nil):
            isForeground = before.contains(foregroundFinalizer)
            orphans =
                !isForeground && (before.contains(orphanFinalizer) || strategy.orphansByDefault && !old.isDeleting)
        }
        var finalizers = before.filter { $0 != orphanFinalizer && $0 != foregroundFinalizer }
        if orphans { finalizers.append(orphanFinalizer) }
        if isForeground { finalizers.append(foregroundFinalizer) }
        return finalizers == before || Set(finalizers) == Set(before) ? before : finalizers
    }
}
