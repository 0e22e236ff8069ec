/// Who makes a request, as authorization and audit see it.
public struct UserInfo: Sendable, Hashable {
    public var name: String
    public var groups: [String]
    /// Empty where the way of authentication knows none.
    public var uid: String
    public var extra: [String: [String]]

    public init(name: String, groups: [String], uid: String = "", extra: [String: [String]] = [:]) {
        self.name = name
        self.groups = groups
        self.uid = uid
        self.extra = extra
    }

    /// Group of those who may do everything.
    public static let mastersGroup = "system:masters"
    static let authenticatedGroup = "system:authenticated"
    static let unauthenticatedGroup = "system:unauthenticated"
    static let nodesGroup = "system:nodes"
    static let nodePrefix = "system:node:"

    /// Whoever shows no credentials.
    public static let anonymous = UserInfo(name: "system:anonymous", groups: [unauthenticatedGroup])
    /// Whoever comes through the insecure loopback port.
    public static let unsecured = UserInfo(name: "system:unsecured", groups: [mastersGroup, authenticatedGroup])
    /// The API server itself.
    public static let apiserver = UserInfo(name: "system:apiserver", groups: [mastersGroup, authenticatedGroup])
    /// The scheduler in this process.
    public static let scheduler = UserInfo(name: "system:kube-scheduler", groups: [authenticatedGroup])
    /// The controllers in this process.
    public static let controllerManager = UserInfo(
        name: "system:kube-controller-manager", groups: [authenticatedGroup])
    /// A controller in this process: as in Kubernetes, each acts as a service account of its own.
    public static func controller(_ name: String) -> UserInfo { serviceAccount(namespace: "kube-system", name: name) }
    /// The proxy in this process.
    public static let proxy = UserInfo(name: "system:kube-proxy", groups: [authenticatedGroup])
    /// The cluster's DNS in this process, under the name that it has elsewhere.
    public static let dns = serviceAccount(namespace: "kube-system", name: "coredns")
    static let serviceAccountPrefix = "system:serviceaccount:"
    static let serviceAccountsGroup = "system:serviceaccounts"

    static func serviceAccountName(namespace: String, name: String) -> String {
        "\(serviceAccountPrefix)\(namespace):\(name)"
    }

    /// Whoever acts as that service account.
    static func serviceAccount(
        namespace: String, name: String, uid: String = "", extra: [String: [String]] = [:]
    ) -> UserInfo {
        UserInfo(
            name: serviceAccountName(namespace: namespace, name: name),
            groups: [serviceAccountsGroup, "\(serviceAccountsGroup):\(namespace)", authenticatedGroup], uid: uid,
            extra: extra)
    }

    /// The kubelet of that node in this process.
    public static func node(_ name: String) -> UserInfo {
        UserInfo(name: nodePrefix + name, groups: [nodesGroup, authenticatedGroup])
    }

    /// What a component in this process calls itself, as the same one of Kubernetes does in its User-Agent.
    var componentName: String {
        switch name {
        case Self.scheduler.name: "kube-scheduler"
        case Self.controllerManager.name: "kube-controller-manager"
        case Self.apiserver.name: "kube-apiserver"
        case Self.proxy.name: "kube-proxy"
        case _ where name.hasPrefix(Self.nodePrefix): "kubelet"
        // All controllers are one program.
        case _ where name.hasPrefix("\(Self.serviceAccountPrefix)kube-system:") && name != Self.dns.name:
            "kube-controller-manager"
        default: "swiftlet"
        }
    }

    public var isMaster: Bool { groups.contains(Self.mastersGroup) }
    public var isAnonymous: Bool { name == Self.anonymous.name }
}
