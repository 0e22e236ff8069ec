import KubeAPI

/// PATCH with `application/apply-patch+yaml`: server-side apply of an object, of its status or of its scale. An object
/// that is not there is made.
struct ApplyHandler: Sendable {
    private let exchange: Exchange
    private let resource: ServedResource
    private let context: ServerContext
    private let representation: Representation
    private let options: WriteOptions
    private let apply: ServerSideApply
    private let warnings: [(String, String)]
    /// Of an object's scale alone, which is what is answered with.
    private let isScale: Bool
    private var info: RequestInfo { exchange.info }

    init(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        self.exchange = exchange
        self.resource = resource
        self.context = context
        representation = try Representation.negotiate(exchange.request)
        options = try WriteOptions(exchange, isApply: true)
        var (config, duplicates) = try Self.document(exchange.request.body)
        isScale = exchange.info.subresource == "scale"
        if isScale { config = try ScaleHandler.configuration(config, of: resource, exchange.info) }
        apply = try ServerSideApply(
            config, by: options.author(exchange, resource, isApplier: true), isForced: options.isForced,
            path: resource.type.path, schema: resource.type.schema,
            ignoring: resource.ignoredFields(exchange.info.subresource))
        switch options.validation {
        case _ where duplicates.isEmpty: warnings = []
        case .ignore: warnings = []
        case .warn: warnings = WarningHeader.headers([Self.text(duplicates)])
        case .strict: throw .badRequest("error strict decoding YAML: \(Self.text(duplicates))")
        }
    }

    private static func text(_ duplicates: [String]) -> String {
        "error converting YAML to JSON: yaml: unmarshal errors:\n  " + duplicates.joined(separator: "\n  ")
    }

    private static func document(_ body: [UInt8]) throws(StatusError) -> (JSON, duplicates: [String]) {
        var duplicates: [String] = []
        let document: JSON
        do throws(YAMLError) {
            document = try YAML.parse(body, duplicates: &duplicates).first ?? .emptyObject
        } catch {
            throw .badRequest("error decoding YAML: error converting YAML to JSON: \(error)")
        }
        guard document.isObject else {
            throw .badRequest(
                "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
                    + "\(document.decoderName) into Go value of type map[string]interface {}")
        }
        return (document, duplicates)
    }

    func run() throws(StatusError) {
        let key = resource.key(namespace: info.namespace, name: info.name)
        guard resource.cache.get(key) == nil else { return try change() }
        guard info.subresource.isEmpty else {
            throw .notFound(resource.resource, group: resource.group, name: info.name)
        }
        try create()
    }

    private func change() throws(StatusError) {
        try ObjectUpdate(
            exchange, resource, context, subresource: info.subresource, isDryRun: options.isDryRun,
            ownership: .applied,
            change: { (current) throws(StatusError) in try applied(to: current) },
            answer: { object in
                if isScale { return exchange.send(ScaleHandler.scale(of: object.tree), headers: warnings) }
                exchange.send(object, of: resource.type, as: representation, headers: warnings)
            }
        ).run()
    }

    private func create() throws(StatusError) {
        try exchange.authorizeCreation(context)
        let object = try applied(to: nil)
        if !object.uid.isEmpty {
            throw .conflict(
                resource.resource, group: resource.group, name: info.name,
                "uid mismatch: the provided object specified uid \(object.uid), and no existing object was found")
        }
        try Creation(
            exchange: exchange, resource: resource, context: context, object: object, isDryRun: options.isDryRun,
            ownership: .applied,
            answer: { exchange.send($0, of: resource.type, as: representation, status: 201, headers: warnings) },
            // Somebody else was faster: then it is a change.
            ifExists: { () throws(StatusError) in try run() }
        ).run()
    }

    /// The new state with its managed fields.
    private func applied(to current: JSON?) throws(StatusError) -> JSON {
        var live = current
        let owners = live?.takeManagedFields() ?? .null
        var (object, managed) = try apply.apply(
            to: live, ManagedFields(owners) ?? ManagedFields(), at: Timestamp.now().rfc3339)
        let schema = resource.type.schema
        if let error = schema.typeErrors(object, limit: 1).first {
            throw StatusError(
                code: 500, reason: "",
                message: "failed to convert new object (\(object.namespace)/\(object.name); "
                    + "\(resource.group)/\(resource.type.path.version), Kind=\(resource.kind)) to proper version: \(error)"
            )
        }
        schema.normalize(&object)
        try UpdateHandler.checkName(object, info, isNamespaced: resource.type.path.isNamespaced)
        try NamespaceGuard.place(&object, info.namespace, isNamespaced: resource.type.path.isNamespaced)
        object["metadata"]["managedFields"] = managed.json
        return object
    }
}
