import KubeAPI

/// One change of a stored object: by PUT, by a patch, or through a subresource.
///
/// The change is a function of the current state, and its result is written only over that state. When somebody else
/// was faster it is computed again, so that an unconditional change never fails for that; one that carries a resource
/// version then finds itself in conflict. A change that removes the last thing that held a dying object removes the
/// object.
struct ObjectUpdate: Sendable {
    let exchange: Exchange
    let resource: ServedResource
    let context: ServerContext
    let namespace: String
    let name: String
    /// As strategies know it; empty for the object itself.
    let subresource: String
    let isDryRun: Bool
    /// Who owns what is changed.
    let ownership: Ownership
    /// The new state out of the current one. Its resource version, where it has one, must be the current one's.
    let change: @Sendable (JSON) throws(StatusError) -> JSON
    /// Tells the client of the new state.
    let answer: @Sendable (StoredObject) -> Void

    /// After so many lost races something is wrong.
    private static let maxAttempts = 100

    /// What is to be written over the current state.
    private struct Plan {
        let object: JSON
        let isRemoval: Bool
        let reservation: Reservation?
    }

    init(
        _ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext, name: String? = nil,
        subresource: String, isDryRun: Bool, ownership: Ownership,
        change: @escaping @Sendable (JSON) throws(StatusError) -> JSON,
        answer: @escaping @Sendable (StoredObject) -> Void
    ) {
        self.exchange = exchange
        self.resource = resource
        self.context = context
        namespace = exchange.info.namespace
        self.name = name ?? exchange.info.name
        self.subresource = subresource
        self.isDryRun = isDryRun
        self.ownership = ownership
        self.change = change
        self.answer = answer
    }

    func run() throws(StatusError) { try attempt(1) }

    private func attempt(_ number: Int) throws(StatusError) {
        let current = try resource.get(namespace: namespace, name: name)
        let old = current.tree
        guard let plan = try plan(old, current) else {
            let store = context.registry.hub.store
            guard store.isShared, number == 1 else { return answer(current) }
            // Nothing to change in what may no longer be the current state.
            return store.catchUp { failure in
                if let failure { return exchange.fail(.store(failure, resource, name: name)) }
                retry(number + 1)
            }
        }
        if isDryRun {
            plan.reservation?.cancel()
            return answer(StoredObject(unsaved: plan.object, key: current.key, revision: current.revision))
        }
        let bytes = CanonicalObject.bytes(plan.object)
        let facts = resource.facts(plan.object)
        let write = StoreWrite(
            key: resource.cache.prefix + current.key, value: plan.isRemoval ? nil : bytes,
            expected: .revision(current.revision), facts: facts)
        context.registry.hub.store.submit(write) { result in
            switch result {
            case .success(let revision):
                plan.reservation?.commit()
                if plan.isRemoval { resource.strategy.release(old) }
                answer(StoredObject(key: current.key, revision: revision, bytes: bytes, facts: facts))
            case .failure(.conflict) where number < Self.maxAttempts:
                plan.reservation?.cancel()
                retry(number + 1)
            case .failure(let error):
                plan.reservation?.cancel()
                exchange.fail(.store(error, resource, name: name))
            }
        }
    }

    /// Not on the store's thread, which others wait for.
    private func retry(_ number: Int) {
        Task {
            do throws(StatusError) { try attempt(number) } catch { exchange.fail(error) }
        }
    }

