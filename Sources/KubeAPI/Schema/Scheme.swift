/// The kinds that are served.
public final class Scheme: Sendable {
    /// In the order in which discovery lists them.
    public let resources: [ResourceType]
    private let byResource: [String: ResourceType]
    private let byKind: [String: ResourceType]

    public init(resources: [ResourceType]) {
        self.resources = resources
        byResource = Dictionary(
            resources.map { ("\($0.path.apiVersion)/\($0.path.resource)", $0) }, uniquingKeysWith: { first, _ in first })
        byKind = Dictionary(
            resources.map { ("\($0.path.apiVersion)/\($0.path.kind)", $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// All built-in kinds.
    public static let builtin = Scheme(resources: BuiltinResources.all)

    private static func apiVersion(_ group: String, _ version: String) -> String {
        group.isEmpty ? version : "\(group)/\(version)"
    }

    public func resource(group: String, version: String, resource: String) -> ResourceType? {
        byResource["\(Self.apiVersion(group, version))/\(resource)"]
    }
    public func resource(group: String, version: String, kind: String) -> ResourceType? {
        byKind["\(Self.apiVersion(group, version))/\(kind)"]
    }

    /// The groups other than core, in order of appearance.
    public var groups: [String] {
        var groups: [String] = []
        for resource in resources where !resource.path.group.isEmpty && !groups.contains(resource.path.group) {
            groups.append(resource.path.group)
        }
        return groups
    }

    /// The schema of a kind or of one of the bodies that are not kinds of their own (DeleteOptions, Scale, Binding).
    public func schema(apiVersion: String, kind: String) -> Schema? {
        if let type = byKind["\(apiVersion)/\(kind)"] { return type.schema }
        // DeleteOptions is registered in every group.
        let name: String? =
            switch kind {
            case "DeleteOptions": "meta/v1.DeleteOptions"
            case "Status": "meta/v1.Status"
            case "Scale": "autoscaling/v1.Scale"
            case "Binding": "core/v1.Binding"
            case "Eviction": "policy/v1.Eviction"
            default: nil
            }
        return name.flatMap { SchemaTable.shared[$0] }
    }
}

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
