import KubeAPI

/// DELETE of one object.
enum DeleteHandler {
    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        let representation = try Representation.negotiate(exchange.request)
        let options = try DeleteOptions(exchange, context)
        let info = exchange.info
        Deletion(
            resource: resource, context: context, user: exchange.request.user,
            key: resource.key(namespace: info.namespace, name: info.name), name: info.name, options: options
        ) { result in
            switch result {
            case .failure(let error):
                exchange.fail(error)
            case .success(.pending(let object)):
                // Who asked for dependents to go is told that they have not yet.
                exchange.send(
                    object, of: resource.type, as: representation, status: options.orphanDependents == false ? 202 : 200
                )
            case .success(.removed(let object)) where resource.strategy.returnsDeleted:
                exchange.send(object, of: resource.type, as: representation)
            case .success(.removed(let object)):
                exchange.send(.success(details: details(object, resource)))
            }
        }.run()
    }

    private static func details(_ object: StoredObject, _ resource: ServedResource) -> JSON {
        [
            "name": .string(String(object.name)), "group": resource.group.isEmpty ? .null : .string(resource.group),
            "kind": .string(resource.resource), "uid": .string(object.tree.uid),
        ]
    }
}
