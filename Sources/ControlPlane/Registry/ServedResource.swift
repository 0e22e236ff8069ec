import KubeAPI

/// One resource as this server serves it: its type, its objects and its rules.
final class ServedResource: Sendable {
    let type: ResourceType
    let cache: ResourceCache
    let strategy: any Strategy
    /// The paths that selectors and `ObjectFacts.fields` know, beside metadata.name and metadata.namespace.
    let fieldPaths: [String]

    init(type: ResourceType, floor: Int64, strategy: any Strategy) {
        self.type = type
        self.strategy = strategy
        let paths = type.selectableFields.filter { $0 != "metadata.name" && $0 != "metadata.namespace" }
        fieldPaths = paths
        cache = ResourceCache(
            prefix: "\(type.path)/", floor: floor,
            facts: { Self.facts($0, type, paths) },
            frame: { EventEncoder.frame($0, $1, $2, type: type) })
    }

    /// `pods`, `leases.coordination.k8s.io`.
    var qualifiedName: String { type.path.description }
    var resource: String { type.path.resource }
    var group: String { type.path.group }
    var kind: String { type.path.kind }

    func key(namespace: String, name: String) -> String {
        type.path.isNamespaced ? "\(namespace)/\(name)" : name
    }

    func get(namespace: String, name: String) throws(StatusError) -> StoredObject {
        guard let object = cache.get(key(namespace: namespace, name: name)) else {
            throw .notFound(resource, group: group, name: name)
        }
        return object
    }

    /// The selectors of a list or watch.
    func filter(_ request: ServerRequest, _ info: RequestInfo) throws(StatusError) -> ObjectFilter {
        var filter = ObjectFilter()
        filter.namespace = type.path.isNamespaced ? info.namespace : ""
        filter.name = info.name
        filter.fieldPaths = fieldPaths
        if let text = request.parameter("labelSelector") {
            do {
                filter.labels = try LabelSelector(parsing: text)
            } catch {
                throw .badRequest("unable to parse requirement: \(error)")
            }
        }
        if let text = request.parameter("fieldSelector") {
            let selector: FieldSelector
            do {
                selector = try FieldSelector(parsing: text)
            } catch {
                throw .badRequest("\(error)")
            }
            for requirement in selector.requirements
            where !fieldPaths.contains(requirement.field) && requirement.field != "metadata.name"
                && requirement.field != "metadata.namespace"
            {
                throw .badRequest("field label not supported: \(requirement.field)")
            }
            filter.fields = selector
        }
        return filter
    }

    static func facts(_ object: JSON, _ type: ResourceType, _ paths: [String]) -> ObjectFacts {
        ObjectFacts(
            labels: object.labels, fields: paths.map { type.fieldValue(of: object, path: $0) ?? "" })
    }

    func facts(_ object: JSON) -> ObjectFacts { Self.facts(object, type, fieldPaths) }
}
