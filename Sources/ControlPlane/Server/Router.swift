import KubeAPI
import Logging
import Transport

/// Leads each request to its handler: authorizes it, and finds what its path names. The way of all requests, whether
/// they came through a socket or from this process.
final class Router: Sendable {
    let context: ServerContext

    init(_ context: ServerContext) { self.context = context }

    /// Answers a request whose user is known. Reads are answered before this returns, unless
    /// the store is shared; nothing here waits.
    /// - Parameter isTranslated: it has been looked at for being of an old version.
    func serve(_ request: ServerRequest, _ responder: any HTTPResponder, isTranslated: Bool = false) {
        if context.servesOldVersions, !isTranslated, let version = OldVersion(path: request.path) {
            return OldVersionHandler.serve(request, version, responder, self)
        }
        let info = RequestInfo(method: request.method, path: request.path, isWatch: request.flag("watch"))
        let exchange = Exchange(request: request, info: info, responder: responder, metrics: context.metrics)
        do throws(StatusError) {
            try authorize(exchange, verb: info.verb)
            if info.isResource {
                try serveFresh(exchange)
            } else {
                try PathHandler.handle(exchange, context)
            }
        } catch {
            exchange.fail(error)
        }
    }

    private func authorize(_ exchange: Exchange, verb: String) throws(StatusError) {
        if exchange.request.user.isMaster { return }
        try context.authorizer.check(AccessRequest(exchange, verb: verb))
    }

    func serveResource(_ exchange: Exchange) throws(StatusError) {
        let info = exchange.info
        guard let resource = context.registry.find(info.group, info.version, info.resource) else {
            let scheme = context.registry.scheme
            if let reading = scheme.reading(group: info.group, version: info.version, resource: info.resource) {
                try checkPlace(info, reading.path)
                guard info.subresource.isEmpty else { throw .unknownPath }
                return try MetricsHandler.handle(exchange, reading, context)
            }
            guard
                let action = scheme.action(
                    group: info.group, version: info.version, resource: info.resource)
            else { throw .unknownPath }
            guard info.subresource.isEmpty else { throw .unknownPath }
            guard action.path.resource == "bindings" else {
                try checkPlace(info, action.path)
                return try ReviewHandler.handle(exchange, action, context)
            }
            guard info.verb == "create", info.name.isEmpty, !info.namespace.isEmpty else { throw .methodNotAllowed() }
            return try BindingHandler.handle(exchange, context)
        }
        try checkPlace(info, resource.type.path)
        if info.subresource.isEmpty { return try serveObject(exchange, resource) }
        guard let subresource = resource.type.subresources.first(where: { $0.name == info.subresource }) else {
            throw .unknownPath
        }
        guard subresource.verbs.contains(info.verb) else { throw .methodNotAllowed() }
        try serveSubresource(exchange, resource)
    }

    /// Objects of namespaced kinds have a namespace, others have none.
    private func checkPlace(_ info: RequestInfo, _ path: ResourcePath) throws(StatusError) {
        if path.isNamespaced {
            if info.namespace.isEmpty, !info.name.isEmpty { throw .unknownPath }
            if info.namespace.isEmpty, info.verb == "create" || info.verb == "deletecollection" {
                throw .methodNotAllowed()
            }
        } else if !info.namespace.isEmpty, path != .namespaces {
            throw .unknownPath
        }
    }

    private func serveObject(_ exchange: Exchange, _ resource: ServedResource) throws(StatusError) {
        let verb = exchange.info.verb
        guard resource.type.verbs.contains(verb) else { throw .methodNotAllowed() }
        let hasName = !exchange.info.name.isEmpty
        switch verb {
        case "get": try GetHandler.handle(exchange, resource, context)
        case "list": try ListHandler.handle(exchange, resource, context)
        case "watch": try WatchHandler.handle(exchange, resource, context)
        case "create" where !hasName: try CreateHandler.handle(exchange, resource, context)
        case "update" where hasName: try UpdateHandler.handle(exchange, resource, context)
        case "patch" where hasName: try PatchHandler.handle(exchange, resource, context)
        case "delete": try DeleteHandler.handle(exchange, resource, context)
        case "deletecollection": try DeleteCollectionHandler.handle(exchange, resource, context)
        default: throw .methodNotAllowed()
        }
    }

    private func serveSubresource(_ exchange: Exchange, _ resource: ServedResource) throws(StatusError) {
        switch (exchange.info.subresource, exchange.info.verb) {
        case ("scale", _): try ScaleHandler.handle(exchange, resource, context)
        case ("binding", _): try BindingHandler.handle(exchange, context)
        case ("token", _): try TokenRequestHandler.handle(exchange, resource, context)
        case ("eviction", _): try EvictionHandler.handle(exchange, resource, context)
        case ("exec", let verb), ("attach", let verb), ("portforward", let verb):
            // A WebSocket can only begin with a GET: who may read must not thereby run programs.
            if verb != "create" { try authorize(exchange, verb: "create") }
            try PodStreamHandler.handle(exchange, resource, context)
        case ("log", _): try PodLogHandler.handle(exchange, resource, context)
        case ("proxy", _): try NodeProxyHandler.handle(exchange, context)
        case (_, "get"): try GetHandler.handle(exchange, resource, context)
        case (_, "update"): try UpdateHandler.handle(exchange, resource, context)
        case (_, "patch"): try PatchHandler.handle(exchange, resource, context)
        default: throw .methodNotAllowed()
        }
    }
}
