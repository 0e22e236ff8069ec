import KubeAPI
import Logging

/// Everything that is served, by group, version and resource, with the store behind it.
final class Registry: Sendable {
    let scheme: Scheme
    let hub: WatchHub
    let services: ServiceAllocator
    /// Decides who may do what, by the roles and bindings that are stored here.
    let authorizer = Authorizer()
    private let feed: AccessFeed
    private let byPath: [String: ServedResource]
    /// In the scheme's order.
    let all: [ServedResource]
    let namespaces: ServedResource

    init(scheme: Scheme, store: any Store, services: ServiceAllocator, log: Logger) async throws(StoreError) {
        self.scheme = scheme
        self.services = services
        let floor = store.compactedRevision
        var all: [ServedResource] = []
        for type in scheme.resources {
            all.append(ServedResource(type: type, floor: floor, strategy: Self.strategy(type, services)))
        }
        self.all = all
        guard let namespaces = all.first(where: { $0.resource == "namespaces" && $0.group.isEmpty }) else {
            throw .unusable("the scheme has no namespaces")
        }
        self.namespaces = namespaces
        byPath = Dictionary(
            all.map { (Self.path($0.group, $0.type.path.version, $0.resource), $0) },
            uniquingKeysWith: { first, _ in first })
        feed = AccessFeed(authorizer, all, store)
        if store.isShared {
            for resource in all where resource.strategy.adoptsStored {
                resource.cache.onForeignChange { new, old in
                    resource.strategy.observe(new?.tree, replacing: old?.tree)
                }
            }
        }
        hub = try await WatchHub(store: store, caches: all.map(\.cache), log: log)
        feed.load()
        for resource in all where resource.strategy.adoptsStored {
            resource.cache.snapshot().objects.forEach { object in
                resource.strategy.adopt(object.tree)
                return true
            }
        }
        // Everybody who follows it knows what there was.
        store.start()
    }

    private static func path(_ group: String, _ version: String, _ resource: String) -> String {
        "\(group)/\(version)/\(resource)"
    }

    func find(_ group: String, _ version: String, _ resource: String) -> ServedResource? {
        byPath[Self.path(group, version, resource)]
    }

    private static func strategy(_ type: ResourceType, _ services: ServiceAllocator) -> any Strategy {
        switch type.path.description {
        case "pods": PodStrategy()
        case "services": ServiceStrategy(allocator: services)
        case "replicationcontrollers": ReplicationControllerStrategy()
        case "replicasets.apps": ReplicaSetStrategy()
        case "deployments.apps": DeploymentStrategy()
        case "daemonsets.apps": DaemonSetStrategy()
        case "controllerrevisions.apps": ControllerRevisionStrategy()
        case "jobs.batch": JobStrategy()
        case "namespaces": NamespaceStrategy()
        case "nodes": NodeStrategy()
        case "secrets": SecretStrategy()
        case "configmaps": ConfigMapStrategy()
        case "events", "events.events.k8s.io": EventStrategy()
        case "endpoints": EndpointsStrategy()
        case "endpointslices.discovery.k8s.io": EndpointSliceStrategy()
        case "serviceaccounts": ServiceAccountStrategy()
        case "leases.coordination.k8s.io": LeaseStrategy()
        case "roles.rbac.authorization.k8s.io": RoleStrategy(isClusterRole: false)
        case "clusterroles.rbac.authorization.k8s.io": RoleStrategy(isClusterRole: true)
        case "rolebindings.rbac.authorization.k8s.io": RoleBindingStrategy(isClusterRoleBinding: false)
        case "clusterrolebindings.rbac.authorization.k8s.io": RoleBindingStrategy(isClusterRoleBinding: true)
        default: PlainStrategy()
        }
    }
}
