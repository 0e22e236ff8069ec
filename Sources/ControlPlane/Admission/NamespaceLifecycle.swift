import KubeAPI

/// Nothing is made in a namespace that is not there, or is on its way out.
enum NamespaceLifecycle {
    /// Throws where `object`, of that resource, can't be made in the namespace. Objects outside namespaces pass.
    static func checkCreate(_ object: JSON, _ resource: ServedResource, namespace: String, _ registry: Registry)
        throws(StatusError)
    {
        guard resource.type.path.isNamespaced, !namespace.isEmpty else { return }
        guard let found = registry.namespaces.cache.get(namespace) else {
            throw .notFound("namespaces", name: namespace)
        }
        // The phase is kept beside the bytes: no need to parse them for each creation.
        guard let position = registry.namespaces.fieldPaths.firstIndex(of: "status.phase"),
            found.facts.fields[position] == "Terminating"
        else { return }
        let generated = object["metadata"]["generateName"].stringValue
        let name = object.name.isEmpty ? generated : object.name
        var error = StatusError.forbidden(
            "\(resource.qualifiedName) \"\(name)\" is forbidden: unable to create new content in namespace "
                + "\(namespace) because it is being terminated",
            resource.resource, group: resource.group, name: name)
        error.details["causes"] = [
            [
                "reason": "NamespaceTerminating", "message": .string("namespace \(namespace) is being terminated"),
                "field": "metadata.namespace",
            ]
        ]
        throw error
    }
}
