import KubeAPI

/// New objects need a namespace that is there and stays (Kubernetes' admission plug-in NamespaceLifecycle).
enum NamespaceGuard {
    static func check(
        _ namespace: String, for resource: ServedResource, name: String, _ registry: Registry
    ) throws(StatusError) {
        guard resource.type.path.isNamespaced else { return }
        guard let object = registry.namespaces.cache.get(namespace) else {
            throw .notFound("namespaces", name: namespace)
        }
        // Its phase is among what is kept beside the bytes.
        guard let index = registry.namespaces.fieldPaths.firstIndex(of: "status.phase"),
            index < object.facts.fields.count, object.facts.fields[index] == "Terminating"
        else { return }
        var error = StatusError.forbidden(
            resource, name: name,
            "unable to create new content in namespace \(namespace) because it is being terminated")
        error.details["causes"] = [
            [
                "reason": "NamespaceTerminating", "message": .string("namespace \(namespace) is being terminated"),
                "field": "metadata.namespace",
            ]
        ]
        throw error
    }

    /// The object's namespace is the request's; an object that names another is refused.
    static func place(_ object: inout JSON, _ namespace: String, isNamespaced: Bool) throws(StatusError) {
        guard isNamespaced else {
            // As in Kubernetes, a namespace on an object that has none is dropped.
            if !object["metadata"]["namespace"].isNull { object["metadata"]["namespace"] = .null }
            return
        }
        let own = object.namespace
        if own == namespace { return }
        guard own.isEmpty else {
            throw .badRequest("the namespace of the provided object does not match the namespace sent on the request")
        }
        object["metadata"]["namespace"] = .string(namespace)
    }
}
