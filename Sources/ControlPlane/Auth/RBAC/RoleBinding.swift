import KubeAPI

/// Who is given the rights of which role, as the index keeps it.
final class RoleBinding: Sendable {
    enum Subject: Hashable, Sendable {
        /// A service account is the user that it acts as.
        case user(String)
        case group(String)
    }

    let name: String
    /// Empty for a ClusterRoleBinding.
    let namespace: String
    let roleKind: String
    let roleName: String
    /// With how Kubernetes speaks of them.
    let subjects: [(subject: Subject, text: String)]

    init(_ json: JSON) {
        name = json.name
        namespace = json.namespace
        roleKind = json["roleRef"]["kind"].stringValue
        roleName = json["roleRef"]["name"].stringValue
        let own = json.namespace
        subjects = json["subjects"].items.compactMap { subject in
            let name = subject["name"].stringValue
            switch subject["kind"].stringValue {
            case "User": return (.user(name), "User \(GoText.quoted(name))")
            case "Group": return (.group(name), "Group \(GoText.quoted(name))")
            case "ServiceAccount":
                let namespace = subject["namespace"].string.flatMap { $0.isEmpty ? nil : $0 } ?? own
                return (
                    .user(UserInfo.serviceAccountName(namespace: namespace, name: name)),
                    "ServiceAccount \(GoText.quoted("\(name)/\(namespace)"))"
                )
            default: return nil
            }
        }
    }

    /// Why something is allowed, as Kubernetes words it.
    func reason(for subject: Subject) -> String {
        let text = subjects.first { $0.subject == subject }?.text ?? ""
        let own =
            namespace.isEmpty
            ? "ClusterRoleBinding \(GoText.quoted(name))" : "RoleBinding \(GoText.quoted("\(name)/\(namespace)"))"
        return "RBAC: allowed by \(own) of \(roleKind) \(GoText.quoted(roleName)) to \(text)"
    }
}
