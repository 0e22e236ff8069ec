import KubeAPI

/// POST to `pods/NAME/eviction` (policy/v1): a deletion that disruption budgets could refuse. There are none yet, so
/// that it is a deletion.
enum EvictionHandler {
    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        let write = try WriteOptions(exchange)
        let scheme = context.registry.scheme
        guard let schema = scheme.schema(apiVersion: "policy/v1", kind: "Eviction") else { throw .unknownPath }
        let decoder = BodyDecoder(kind: "Eviction", group: "policy", version: "v1", schema: schema, scheme: scheme)
        let decoded = try decoder.decode(exchange.request)
        _ = try decoder.judge(decoded, write.validation)
        let info = exchange.info
        guard decoded.object.name == info.name || decoded.object.name.isEmpty else {
            throw .badRequest("name in URL does not match name in Eviction object")
        }
        var options = try DeleteOptions(decoded.object["deleteOptions"])
        options.isDryRun = options.isDryRun || write.isDryRun
        Deletion(
            resource: resource, context: context, user: exchange.request.user,
            key: resource.key(namespace: info.namespace, name: info.name), name: info.name, options: options
        ) { result in
            switch result {
            case .failure(let error): exchange.fail(error)
            case .success: exchange.send(.success(code: 201), status: 201)
            }
        }.run()
    }
}
