import KubeAPI

/// Nobody gives away rights that he does not have himself, unless he may `escalate` the role or `bind` it
/// (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping).
enum Escalation {
    private static let group = "rbac.authorization.k8s.io"

    /// `resource`: `roles` or `clusterroles`.
    static func check(role: JSON, _ resource: String, _ context: WriteContext) throws(StatusError) {
        if context.user.isMaster { return }
        let authorizer = context.registry.authorizer
        if authorizer.allows(request(context.user, "escalate", resource, role.namespace, role.name)) { return }
        if !role["aggregationRule"]["clusterRoleSelectors"].items.isEmpty {
            let everything = [
                PolicyRule(verbs: ["*"], groups: ["*"], resources: ["*"]), PolicyRule(verbs: ["*"], paths: ["*"]),
            ]
            if lacking(everything, role.namespace, context) != nil {
                throw refused(role, resource, "must have cluster-admin privileges to use an aggregationRule")
            }
        }
        if let why = lacking(PolicyRule.all(of: role), role.namespace, context) { throw refused(role, resource, why) }
    }

    /// `resource`: `rolebindings` or `clusterrolebindings`.
    static func check(binding: JSON, _ resource: String, _ context: WriteContext) throws(StatusError) {
        if context.user.isMaster { return }
        let authorizer = context.registry.authorizer
        let (kind, name) = (binding["roleRef"]["kind"].stringValue, binding["roleRef"]["name"].stringValue)
        let roles = kind == "ClusterRole" ? "clusterroles" : "roles"
        // The right to bind a cluster role is one in the namespace where it is bound.
        if authorizer.allows(request(context.user, "bind", roles, binding.namespace, name)) { return }
        guard let rules = authorizer.rbac.rules(ofRole: kind, name, in: binding.namespace) else {
            throw .notFound(roles, group: group, name: name)
        }
        if let why = lacking(rules, binding.namespace, context) { throw refused(binding, resource, why) }
    }

    private static func request(
        _ user: UserInfo, _ verb: String, _ resource: String, _ namespace: String, _ name: String
    ) -> AccessRequest {
        AccessRequest(user: user, verb: verb, group: group, resource: resource, namespace: namespace, name: name)
    }

    /// What of the rules the user lacks, in Kubernetes' words; nil for nothing.
    private static func lacking(_ rules: [PolicyRule], _ namespace: String, _ context: WriteContext) -> String? {
        let held = context.registry.authorizer.rbac.rules(for: context.user, in: namespace)
        let missing = PolicyRule.uncovered(rules, by: held.rules)
        if missing.isEmpty { return nil }
        let groups = context.user.groups.map(GoText.quoted).joined(separator: " ")
        let texts = Set(PolicyRule.compact(missing).map(\.text)).sorted()
        let errors = held.errors.isEmpty ? "" : "; resolution errors: [\(held.errors.joined(separator: ", "))]"
        return "user \(GoText.quoted(context.user.name)) (groups=[\(groups)]) is attempting to grant RBAC permissions "
            + "not currently held:\n" + texts.joined(separator: "\n") + errors
    }

    private static func refused(_ object: JSON, _ resource: String, _ why: String) -> StatusError {
        .forbidden(
            "\(resource).\(group) \(GoText.quoted(object.name)) is forbidden: \(why)", resource, group: group,
            name: object.name)
    }
}
