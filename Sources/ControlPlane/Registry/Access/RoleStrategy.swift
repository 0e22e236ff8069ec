import KubeAPI

/// Roles and cluster roles: rules that make sense, and of which nobody gives away what he lacks.
struct RoleStrategy: Strategy {
    let isClusterRole: Bool

    var nameRule: NameRule { .pathSegment }
    var allowsCreateOnUpdate: Bool { true }
    private var resource: String { isClusterRole ? "clusterroles" : "roles" }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        try Escalation.check(role: object, resource, context)
    }

    func prepareForUpdate(_ object: inout JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        if PolicyRule.all(of: object) == PolicyRule.all(of: old), object["aggregationRule"] == old["aggregationRule"] {
            return
        }
        try Escalation.check(role: object, resource, context)
    }

    func validate(_ object: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, rule) in object["rules"].items.enumerated() {
            errors += Self.validate(PolicyRule(rule), "rules[\(index)]", isNamespaced: !isClusterRole)
        }
        guard isClusterRole, object["aggregationRule"].isObject else { return errors }
        let selectors = object["aggregationRule"]["clusterRoleSelectors"].items
        let path = "aggregationRule.clusterRoleSelectors"
        if selectors.isEmpty {
            errors.append(
                .required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
        }
        for (index, selector) in selectors.enumerated() {
            errors += LabelSelector.validate(selector, field: "\(path)[\(index)]")
        }
        return errors
    }

    private static func validate(_ rule: PolicyRule, _ path: String, isNamespaced: Bool) -> [FieldError] {
        var errors: [FieldError] = []
        if rule.verbs.isEmpty { errors.append(.required("\(path).verbs", "verbs must contain at least one value")) }
        if !rule.paths.isEmpty {
            if isNamespaced {
                errors.append(
                    .invalid(
                        "\(path).nonResourceURLs", strings: rule.paths,
                        "namespaced rules cannot apply to non-resource URLs"))
            }
            if !rule.groups.isEmpty || !rule.resources.isEmpty || !rule.names.isEmpty {
                errors.append(
                    .invalid(
                        "\(path).nonResourceURLs", strings: rule.paths,
                        "rules cannot apply to both regular resources and non-resource URLs"))
            }
            return errors
        }
        if rule.groups.isEmpty {
            errors.append(.required("\(path).apiGroups", "resource rules must supply at least one api group"))
        }
        if rule.resources.isEmpty {
            errors.append(.required("\(path).resources", "resource rules must supply at least one resource"))
        }
        return errors
    }
}
