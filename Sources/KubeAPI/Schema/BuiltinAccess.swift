/// The kinds by which access is granted, and the questions that are asked about it.
enum BuiltinAccess {
    private static let rbac = "rbac.authorization.k8s.io"

    static let roles: [ResourceType] = [
        ResourceType(
            .clusterRoleBindings, singular: "clusterrolebinding", columns: AccessColumns.binding,
            schema: BuiltinResources.schema("rbac/v1.ClusterRoleBinding")),
        ResourceType(
            .clusterRoles, singular: "clusterrole", columns: AccessColumns.role,
            schema: BuiltinResources.schema("rbac/v1.ClusterRole")),
        ResourceType(
            .roleBindings, singular: "rolebinding", columns: AccessColumns.binding,
            schema: BuiltinResources.schema("rbac/v1.RoleBinding")),
        ResourceType(
            .roles, singular: "role", columns: AccessColumns.role, schema: BuiltinResources.schema("rbac/v1.Role")),
    ]

    /// What is only asked.
    static let reviews: [ResourceType] = [
        review("authentication", "selfsubjectreviews", "SelfSubjectReview"),
        review("authentication", "tokenreviews", "TokenReview"),
        review("authorization", "localsubjectaccessreviews", "LocalSubjectAccessReview", isNamespaced: true),
        review("authorization", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
        review("authorization", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
        review("authorization", "subjectaccessreviews", "SubjectAccessReview"),
    ]

    private static func review(
        _ package: String, _ resource: String, _ kind: String, isNamespaced: Bool = false
    ) -> ResourceType {
        ResourceType(
            ResourcePath(group: "\(package).k8s.io", resource: resource, kind: kind, isNamespaced: isNamespaced),
            singular: kind.lowercased(), verbs: ["create"], columns: [],
            schema: BuiltinResources.schema("\(package)/v1.\(kind)"))
    }

    // MARK: defaults

    /// Bindings say of users and groups, and of their role, whose they are.
    static let bindingDefaults: SchemaDefaults.Rule = { binding in
        if binding["roleRef"].isObject { binding["roleRef"].setDefault("apiGroup", .string(rbac)) }
        for index in binding["subjects"].items.indices {
            let kind = binding["subjects"][index]["kind"].stringValue
            if kind == "User" || kind == "Group" { binding["subjects"][index].setDefault("apiGroup", .string(rbac)) }
        }
    }
}
