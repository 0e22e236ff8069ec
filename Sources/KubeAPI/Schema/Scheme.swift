/// The kinds that are served.
public final class Scheme: Sendable {
    /// What is stored, in the order in which discovery lists it.
    public let resources: [ResourceType]
    /// What is only asked: a POST that is answered and leaves no object (`bindings`).
    public let actions: [ResourceType]
    /// What is measured when it is asked for, and never stored (metrics.k8s.io).
    public let readings: [ResourceType]
    private let byResource: [String: ResourceType]
    private let byKind: [String: ResourceType]

    public init(resources: [ResourceType], actions: [ResourceType] = [], readings: [ResourceType] = []) {
        self.resources = resources
        self.actions = actions
        self.readings = readings
        byResource = Dictionary(
            resources.map { ("\($0.path.apiVersion)/\($0.path.resource)", $0) }, uniquingKeysWith: { first, _ in first }
        )
        byKind = Dictionary(
            resources.map { ("\($0.path.apiVersion)/\($0.path.kind)", $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// All built-in kinds.
    public static let builtin = Scheme(
        resources: BuiltinResources.all, actions: BuiltinResources.actions, readings: BuiltinReadings.all)

    private static func apiVersion(_ group: String, _ version: String) -> String {
        group.isEmpty ? version : "\(group)/\(version)"
    }

    /// A stored resource by its plural name.
    public func resource(group: String, version: String, resource: String) -> ResourceType? {
        byResource["\(Self.apiVersion(group, version))/\(resource)"]
    }
    public func resource(group: String, version: String, kind: String) -> ResourceType? {
        byKind["\(Self.apiVersion(group, version))/\(kind)"]
    }

    /// What is only asked, by its plural name.
    public func action(group: String, version: String, resource: String) -> ResourceType? {
        actions.first {
            $0.path.group == group && $0.path.version == version && $0.path.resource == resource
        }
    }

    /// Everything that discovery tells of.
    private var all: [ResourceType] { resources + actions + readings }

    /// What is measured, by its plural name.
    public func reading(group: String, version: String, resource: String) -> ResourceType? {
        readings.first { $0.path.group == group && $0.path.version == version && $0.path.resource == resource }
    }

    /// The groups other than core, in order of appearance.
    public var groups: [String] {
        var groups: [String] = []
        for resource in all where !resource.path.group.isEmpty && !groups.contains(resource.path.group) {
            groups.append(resource.path.group)
        }
        return groups
    }

    /// The versions of a group, the preferred one first.
    public func versions(group: String) -> [String] {
        var versions: [String] = []
        for type in all where type.path.group == group && !versions.contains(type.path.version) {
            versions.append(type.path.version)
        }
        return versions
    }

    /// All resources of a version, by name.
    public func resources(group: String, version: String) -> [ResourceType] {
        all.filter { $0.path.group == group && $0.path.version == version }
            .sorted { $0.path.resource < $1.path.resource }
    }

    /// The schema of a kind or of one of the bodies that are not kinds of their own (DeleteOptions, Scale, Binding).
    public func schema(apiVersion: String, kind: String) -> Schema? {
        if let type = byKind["\(apiVersion)/\(kind)"] { return type.schema }
        if let type = readings.first(where: { $0.path.apiVersion == apiVersion && $0.path.kind == kind }) {
            return type.schema
        }
        switch (apiVersion, kind) {
        // Registered in every group.
        case (_, "DeleteOptions"): return SchemaTable.shared["meta/v1.DeleteOptions"]
        case ("v1", "Status"): return SchemaTable.shared["meta/v1.Status"]
        case ("autoscaling/v1", "Scale"): return SchemaTable.shared["autoscaling/v1.Scale"]
        case ("policy/v1", "Eviction"): return SchemaTable.shared["policy/v1.Eviction"]
        case ("authentication.k8s.io/v1", "TokenRequest"): return SchemaTable.shared["authentication/v1.TokenRequest"]
        default: return actions.first { $0.path.apiVersion == apiVersion && $0.path.kind == kind }?.schema
        }
    }
}