    /// Nil where nothing changes.
    private func plan(_ current: JSON, _ stored: StoredObject) throws(StatusError) -> Plan? {
        var object = try change(current)
        let sentOwners = object.takeManagedFields()
        try checkIdentity(object, current, stored)
        let strategy = resource.strategy
        var old = current
        let owners = old.takeManagedFields()
        old["metadata"]["resourceVersion"] = .null
        let write = WriteContext(
            registry: context.registry, user: exchange.request.user, subresource: subresource, isDryRun: isDryRun,
            hasStatus: resource.type.hasSubresource("status"))
        MetadataRules.prepareForUpdate(&object, old: old)
        // A binding writes spec and status at once, which no strategy lets a client do.
        if subresource != "binding" { try strategy.prepareForUpdate(&object, old: old, write) }
        try NodeRestriction.checkUpdate(object, old: old, exchange.request.user, resource, subresource)
        resource.type.schema.applyDefaults(&object)
        strategy.applyDefaults(&object)
        if strategy.tracksGeneration, Self.changesMoreThanStatus(object, old) {
            object["metadata"]["generation"] = .int(Int64(old.generation + 1))
        }
        let newOwners = ownership.after(
            change: (old, object), of: resource, owners: owners, sent: sentOwners, isObject: subresource.isEmpty)
        let isRemoval = Self.isOver(object, old) && !strategy.isHeld(object)
        let reservation = isRemoval || !subresource.isEmpty ? nil : try strategy.reserve(&object, old: old, write)
        do throws(StatusError) {
            try validate(object, old)
        } catch {
            reservation?.cancel()
            throw error
        }
        if object == old, !isRemoval, Ownership.isSame(newOwners, owners) {
            reservation?.cancel()
            return nil
        }
        object["metadata"]["managedFields"] = newOwners
        return Plan(object: object, isRemoval: isRemoval, reservation: reservation)
    }

    private func checkIdentity(_ object: JSON, _ current: JSON, _ stored: StoredObject) throws(StatusError) {
        let group = resource.group
        let version = object.resourceVersion
        if version.isEmpty || version == "0" {
            if !resource.strategy.allowsUnconditionalUpdate {
                throw .invalid(
                    kind: resource.kind, group: group, name: name,
                    [
                        FieldError(
                            .invalid, "metadata.resourceVersion", "Invalid value: 0x0: must be specified for an update")
                    ])
            }
        } else if version != String(stored.revision) {
            throw .conflict(resource.resource, group: group, name: name)
        }
        if !object.uid.isEmpty, object.uid != current.uid {
            throw .conflict(
                resource.resource, group: group, name: name,
                "Precondition failed: UID in precondition: \(object.uid), UID in object meta: \(current.uid)")
        }
        for field in ["name", "namespace"] where object["metadata"][field] != current["metadata"][field] {
            throw .invalid(
                kind: resource.kind, group: group, name: name,
                [.invalid("metadata.\(field)", object["metadata"][field], "field is immutable")])
        }
    }

    /// What `metadata.generation` counts.
    private static func changesMoreThanStatus(_ object: JSON, _ old: JSON) -> Bool {
        let names = Set((object.object?.names ?? []) + (old.object?.names ?? []))
        return names.subtracting(["kind", "apiVersion", "metadata", "status"]).contains { object[$0] != old[$0] }
    }

    /// Whether deletion was waiting for nothing but what this change takes away.
    private static func isOver(_ object: JSON, _ old: JSON) -> Bool {
        old.isDeleting && object.finalizers.isEmpty && (old["metadata"]["deletionGracePeriodSeconds"].int ?? 0) == 0
    }

    private func validate(_ object: JSON, _ old: JSON) throws(StatusError) {
        let strategy = resource.strategy
        var problems =
            MetadataRules.validate(
                object, nameRule: strategy.nameRule, isNamespaced: resource.type.path.isNamespaced)
            + MetadataRules.validateUpdate(object, old: old)
        let structural = resource.type.schema.validate(object)
        if subresource == "status" {
            // What the spec says was accepted before, perhaps by older rules.
            problems += structural.filter { $0.field.hasPrefix("status") }
        } else {
            problems += structural + strategy.validate(object)
        }
        problems += strategy.validateUpdate(object, old: old, subresource: subresource)
        if !problems.isEmpty {
            throw .invalid(kind: resource.kind, group: resource.group, name: object.name, problems.unique)
        }
    }
}
