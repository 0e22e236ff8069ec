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
            ownership: .updated(by: options.author(exchange, resource)),
            answer: { exchange.send($0, of: resource.type, as: representation, status: 201, headers: warnings) }
        ).run()
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
