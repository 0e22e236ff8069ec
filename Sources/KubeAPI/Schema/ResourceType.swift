/// A kind as it is served: what a CustomResourceDefinition would say of it.
public final class ResourceType: Sendable {
    /// A path below an object: `status`, `scale`, `log`.
    public struct Subresource: Sendable {
        public let name: String
        public let kind: String
        /// Of the kind, where it is not the parent's: `autoscaling`.
        public let group: String?
        public let version: String?
        public let verbs: [String]

        public init(_ name: String, kind: String, group: String? = nil, version: String? = nil, verbs: [String]) {
            self.name = name
            self.kind = kind
            self.group = group
            self.version = version
            self.verbs = verbs
        }

        /// Of the kind that the subresource takes or gives.
        func apiVersion(in type: ResourceType) -> String {
            guard let version else { return type.path.apiVersion }
            return group.map { $0.isEmpty ? version : "\($0)/\(version)" } ?? version
        }

        func groupVersionKind(in type: ResourceType) -> JSON {
            [
                "group": .string(group ?? type.path.group), "version": .string(version ?? type.path.version),
                "kind": .string(kind),
            ]
        }
    }

    public let path: ResourcePath
    public let singular: String
    public let shortNames: [String]
    public let categories: [String]
    public let verbs: [String]
    public let subresources: [Subresource]
    public let columns: [TableColumn]
    /// Paths that field selectors take, beside metadata.name and metadata.namespace.
    public let selectableFields: [String]
    public let schema: Schema
    private let selectableValue: @Sendable (JSON, String) -> String?

    init(
        _ path: ResourcePath, singular: String, shortNames: [String] = [], categories: [String] = [],
        verbs: [String] = ResourceType.allVerbs, subresources: [Subresource] = [], columns: [TableColumn],
        selectableFields: [String] = [], schema: Schema,
        selectableValue: @escaping @Sendable (JSON, String) -> String? = { _, _ in nil }
    ) {
        self.path = path
        self.singular = singular
        self.shortNames = shortNames
        self.categories = categories
        self.verbs = verbs
        self.subresources = subresources
        self.columns = columns
        self.selectableFields = selectableFields
        self.schema = schema
        self.selectableValue = selectableValue
    }

    public static let allVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]

    public func hasSubresource(_ name: String) -> Bool { subresources.contains { $0.name == name } }

    /// The text that field selectors compare; nil for a path that the kind does not know.
    public func fieldValue(of object: JSON, path: String) -> String? {
        if path == "metadata.name" { return object.name }
        if path == "metadata.namespace" { return object.namespace }
        guard selectableFields.contains(path) else { return nil }
        if let value = selectableValue(object, path) { return value }
        var value = object
        for part in path.split(separator: ".") { value = value[String(part)] }
        switch value {
        case .string(let text): return text
        case .int(let number): return String(number)
        case .bool(let flag): return String(flag)
        default: return ""
        }
    }
}
