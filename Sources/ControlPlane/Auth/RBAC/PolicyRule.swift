import KubeAPI

/// One rule of a role: some verbs on some resources, or on paths outside them. `*` stands for all.
struct PolicyRule: Sendable, Hashable {
    var verbs: [String]
    var groups: [String] = []
    /// `pods`, `pods/log`, `*/scale`, `*`.
    var resources: [String] = []
    /// All objects where there is none.
    var names: [String] = []
    /// A `*` at the end stands for anything.
    var paths: [String] = []

    init(
        verbs: [String], groups: [String] = [], resources: [String] = [], names: [String] = [], paths: [String] = []
    ) {
        self.verbs = verbs
        self.groups = groups
        self.resources = resources
        self.names = names
        self.paths = paths
    }

    init(_ json: JSON) {
        func list(_ field: String) -> [String] { json[field].items.map(\.stringValue) }
        self.init(
            verbs: list("verbs"), groups: list("apiGroups"), resources: list("resources"),
            names: list("resourceNames"), paths: list("nonResourceURLs"))
    }

    /// The rules of a role, as it is stored.
    static func all(of role: JSON) -> [PolicyRule] { role["rules"].items.map(PolicyRule.init) }

    var json: JSON {
        var json: JSON = ["verbs": JSON(verbs)]
        if !groups.isEmpty { json["apiGroups"] = JSON(groups) }
        if !resources.isEmpty { json["resources"] = JSON(resources) }
        if !names.isEmpty { json["resourceNames"] = JSON(names) }
        if !paths.isEmpty { json["nonResourceURLs"] = JSON(paths) }
        return json
    }

    // MARK: - What it allows

    func allows(_ request: AccessRequest) -> Bool {
        guard Self.has(verbs, request.verb) else { return false }
        guard request.isResource else { return allows(path: request.path) }
        return Self.has(groups, request.group) && Self.covers(resources, request.fullResource, request.subresource)
            && (names.isEmpty || names.contains(request.name))
    }

    private func allows(path: String) -> Bool {
        paths.contains { $0 == "*" || $0 == path || ($0.hasSuffix("*") && path.hasPrefix($0.dropLast())) }
    }

    private static func has(_ list: [String], _ value: String) -> Bool { list.contains { $0 == value || $0 == "*" } }

    private static func covers(_ list: [String], _ full: String, _ subresource: String) -> Bool {
        list.contains {
            $0 == full || $0 == "*" || (!subresource.isEmpty && $0.hasPrefix("*/") && $0.dropFirst(2) == subresource)
        }
    }

    // MARK: - What it covers

    /// The rule as rules of one verb, one group, one resource and one name each, or of one verb and one path.
    var parts: [PolicyRule] {
        var parts: [PolicyRule] = []
        for verb in verbs {
            for group in groups {
                for resource in resources {
                    let base = PolicyRule(verbs: [verb], groups: [group], resources: [resource])
                    if names.isEmpty { parts.append(base) }
                    for name in names {
                        var part = base
                        part.names = [name]
                        parts.append(part)
                    }
                }
            }
            for path in paths { parts.append(PolicyRule(verbs: [verb], paths: [path])) }
        }
        return parts
    }

    /// Whether whoever has this rule has that part of another one, too.
    func covers(part: PolicyRule) -> Bool {
        guard verbs.contains("*") || part.verbs.allSatisfy(verbs.contains) else { return false }
        guard part.paths.isEmpty else {
            return part.paths.allSatisfy { path in
                paths.contains { $0 == "*" || $0 == path || ($0.hasSuffix("*") && path.hasPrefix($0.dropLast())) }
            }
        }
        return (groups.contains("*") || part.groups.allSatisfy(groups.contains))
            && part.resources.allSatisfy(coversResource)
            && (names.isEmpty || !part.names.isEmpty && part.names.allSatisfy(names.contains))
    }

    private func coversResource(_ resource: String) -> Bool {
        if resources.contains("*") || resources.contains(resource) { return true }
        guard let slash = resource.firstIndex(of: "/") else { return false }
        return resources.contains("*\(resource[slash...])")
    }

    /// What of `wanted` nobody of `held` covers.
    static func uncovered(_ wanted: [PolicyRule], by held: [PolicyRule]) -> [PolicyRule] {
        wanted.flatMap(\.parts).filter { part in !held.contains { $0.covers(part: part) } }
    }

    /// As Kubernetes prints it: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`
    var text: String {
        func list(_ label: String, _ values: [String]) -> String? {
            values.isEmpty ? nil : "\(label):[\(values.map(GoText.quoted).joined(separator: " "))]"
        }
        let parts = [
            list("APIGroups", groups), list("Resources", resources), list("NonResourceURLs", paths),
            list("ResourceNames", names), list("Verbs", verbs),
        ].compactMap(\.self)
        return "{\(parts.joined(separator: ", "))}"
    }

    /// Parts that differ in their verbs alone, put together again, as Kubernetes tells of them.
    static func compact(_ parts: [PolicyRule]) -> [PolicyRule] {
        var order: [PolicyRule] = []
        var verbs: [PolicyRule: [String]] = [:]
        for part in parts {
            var key = part
            key.verbs = []
            if verbs[key] == nil { order.append(key) }
            verbs[key, default: []] += part.verbs.filter { verbs[key]?.contains($0) != true }
        }
        return order.map { key in
            var rule = key
            rule.verbs = verbs[key] ?? []
            return rule
        }
    }
}
