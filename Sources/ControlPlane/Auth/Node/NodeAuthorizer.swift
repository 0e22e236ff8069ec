import KubeAPI

/// What kubelets may do (https://kubernetes.io/docs/reference/access-authn-authz/node/): read what the pods of their own
/// node name, and report about it. That they write about nothing else is the admission's to check, which has the
/// objects.
struct NodeAuthorizer: Sendable {
    enum Opinion: Sendable, Equatable {
        case allow
        /// Leaves the decision to roles, with what speaks against it.
        case none(String)
    }

    let graph: NodeGraph

    /// Nil for who is no node.
    static func node(_ user: UserInfo) -> String? {
        guard user.groups.contains(UserInfo.nodesGroup), user.name.hasPrefix(UserInfo.nodePrefix) else { return nil }
        return String(user.name.dropFirst(UserInfo.nodePrefix.count))
    }

    func decide(_ request: AccessRequest) -> Opinion {
        guard let node = Self.node(request.user) else { return .none("") }
        if node.isEmpty { return .none("unknown node for user \(GoText.quoted(request.user.name))") }
        guard request.isResource else { return .none("") }
        switch (request.group, request.resource) {
        case ("", "secrets"): return read(node, .secret, request)
        case ("", "configmaps"): return read(node, .configMap, request)
        case ("", "persistentvolumeclaims"): return claim(node, request)
        case ("", "persistentvolumes"): return .none(Self.unrelated(node))
        case ("", "serviceaccounts"): return token(node, request)
        case ("", "nodes"): return nodes(node, request)
        case ("", "pods"): return pods(node, request)
        case ("coordination.k8s.io", "leases"): return lease(node, request)
        default: return Self.rules.contains { $0.allows(request) } ? .allow : .none("")
        }
    }

    /// What all nodes may do alike.
    private static let rules = DefaultRoles.rules(ofClusterRole: "system:node")

    private static func unrelated(_ node: String) -> String {
        "no relationship found between node '\(node)' and this object"
    }

    private func relation(_ node: String, _ kind: NodeGraph.Kind, _ request: AccessRequest) -> Opinion {
        if request.name.isEmpty { return .none("No Object name found") }
        let isRelated = graph.relates(node, to: kind, "\(request.namespace)/\(request.name)")
        return isRelated ? .allow : .none(Self.unrelated(node))
    }

    /// Single objects, by whatever verb reads them.
    private func read(_ node: String, _ kind: NodeGraph.Kind, _ request: AccessRequest) -> Opinion {
        guard ["get", "list", "watch"].contains(request.verb) else {
            return .none("can only read resources of this type")
        }
        guard request.subresource.isEmpty else { return .none("cannot read subresource") }
        if request.namespace.isEmpty { return .none("can only read namespaced object of this type") }
        return relation(node, kind, request)
    }

    private func get(_ node: String, _ kind: NodeGraph.Kind, _ request: AccessRequest) -> Opinion {
        guard request.verb == "get" else { return .none("can only get individual resources of this type") }
        guard request.subresource.isEmpty else { return .none("cannot get subresource") }
        return relation(node, kind, request)
    }

    private func claim(_ node: String, _ request: AccessRequest) -> Opinion {
        guard request.subresource == "status" else { return get(node, .claim, request) }
        guard ["update", "patch"].contains(request.verb) else { return .none("can only get/update/patch this type") }
        return relation(node, .claim, request)
    }

    private func token(_ node: String, _ request: AccessRequest) -> Opinion {
        guard request.verb == "create", !request.name.isEmpty else {
            return .none("can only create tokens for individual service accounts")
        }
        guard request.subresource == "token" else {
            return .none("can only create token subresource of serviceaccount")
        }
        return relation(node, .serviceAccount, request)
    }

    private func lease(_ node: String, _ request: AccessRequest) -> Opinion {
        guard ["get", "create", "update", "patch", "delete"].contains(request.verb) else {
            return .none("can only get, create, update, patch, or delete a node lease")
        }
        guard request.namespace == "kube-node-lease" else {
            return .none("can only access leases in the \"kube-node-lease\" system namespace")
        }
        // What is created has no name in its path.
        guard request.verb == "create" || request.name == node else {
            return .none("can only access node lease with the same name as the requesting node")
        }
        return .allow
    }

    private func nodes(_ node: String, _ request: AccessRequest) -> Opinion {
        switch (request.subresource, request.verb) {
        case ("", "create"), ("", "update"), ("", "patch"), ("status", "update"), ("status", "patch"): return .allow
        case ("", "get"), ("", "list"), ("", "watch"):
            if request.name == node { return .allow }
            return .none(
                request.name.isEmpty
                    ? "node '\(node)' cannot read all nodes, only its own Node object"
                    : "node '\(node)' cannot read '\(request.name)', only its own Node object")
        default: return .none("")
        }
    }

    private func pods(_ node: String, _ request: AccessRequest) -> Opinion {
        switch (request.subresource, request.verb) {
        case ("", "create"), ("", "delete"), ("status", "update"), ("status", "patch"), ("eviction", "create"):
            return .allow
        case ("", "get"): return get(node, .pod, request)
        case ("", "list"), ("", "watch"):
            if request.fields?.exactValue("spec.nodeName") == node { return .allow }
            if !request.name.isEmpty { return relation(node, .pod, request) }
            return .none("can only list/watch pods with spec.nodeName field selector")
        default: return .none("")
        }
    }
}
