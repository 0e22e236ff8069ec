import KubeAPI

/// GET, PUT and PATCH of `scale`: an object's number of replicas in the one form that all scalable kinds share
/// (autoscaling/v1 Scale).
enum ScaleHandler {
    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        switch exchange.info.verb {
        case "get":
            let object = try resource.get(namespace: exchange.info.namespace, name: exchange.info.name)
            exchange.send(scale(of: object.tree))
        case "update":
            try update(exchange, resource, context)
        default:
            try patch(exchange, resource, context)
        }
    }

    /// The Scale of an object that keeps its replicas at `spec.replicas` and its selector at `spec.selector`, as all
    /// built-in kinds do.
    static func scale(of object: JSON) -> JSON {
        var metadata: JSON = [:]
        for name in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            metadata[name] = object["metadata"][name]
        }
        var status: JSON = ["replicas": .int(Int64(object["status"]["replicas"].int ?? 0))]
        let selector = object["spec"]["selector"]
        // Old kinds have a plain map of labels, newer ones a LabelSelector.
        let isPlain = selector["matchLabels"].isNull && selector["matchExpressions"].isNull
        if selector.isObject {
            let text = (isPlain ? LabelSelector(set: selector.stringMap) : LabelSelector(selector)).description
            if !text.isEmpty { status["selector"] = .string(text) }
        }
        return [
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
            "spec": ["replicas": .int(Int64(object["spec"]["replicas"].int ?? 0))], "status": status,
        ]
    }

    /// What a Scale that is applied says of the object whose it is.
    static func configuration(
        _ scale: JSON, of resource: ServedResource, _ info: RequestInfo
    ) throws(StatusError) -> JSON {
        guard scale.kind == "Scale", scale.apiVersion == "autoscaling/v1" else {
            throw .badRequest(
                "invalid object type: \(scale.apiVersion.isEmpty ? "" : scale.apiVersion + ", ")Kind=\(scale.kind)")
        }
        var config: JSON = ["kind": .string(resource.kind), "apiVersion": .string(resource.type.path.apiVersion)]
        config["metadata"] = scale["metadata"]
        let replicas = scale["spec"]["replicas"]
        if !replicas.isNull {
            guard let number = replicas.int else {
                throw .badRequest(
                    "failed to create typed patch object (\(info.namespace)/\(info.name); autoscaling/v1, Kind=Scale): "
                        + ".spec.replicas: expected numeric (int or float), got \(replicas.decoderName)")
            }
            try check(replicas: number, name: info.name)
            config["spec"] = ["replicas": replicas]
        }
        return config
    }

    private static func check(replicas: Int, name: String) throws(StatusError) {
        guard replicas < 0 else { return }
        throw .invalid(
            kind: "Scale", group: "autoscaling", name: name,
            [.invalid("spec.replicas", .int(Int64(replicas)), "must be greater than or equal to 0")])
    }

    private static func decoder(_ context: ServerContext) throws(StatusError) -> BodyDecoder {
        let scheme = context.registry.scheme
        guard let schema = scheme.schema(apiVersion: "autoscaling/v1", kind: "Scale") else { throw .unknownPath }
        return BodyDecoder(kind: "Scale", group: "autoscaling", version: "v1", schema: schema, scheme: scheme)
    }

    private static func update(
        _ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext
    ) throws(StatusError) {
        let options = try WriteOptions(exchange)
        let decoder = try decoder(context)
        let decoded = try decoder.decode(exchange.request)
        let warnings = try decoder.judge(decoded, options.validation)
        try UpdateHandler.checkName(decoded.object, exchange.info, isNamespaced: resource.type.path.isNamespaced)
        let wanted = decoded.object
        try run(exchange, resource, context, options, warnings) { (_) throws(StatusError) in wanted }
    }

    private static func patch(
        _ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext
    ) throws(StatusError) {
        let type = try Patch.type(exchange.request, among: Patch.ofObjects)
        if type == .apply { return try ApplyHandler(exchange, resource, context).run() }
        let options = try WriteOptions(exchange)
        let patch = try Patch(exchange.request, type)
        let decoder = try decoder(context)
        try run(exchange, resource, context, options, []) { (scale) throws(StatusError) in
            let decoded = try patch.apply(to: scale, decoder)
            _ = try patch.judge(decoded, options.validation)
            return decoded.object
        }
    }

    private static func run(
        _ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext, _ options: WriteOptions,
        _ warnings: [(String, String)], _ change: @escaping @Sendable (JSON) throws(StatusError) -> JSON
    ) throws(StatusError) {
        try ObjectUpdate(
            exchange, resource, context, subresource: "scale", isDryRun: options.isDryRun,
            ownership: .updated(by: options.author(exchange, resource)),
            change: { (current) throws(StatusError) in
                let wanted = try change(scale(of: current))
                let replicas = wanted["spec"]["replicas"].int ?? 0
                try check(replicas: replicas, name: wanted.name)
                var object = current
                object["spec"]["replicas"] = .int(Int64(replicas))
                // Both guard the change as those of the object would.
                for name in ["resourceVersion", "uid"]
                where !wanted["metadata"][name].isNull || name == "resourceVersion" {
                    object["metadata"][name] = wanted["metadata"][name]
                }
                return object
            },
            answer: { exchange.send(scale(of: $0.tree), headers: warnings) }
        ).run()
    }
}
