import KubeAPI

/// One object on its way into the store. Tried again under another name where the server chose a name that is taken.
struct Creation: Sendable {
    let exchange: Exchange
    let resource: ServedResource
    let context: ServerContext
    /// As decoded.
    let object: JSON
    let isDryRun: Bool
    /// Who owns what it holds.
    let ownership: Ownership
    /// Tells the client of the new object.
    let answer: @Sendable (StoredObject) -> Void
    /// What to do where the object is there already, in place of saying so: for requests that make what is missing.
    var ifExists: (@Sendable () throws(StatusError) -> Void)?

    /// Names to try for one `generateName`, as in Kubernetes.
    private static let maxNames = 8

    /// How long a pod of a new namespace waits for its account, as in Kubernetes, and how often it looks.
    private static let accountPatience: Duration = .seconds(1)
    private static let accountPause: Duration = .milliseconds(5)

    func run() throws(StatusError) {
        guard resource.qualifiedName == "pods", ServiceAccountAdmission.mustWait(for: object, context.registry) else {
            return try attempt(0)
        }
        Task {
            let end = ContinuousClock.now + Self.accountPatience
            while ServiceAccountAdmission.mustWait(for: object, context.registry), ContinuousClock.now < end {
                guard (try? await Task.sleep(for: Self.accountPause)) != nil else { break }  // cancelled: no more time
            }
            do throws(StatusError) { try attempt(0) } catch { exchange.fail(error) }
        }
    }

    private func attempt(_ number: Int) throws(StatusError) {
        var object = object
        let isNameGenerated = try name(&object)
        let owners = ownership.ofNew(&object, resource)
        let name = object.name
        let registry = context.registry
        try NamespaceGuard.check(object.namespace, for: resource, name: name, registry)
        let strategy = resource.strategy
        let write = WriteContext(
            registry: registry, user: exchange.request.user, subresource: "", isDryRun: isDryRun,
            hasStatus: resource.type.hasSubresource("status"))
        MetadataRules.prepareForCreate(&object, tracksGeneration: strategy.tracksGeneration)
        try strategy.prepareForCreate(&object, write)
        try NodeRestriction.checkCreate(object, exchange.request.user, resource)
        resource.type.schema.applyDefaults(&object)
        strategy.applyDefaults(&object)
        let reservation = try strategy.reserve(&object, old: nil, write)
        do throws(StatusError) {
            try validate(object)
            object["metadata"]["managedFields"] = owners
            let key = resource.key(namespace: object.namespace, name: name)
            if isDryRun {
                if resource.cache.get(key) != nil {
                    throw .alreadyExists(resource.resource, group: resource.group, name: name)
                }
                reservation?.cancel()
                return answer(StoredObject(unsaved: object, key: key))
            }
            submit(object, key, reservation, number, isNameGenerated)
        } catch {
            reservation?.cancel()
            throw error
        }
    }

    /// True where the server chose the name.
    private func name(_ object: inout JSON) throws(StatusError) -> Bool {
        guard object.name.isEmpty, let base = object["metadata"]["generateName"].string, !base.isEmpty else {
            return false
        }
        object["metadata"]["name"] = .string(NameGenerator.name(base: base))
        return true
    }

    private func validate(_ object: JSON) throws(StatusError) {
        let problems =
            MetadataRules.validate(
                object, nameRule: resource.strategy.nameRule, isNamespaced: resource.type.path.isNamespaced)
            + resource.type.schema.validate(object) + resource.strategy.validate(object)
        if !problems.isEmpty {
            throw .invalid(kind: resource.kind, group: resource.group, name: object.name, problems.unique)
        }
    }

    private func submit(
        _ object: JSON, _ key: String, _ reservation: Reservation?, _ number: Int, _ isNameGenerated: Bool
    ) {
        let bytes = CanonicalObject.bytes(object)
        let facts = resource.facts(object)
        let write = StoreWrite(key: resource.cache.prefix + key, value: bytes, expected: .absent, facts: facts)
        let name = object.name
        context.registry.hub.store.submit(write) { result in
            switch result {
            case .success(let revision):
                reservation?.commit()
                answer(StoredObject(key: key, revision: revision, bytes: bytes, facts: facts))
            case .failure(.exists) where isNameGenerated && number + 1 < Self.maxNames:
                reservation?.cancel()
                // Not on the store's thread, which others wait for.
                Task {
                    do throws(StatusError) { try attempt(number + 1) } catch { exchange.fail(error) }
                }
            case .failure(.exists) where ifExists != nil:
                reservation?.cancel()
                Task {
                    do throws(StatusError) { try ifExists?() } catch { exchange.fail(error) }
                }
            case .failure(let error):
                reservation?.cancel()
                var status = StatusError.store(error, resource, name: name)
                if isNameGenerated, status.isAlreadyExists {
                    status.message += ", the server was not able to generate a unique name for the object"
                }
                exchange.fail(status)
            }
        }
    }
}
