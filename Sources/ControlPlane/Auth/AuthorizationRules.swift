/// Who may do what, beside system:masters who may do everything. The tables follow the bootstrap roles of Kubernetes
/// (system:kube-scheduler, system:node, system:node-proxier, system:discovery, system:public-info-viewer) for the
/// resources that are served.
enum AuthorizationRules {
    enum Subject: Sendable {
        case user(String)
        case group(String)

        func matches(_ user: UserInfo) -> Bool {
            switch self {
            case .user(let name): user.name == name
            case .group(let name): user.groups.contains(name)
            }
        }
    }

    /// Verbs on resources, or on paths outside them. `*` stands for all.
    struct Rule: Sendable {
        var verbs: Set<String>
        var groups: Set<String> = [""]
        /// `pods`, `pods/status`, `*` (subresources included).
        var resources: Set<String> = []
        /// Nil: all namespaces, and the cluster scope.
        var namespace: String?
        /// Only objects that bear the name of the user's own node. Creating has no name in its path: the object's name
        /// is admission's to check.
        var isOwnNodeOnly = false
        /// A trailing `*` stands for anything.
        var paths: Set<String> = []

        func allows(verb: String, path: String) -> Bool {
            guard verbs.contains(verb) else { return false }
            if paths.contains(path) { return true }
            return paths.contains { $0.hasSuffix("*") && path.hasPrefix($0.dropLast()) }
        }

        func allows(
            user: UserInfo, verb: String, group: String, resource: String, subresource: String, namespace: String,
            name: String
        ) -> Bool {
            let full = subresource.isEmpty ? resource : "\(resource)/\(subresource)"
            guard verbs.contains(verb) || verbs.contains("*"), groups.contains(group) || groups.contains("*"),
                resources.contains(full) || resources.contains("*")
            else { return false }
            if let own = self.namespace, own != namespace { return false }
            guard isOwnNodeOnly, !(verb == "create" && name.isEmpty) else { return true }
            return user.name == UserInfo.nodePrefix + name
        }
    }

    private static let read: Set<String> = ["get", "list", "watch"]
    private static let record: Set<String> = ["create", "patch", "update"]
    private static let events = Rule(verbs: record, groups: ["", "events.k8s.io"], resources: ["events"])
    private static let leases = "coordination.k8s.io"

    static let all: [(subject: Subject, rules: [Rule])] = [
        (.group(UserInfo.unauthenticatedGroup), [publicPaths]),
        (
            .group(UserInfo.authenticatedGroup),
            [
                publicPaths,
                Rule(verbs: ["get"], paths: ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"]),
                Rule(
                    verbs: ["create"], groups: ["authorization.k8s.io", "authentication.k8s.io"],
                    resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"]),
            ]
        ),
        (
            .user(UserInfo.scheduler.name),
            [
                events,
                Rule(
                    verbs: read,
                    resources: [
                        "nodes", "pods", "namespaces", "services", "replicationcontrollers", "persistentvolumes",
                        "persistentvolumeclaims",
                    ]),
                Rule(verbs: ["delete"], resources: ["pods"]),
                Rule(verbs: ["create"], resources: ["pods/binding", "bindings"]),
                Rule(verbs: ["patch", "update"], resources: ["pods/status"]),
                Rule(verbs: ["create", "get", "update"], groups: [leases], resources: ["leases"]),
            ]
        ),
        (
            .user(UserInfo.controllerManager.name),
            [
                // Garbage collection and namespace deletion deal with every kind.
                Rule(
                    verbs: ["get", "list", "watch", "update", "patch", "delete", "deletecollection"], groups: ["*"],
                    resources: ["*"]),
                Rule(
                    verbs: ["create"],
                    resources: [
                        "pods", "pods/eviction", "endpoints", "events", "configmaps", "secrets", "serviceaccounts",
                        "serviceaccounts/token", "namespaces", "replicationcontrollers",
                    ]),
                Rule(
                    verbs: ["create"], groups: ["discovery.k8s.io", leases, "events.k8s.io"],
                    resources: ["endpointslices", "leases", "events"]),
                Rule(verbs: ["create"], groups: ["apps"], resources: ["replicasets", "controllerrevisions"]),
            ]
        ),
        (
            .user(UserInfo.proxy.name),
            [
                events,
                // Pods, unlike Kubernetes' proxy: host ports are rules of ours, too.
                Rule(verbs: read, resources: ["nodes", "services", "endpoints", "pods"]),
                Rule(verbs: read, groups: ["discovery.k8s.io"], resources: ["endpointslices"]),
            ]
        ),
        (
            .user(UserInfo.dns.name),
            [
                Rule(verbs: read, resources: ["services", "namespaces"]),
                Rule(verbs: read, groups: ["discovery.k8s.io"], resources: ["endpointslices"]),
            ]
        ),
        (
            .group(UserInfo.nodesGroup),
            [
                events,
                Rule(verbs: read, resources: ["nodes", "services", "pods"]),
                Rule(verbs: ["create"], resources: ["nodes"]),
                Rule(
                    verbs: ["update", "patch", "delete"], resources: ["nodes", "nodes/status"], isOwnNodeOnly: true),
                // Mirror pods are created and deleted; finished pods are deleted.
                Rule(verbs: ["create", "delete"], resources: ["pods"]),
                Rule(verbs: ["update", "patch"], resources: ["pods/status"]),
                Rule(verbs: ["create"], resources: ["pods/eviction", "serviceaccounts/token"]),
                Rule(
                    verbs: read,
                    resources: [
                        "configmaps", "secrets", "serviceaccounts", "persistentvolumes", "persistentvolumeclaims",
                    ]),
                Rule(verbs: ["create"], groups: [leases], resources: ["leases"], namespace: "kube-node-lease"),
                Rule(
                    verbs: ["get", "update", "patch", "delete"], groups: [leases], resources: ["leases"],
                    namespace: "kube-node-lease", isOwnNodeOnly: true),
            ]
        ),
    ]

    private static let publicPaths = Rule(
        verbs: ["get", "head"], paths: ["/healthz", "/livez", "/readyz", "/version", "/version/"])
}
