import KubeAPI

/// How an object is to be deleted: from the request's body, else from its query.
struct DeleteOptions: Sendable {
    enum Propagation: String, Sendable, CaseIterable {
        case orphan = "Orphan"
        case background = "Background"
        case foreground = "Foreground"
    }

    var gracePeriodSeconds: Int?
    var propagation: Propagation?
    /// The older form of `propagation`.
    var orphanDependents: Bool?
    var uid: String?
    var resourceVersion: String?
    var isDryRun = false

    init() {}

    init(_ exchange: Exchange, _ context: ServerContext) throws(StatusError) {
        let request = exchange.request
        let json = request.body.isEmpty ? try Self.query(request) : try Self.body(request, context)
        try self.init(json)
    }

    /// From a DeleteOptions document.
    init(_ json: JSON) throws(StatusError) {
        gracePeriodSeconds = json["gracePeriodSeconds"].int
        orphanDependents = json["orphanDependents"].bool
        uid = json["preconditions"]["uid"].string
        resourceVersion = json["preconditions"]["resourceVersion"].string
        var problems: [FieldError] = []
        if let text = json["propagationPolicy"].string, !text.isEmpty {
            propagation = Propagation(rawValue: text)
            if orphanDependents != nil {
                problems.append(
                    .invalid(
                        "propagationPolicy", .string(text),
                        "orphanDependents and deletionPropagation cannot be both set"))
            } else if propagation == nil {
                problems.append(
                    .notSupported("propagationPolicy", .string(text), ["Background", "Foreground", "Orphan", "nil"]))
            }
        }
        let dryRun = json["dryRun"].items.map(\.stringValue)
        problems += WriteOptions.dryRunProblems(dryRun)
        if !problems.isEmpty {
            throw .invalid(kind: "DeleteOptions", group: "meta.k8s.io", name: "", problems)
        }
        isDryRun = !dryRun.isEmpty
    }

    private static func query(_ request: ServerRequest) throws(StatusError) -> JSON {
        var options = JSON.emptyObject
        options["gracePeriodSeconds"] = JSON(try request.integer("gracePeriodSeconds"))
        options["propagationPolicy"] = JSON(request.parameter("propagationPolicy"))
        if request.parameter("orphanDependents") != nil {
            options["orphanDependents"] = .bool(request.flag("orphanDependents"))
        }
        for (name, value) in request.query where name == "dryRun" && !value.isEmpty {
            options["dryRun"].append(.string(value))
        }
        return options
    }

    private static func body(_ request: ServerRequest, _ context: ServerContext) throws(StatusError) -> JSON {
        let scheme = context.registry.scheme
        guard let schema = scheme.schema(apiVersion: "v1", kind: "DeleteOptions") else { return .emptyObject }
        let decoder = BodyDecoder(kind: "DeleteOptions", group: "", version: "v1", schema: schema, scheme: scheme)
        var options = try decoder.decode(request, takesAnyVersion: true).object
        // Both places may ask for a dry run: the careful one counts.
        for (name, value) in request.query where name == "dryRun" && !value.isEmpty {
            options["dryRun"].append(.string(value))
        }
        return options
    }
}
