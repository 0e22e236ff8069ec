import KubeAPI

/// Bindings of roles: to whom, and to what role, which never changes; nobody binds a role that gives more than he has.
struct RoleBindingStrategy: Strategy {
    let isClusterRoleBinding: Bool
    private static let group = "rbac.authorization.k8s.io"

    var nameRule: NameRule { .pathSegment }
    var allowsCreateOnUpdate: Bool { true }
    private var resource: String { isClusterRoleBinding ? "clusterrolebindings" : "rolebindings" }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        try Escalation.check(binding: object, resource, context)
    }

    func prepareForUpdate(_ object: inout JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        // Whoever may not bind the role can still be let do what garbage collection needs.
        var (now, before) = (object, old)
        for field in ["ownerReferences", "finalizers", "managedFields"] {
            now["metadata"][field] = .null
            before["metadata"][field] = .null
        }
        if now == before { return }
        try Escalation.check(binding: object, resource, context)
    }

    func validate(_ object: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        let reference = object["roleRef"]
        if reference["apiGroup"].stringValue != Self.group {
            errors.append(.notSupported("roleRef.apiGroup", .string(reference["apiGroup"].stringValue), [Self.group]))
        }
        let kinds = isClusterRoleBinding ? ["ClusterRole"] : ["Role", "ClusterRole"]
        if !kinds.contains(reference["kind"].stringValue) {
            errors.append(.notSupported("roleRef.kind", .string(reference["kind"].stringValue), kinds))
        }
        let name = reference["name"].stringValue
        if name.isEmpty {
            errors.append(.required("roleRef.name"))
        } else {
            errors += NameValidation.pathSegment(name).map { .invalid("roleRef.name", .string(name), $0) }
        }
        for (index, subject) in object["subjects"].items.enumerated() {
            errors += validate(subject, "subjects[\(index)]")
        }
        return errors
    }

    private func validate(_ subject: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        let name = subject["name"].stringValue
        let group = subject["apiGroup"].stringValue
        if name.isEmpty { errors.append(.required("\(path).name")) }
        switch subject["kind"].stringValue {
        case "ServiceAccount":
            if !name.isEmpty {
                errors += NameValidation.dns1123Subdomain(name).map { .invalid("\(path).name", .string(name), $0) }
            }
            if !group.isEmpty { errors.append(.notSupported("\(path).apiGroup", .string(group), [""])) }
            if subject["namespace"].stringValue.isEmpty { errors.append(.required("\(path).namespace")) }
        case "User", "Group":
            if group != Self.group { errors.append(.notSupported("\(path).apiGroup", .string(group), [Self.group])) }
        case let kind:
            errors.append(.notSupported("\(path).kind", .string(kind), ["ServiceAccount", "User", "Group"]))
        }
        return errors
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        let (now, before) = (object["roleRef"], old["roleRef"])
        if now == before { return [] }
        // As Go prints the structure.
        let fields = [("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name")]
            .map { "\($0.0):\(GoText.quoted(now[$0.1].stringValue))" }.joined(separator: ", ")
        return [
            FieldError(.invalid, "roleRef", "Invalid value: rbac.RoleRef{\(fields)}: cannot change roleRef")
        ]
    }
}
