import KubeAPI

/// PUT of an object, of its status, or of a namespace's finalizers. An object that is not there is made only where the
/// kind has it so.
enum UpdateHandler {
    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        let representation = try Representation.negotiate(exchange.request)
        let options = try WriteOptions(exchange)
        let decoder = BodyDecoder(resource, context)
        let decoded = try decoder.decode(exchange.request)
        let warnings = try decoder.judge(decoded, options.validation)
        var object = decoded.object
        try checkName(object, exchange.info, isNamespaced: resource.type.path.isNamespaced)
        try NamespaceGuard.place(&object, exchange.info.namespace, isNamespaced: resource.type.path.isNamespaced)
        let update = Write(
            exchange: exchange, resource: resource, context: context, object: object, options: options,
            representation: representation, warnings: warnings)
        try update.run()
    }

    private struct Write: Sendable {
        let exchange: Exchange
        let resource: ServedResource
        let context: ServerContext
        let object: JSON
        let options: WriteOptions
        let representation: Representation
        let warnings: [(String, String)]

        func run() throws(StatusError) {
            let info = exchange.info
            let key = resource.key(namespace: info.namespace, name: info.name)
            let ownership = Ownership.updated(by: options.author(exchange, resource))
            if resource.strategy.allowsCreateOnUpdate, info.subresource.isEmpty, resource.cache.get(key) == nil {
                try exchange.authorizeCreation(context)
                return try Creation(
                    exchange: exchange, resource: resource, context: context, object: object,
                    isDryRun: options.isDryRun, ownership: ownership,
                    answer: {
                        exchange.send($0, of: resource.type, as: representation, status: 201, headers: warnings)
                    },
                    ifExists: { () throws(StatusError) in try run() }
                ).run()
            }
            try ObjectUpdate(
                exchange, resource, context, subresource: info.subresource, isDryRun: options.isDryRun,
                ownership: ownership,
                change: { (_) throws(StatusError) in object },
                answer: { exchange.send($0, of: resource.type, as: representation, headers: warnings) }
            ).run()
        }
    }

    /// The body's name and namespace are those of the path.
    static func checkName(_ object: JSON, _ info: RequestInfo, isNamespaced: Bool) throws(StatusError) {
        let name = object.name
        guard !name.isEmpty else {
            throw .badRequest(
                "the name of the object (\(info.name) based on URL) was undeterminable: name must be provided")
        }
        guard name == info.name else {
            throw .badRequest("the name of the object (\(name)) does not match the name on the URL (\(info.name))")
        }
        let namespace = object.namespace
        guard isNamespaced, !namespace.isEmpty, namespace != info.namespace else { return }
        throw .badRequest(
            "the namespace of the object (\(namespace)) does not match the namespace on the request (\(info.namespace))"
        )
    }
}
