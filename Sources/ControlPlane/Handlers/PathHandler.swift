import KubeAPI

/// What lies outside resources: index, discovery, health, metrics, OpenAPI, logs.
enum PathHandler {
    static func handle(_ exchange: Exchange, _ context: ServerContext) throws(StatusError) {
        let path = exchange.request.path
        let parts = path.split(separator: "/").map(String.init)
        guard let first = parts.first else {
            guard path == "/" else { throw .unknownPath }
            return try IndexHandler.handle(exchange, context)
        }
        switch (first, parts.count) {
        case ("version", 1):
            try check(exchange, inJSON: true)
            exchange.send(KubernetesVersion.document)
        case ("api", 2) where context.servesOldVersions && OldVersion(rawValue: parts[1]) != nil:
            try check(exchange, inJSON: true)
            exchange.send(OldPages.resources(parts[1]))
        case ("swaggerapi", _) where context.servesOldVersions:
            try check(exchange)
            try OldPages.swagger(exchange, Array(parts.dropFirst()), context)
        case ("swagger-ui", 1) where context.servesOldVersions, ("static", 1) where context.servesOldVersions:
            try check(exchange)
            OldPages.page(exchange, first, context)
        case ("api", _), ("apis", _):
            try DiscoveryHandler.handle(exchange, parts, context)
        case ("healthz", _), ("livez", _), ("readyz", _):
            try check(exchange)
            let check = parts.dropFirst().joined(separator: "/")
            context.health.answer(exchange, endpoint: first, check: check.isEmpty ? nil : check)
        case ("metrics", 1):
            try check(exchange)
            let objects = context.registry.all.map { (resource: $0.qualifiedName, count: $0.cache.count) }
            let backlog = context.registry.hub.store.backlog
            exchange.send(
                Array(context.metrics.text(objects: objects, backlog: backlog).utf8),
                contentType: "text/plain; version=0.0.4; charset=utf-8")
        case ("validate", 1):
            try check(exchange, inJSON: true)
            context.health.validate(exchange)
        case ("openapi", 2...) where parts[1] == "v3":
            try OpenAPIHandler.handle(exchange, Array(parts.dropFirst(2)), context)
        case (".well-known", 2) where parts[1] == "openid-configuration":
            try IssuerHandler.configuration(exchange, context)
        case ("openid", 3) where parts[1] == "v1" && parts[2] == "jwks":
            try IssuerHandler.keys(exchange, context)
        case ("logs", _):
            guard let files = context.logFiles else { throw .unknownPath }
            try check(exchange)
            try files.handle(exchange)
        default:
            throw .unknownPath
        }
    }

    /// These paths are only read.
    static func check(_ exchange: Exchange, inJSON: Bool = false) throws(StatusError) {
        guard exchange.request.method == "GET" || exchange.request.method == "HEAD" else { throw .methodNotAllowed() }
        guard inJSON, !exchange.request.takesJSON else { return }
        throw StatusError(
            code: 406, reason: "NotAcceptable",
            message: "only the following media types are accepted: application/json")
    }
}

/// `GET /`: the paths that are served.
enum IndexHandler {
    static func handle(_ exchange: Exchange, _ context: ServerContext) throws(StatusError) {
        try PathHandler.check(exchange, inJSON: true)
        exchange.send(["paths": JSON(paths(context))])
    }

    static func paths(_ context: ServerContext) -> [String] {
        let scheme = context.registry.scheme
        var paths = ["/api", "/apis", "/metrics", "/openapi/v3", "/validate", "/version"]
        if context.tokens != nil { paths += ["/.well-known/openid-configuration", "/openid/v1/jwks"] }
        for (group, version) in OpenAPIv3.groupVersions(scheme) {
            let path = OpenAPIv3.path(group: group, version: version)
            paths.append("/\(path)")
            paths.append("/openapi/v3/\(path)")
            if !group.isEmpty { paths.append("/apis/\(group)") }
        }
        for endpoint in ["healthz", "livez", "readyz"] {
            paths.append("/\(endpoint)")
            for name in context.health.names(endpoint) { paths.append("/\(endpoint)/\(name)") }
        }
        if context.logFiles != nil { paths.append("/logs/") }
        if context.servesOldVersions {
            paths += OldVersion.allCases.map { "/api/\($0)" } + ["/static/", "/swagger-ui/", "/swaggerapi/"]
        }
        return Set(paths).sorted()
    }
}
