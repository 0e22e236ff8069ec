import KubeAPI

/// POST to a collection.
enum CreateHandler {
    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        let representation = try Representation.negotiate(exchange.request)
        let options = try WriteOptions(exchange)
        let decoder = BodyDecoder(resource, context)
        let decoded = try decoder.decode(exchange.request)
        let warnings = try decoder.judge(decoded, options.validation)
        var object = decoded.object
        try NamespaceGuard.place(
            &object, exchange.info.namespace, isNamespaced: resource.type.path.isNamespaced)
        try Creation(
            exchange: exchange, resource: resource, context: context, object: object, isDryRun: options.isDryRun,
            representation: representation, warnings: warnings
        ).attempt(0)
    }
}

/// One object on its way into the store. Tried again under another name where the server chose a name that is taken.
private struct Creation: Sendable {
    let exchange: Exchange
    let resource: ServedResource
    let context: ServerContext
    /// As decoded.
    let object: JSON
    let isDryRun: Bool
    let representation: Representation
    let warnings: [(String, String)]

    /// Names to try for one `generateName`, as in Kubernetes.
    private static let maxNames = 8

    func attempt(_ number: Int) throws(StatusError) {
        var object = object
        let isNameGenerated = try name(&object)
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

    private func answer(_ object: StoredObject) {
        exchange.send(object, of: resource.type, as: representation, status: 201, headers: warnings)
    }
}

extension [FieldError] {
    /// Schema and kind may find the same fault; Kubernetes tells it once.
    var unique: [FieldError] {
        if count < 2 { return self }
        var seen: Set<String> = []
        return filter { seen.insert($0.description).inserted }
    }
}
