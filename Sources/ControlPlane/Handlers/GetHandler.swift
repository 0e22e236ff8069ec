import KubeAPI

/// GET of one object, from the cache: its stored bytes with the resource version spliced in.
enum GetHandler {
    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        let representation = try Representation.negotiate(exchange.request)
        if let revision = try ListQuery.revision(exchange.request) {
            try ListQuery.checkReached(revision, context.registry.hub.revision)
        }
        let object = try resource.get(namespace: exchange.info.namespace, name: exchange.info.name)
        exchange.send(object, of: resource.type, as: representation)
    }
}
