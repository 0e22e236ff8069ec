/// The metadata that every API object has (Kubernetes API conventions, "Metadata"), read straight from the tree.
extension JSON {
    public var kind: String { self["kind"].stringValue }
    public var apiVersion: String { self["apiVersion"].stringValue }
    public var name: String { self["metadata"]["name"].stringValue }
    /// Empty for objects outside namespaces.
    public var namespace: String { self["metadata"]["namespace"].stringValue }
    public var uid: String { self["metadata"]["uid"].stringValue }
    public var resourceVersion: String { self["metadata"]["resourceVersion"].stringValue }
    public var generation: Int { self["metadata"]["generation"].int ?? 0 }
    public var labels: [String: String] { self["metadata"]["labels"].stringMap }
    public var annotations: [String: String] { self["metadata"]["annotations"].stringMap }
    /// RFC 3339, or nil while the object is not being deleted.
    public var deletionTimestamp: String? { self["metadata"]["deletionTimestamp"].string }
    public var isDeleting: Bool { deletionTimestamp != nil }
    public var finalizers: [String] { self["metadata"]["finalizers"].items.compactMap(\.string) }
    public var ownerReferences: [JSON] { self["metadata"]["ownerReferences"].items }
    /// The owner reference with `controller: true`.
    public var controllerReference: JSON? { ownerReferences.first { $0["controller"].bool == true } }

    /// `namespace/name`, or `name` outside namespaces: the key of informers and work queues.
    public var objectKey: String {
        let metadata = self["metadata"]
        guard let namespace = metadata["namespace"].string, !namespace.isEmpty else {
            return metadata["name"].stringValue
        }
        return "\(namespace)/\(metadata["name"].stringValue)"
    }
}

/// A typed look at an API object, for the kinds that our own code acts on. The tree stays the truth, so that fields
/// which we do not know survive.
public protocol ResourceView: Sendable {
    var json: JSON { get set }
    init(_ json: JSON)
}

extension ResourceView {
    public var name: String { json.name }
    public var namespace: String { json.namespace }
    public var uid: String { json.uid }
    public var key: String { json.objectKey }
    public var resourceVersion: String { json.resourceVersion }
    public var labels: [String: String] { json.labels }
    public var annotations: [String: String] { json.annotations }
    public var isDeleting: Bool { json.isDeleting }
}
