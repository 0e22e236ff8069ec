import KubeAPI

/// A role that every cluster has, with its binding.
struct DefaultRole: Sendable {
    var name: String
    /// Empty for a ClusterRole.
    var namespace = ""
    var labels: [String: String] = [:]
    /// The label of the roles whose rules it takes over.
    var aggregates: String?
    var rules: [PolicyRule] = []
    /// Of the binding; nil where the role has none.
    var subjects: [JSON]?
    var bindingName: String

    private static let group = "rbac.authorization.k8s.io"
    private static let bootstrapping = ["kubernetes.io/bootstrapping": "rbac-defaults"]
    /// By which a cluster's administrator keeps his own version of a role: `false`.
    static let autoupdate = "rbac.authorization.kubernetes.io/autoupdate"

    init(name: String, namespace: String = "") {
        self.name = name
        self.namespace = namespace
        bindingName = name
    }

    var isClusterRole: Bool { namespace.isEmpty }

    private func metadata(_ name: String, _ labels: [String: String]) -> JSON {
        [
            "name": .string(name), "namespace": namespace.isEmpty ? .null : .string(namespace),
            "labels": JSON(Self.bootstrapping.merging(labels) { first, _ in first }),
            "annotations": [Self.autoupdate: "true"],
        ]
    }

    var role: JSON {
        var role: JSON = [
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": isClusterRole ? "ClusterRole" : "Role",
            "metadata": metadata(name, labels), "rules": .array(rules.map(\.json)),
        ]
        if let aggregates {
            role["aggregationRule"] = ["clusterRoleSelectors": [["matchLabels": [aggregates: "true"]]]]
        }
        return role
    }

    var binding: JSON? {
        guard let subjects else { return nil }
        return [
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": isClusterRole ? "ClusterRoleBinding" : "RoleBinding", "metadata": metadata(bindingName, [:]),
            "roleRef": [
                "apiGroup": .string(Self.group), "kind": isClusterRole ? "ClusterRole" : "Role",
                "name": .string(name),
            ], "subjects": subjects.isEmpty ? .null : .array(subjects),
        ]
    }
}

/// The roles and bindings that every cluster has, read from `DefaultRoleData` and `ControllerRoleData`.
enum DefaultRoles {
    static let all: [DefaultRole] = aggregated(
        parse(DefaultRoleData.text) + parse(ControllerRoleData.text))

    static func rules(ofClusterRole name: String) -> [PolicyRule] {
        all.first { $0.isClusterRole && $0.name == name }?.rules ?? []
    }

    private static let verbs: [Character: String] = [
        "C": "create", "D": "delete", "X": "deletecollection", "G": "get", "L": "list", "P": "patch", "U": "update",
        "W": "watch", "*": "*",
    ]
    private static let aggregation = "rbac.authorization.k8s.io/aggregate-"

    private static func parse(_ text: StaticString) -> [DefaultRole] {
        var roles: [DefaultRole] = []
        let lines = text.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }.split(separator: "\n")
        for line in lines {
            let words = line.split(separator: " ").map(String.init)
            switch words[0] {
            case "cluster":
                var role = DefaultRole(name: words[1])
                for word in words.dropFirst(2) {
                    if word.hasPrefix("to-") { role.labels[aggregation + word] = "true" }
                    if word.hasPrefix("from-") { role.aggregates = "\(aggregation)to-\(word.dropFirst(5))" }
                }
                roles.append(role)
            case "role":
                var role = DefaultRole(name: words[2], namespace: words[1])
                // The one whose binding has a name of its own.
                if role.name == "extension-apiserver-authentication-reader" {
                    role.bindingName = "system::\(role.name)"
                }
                roles.append(role)
            case "controller":
                var role = DefaultRole(name: "system:controller:\(words[1])")
                role.subjects = [subject("ServiceAccount:kube-system:\(words[1])")]
                roles.append(role)
            case "for": roles[roles.count - 1].subjects = words.dropFirst().map(subject)
            default: roles[roles.count - 1].rules.append(rule(words))
            }
        }
        return roles
    }

    private static func subject(_ text: String) -> JSON {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard parts[0] == "ServiceAccount" else {
            return ["kind": .string(parts[0]), "apiGroup": "rbac.authorization.k8s.io", "name": .string(parts[1])]
        }
        let account = parts[1].split(separator: ":").map(String.init)
        return ["kind": "ServiceAccount", "name": .string(account[1]), "namespace": .string(account[0])]
    }

    private static func rule(_ words: [String]) -> PolicyRule {
        if words == ["events"] {
            return PolicyRule(
                verbs: ["create", "patch", "update"], groups: ["", "events.k8s.io"], resources: ["events"])
        }
        func list(_ text: String) -> [String] { text.split(separator: ",").map(String.init) }
        let verbs = list(words[0]).flatMap { word in
            word.allSatisfy { Self.verbs[$0] != nil } ? word.compactMap { Self.verbs[$0] } : [word]
        }
        if words[1] == "@" { return PolicyRule(verbs: verbs, paths: list(words[2])) }
        return PolicyRule(
            verbs: verbs, groups: list(words[1]).map { $0 == "-" ? "" : $0 }, resources: list(words[2]),
            names: words.count > 3 ? list(words[3]) : [])
    }

    /// What the aggregated roles will consist of, so that a new cluster has them complete from the beginning.
    private static func aggregated(_ roles: [DefaultRole]) -> [DefaultRole] {
        var roles = roles
        // `view` is a part of `edit`, and that of `admin`: the smallest first.
        for name in ["view", "edit", "admin"] {
            guard let index = roles.firstIndex(where: { $0.name == name && $0.isClusterRole }),
                let label = roles[index].aggregates
            else { continue }
            let parts = roles.filter { $0.labels[label] != nil }.map { (name: $0.name, rules: $0.rules) }
            roles[index].rules = aggregate(parts)
        }
        return roles
    }

    /// The rules of all parts in the order of their names, each once.
    static func aggregate(_ parts: [(name: String, rules: [PolicyRule])]) -> [PolicyRule] {
        var seen: Set<PolicyRule> = []
        return parts.sorted { $0.name < $1.name }.flatMap(\.rules).filter { seen.insert($0).inserted }
    }
}
