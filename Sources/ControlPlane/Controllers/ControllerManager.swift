import KubeAPI
import Logging

/// What the controllers need to know of the cluster.
public struct ControllerOptions: Sendable {
    /// The range that nodes get their pods' ranges from.
    public var clusterCIDR: CIDR
    /// The prefix length of a node's range.
    public var nodeCIDRMaskSize: Int
    /// The range and prefix length of the other family, where the cluster has both.
    public var secondRange: (range: CIDR, maskSize: Int)?
    /// How long events are kept.
    public var eventTTL: Duration
    /// Every collection that is served and can be listed and deleted: what garbage collection and the deletion of
    /// namespaces look through.
    public var resources: [ResourcePath]

    /// Of the kinds that are built in.
    public static var builtinResources: [ResourcePath] {
        Scheme.builtin.resources.filter { $0.verbs.contains("list") && $0.verbs.contains("delete") }.map(\.path)
    }

    /// The cluster's CA in PEM, which every namespace is told. It may come later: who asks and is refused asks again.
    public var authority: @Sendable () throws -> [UInt8]
    /// Signs the tokens that Secrets hold. It may come later, too.
    public var tokenKey: @Sendable () throws -> TokenKey

    public init(
        clusterCIDR: CIDR, nodeCIDRMaskSize: Int, eventTTL: Duration, resources: [ResourcePath],
        authority: @escaping @Sendable () throws -> [UInt8], tokenKey: @escaping @Sendable () throws -> TokenKey
    ) {
        self.clusterCIDR = clusterCIDR
        self.nodeCIDRMaskSize = nodeCIDRMaskSize
        self.eventTTL = eventTTL
        self.resources = resources
        self.authority = authority
        self.tokenKey = tokenKey
    }
}

/// Runs all controllers over one set of informers.
public final class ControllerManager: Sendable {
    private let informers: SharedInformers
    private let controllers: [any Controller]

    /// `client` is how they list and watch, and what the controllers without an account of their own use; `account` the
    /// API as that service account of kube-system.
    public init(
        client: any APIClient, as account: (_ name: String) -> any APIClient, options: ControllerOptions, log: Logger
    ) {
        let informers = SharedInformers(client: client, log: log)
        self.informers = informers
        func recorder(_ account: any APIClient, _ component: String) -> EventRecorder {
            EventRecorder(client: account, component: component)
        }
        func own(_ name: String) -> (client: any APIClient, recorder: EventRecorder) {
            let client = account(name)
            return (client, recorder(client, name))
        }
        let replication = own("replication-controller")
        let replicaSets = own("replicaset-controller")
        let deployments = own("deployment-controller")
        let jobs = own("job-controller")
        let daemons = account("daemon-set-controller")
        let nodes = account("node-controller")
        controllers = [
            ReplicationManager(
                .replicationController, client: replication.client, informers: informers,
                recorder: replication.recorder),
            ReplicationManager(
                .replicaSet, client: replicaSets.client, informers: informers, recorder: replicaSets.recorder),
            DeploymentController(
                client: deployments.client, informers: informers, recorder: deployments.recorder),
            DaemonSetController(
                client: daemons, informers: informers, recorder: recorder(daemons, "daemonset-controller")),
            JobController(client: jobs.client, informers: informers, recorder: jobs.recorder),
            JobTTL(client: account("ttl-after-finished-controller"), informers: informers),
            EndpointSliceController(client: account("endpointslice-controller"), informers: informers, log: log),
            EndpointsController(client: account("endpoint-controller"), informers: informers, log: log),
            EndpointSliceMirroring(
                client: account("endpointslicemirroring-controller"), informers: informers, log: log),
            NodeIPAM(
                client: nodes, informers: informers, range: options.clusterCIDR, maskSize: options.nodeCIDRMaskSize,
                second: options.secondRange, recorder: recorder(nodes, "cidrAllocator"), log: log),
            NodeLifecycle(
                client: nodes, informers: informers, recorder: recorder(nodes, "node-controller"), log: log),
            NamespaceDeletion(
                client: account("namespace-controller"), informers: informers, resources: options.resources, log: log),
            TaintEviction(
                client: nodes, informers: informers, recorder: recorder(nodes, "taint-eviction-controller"), log: log),
            GarbageCollector(
                client: account("generic-garbage-collector"), informers: informers, resources: options.resources,
                log: log),
            EventTTL(client: account("swiftlet-event-ttl-controller"), ttl: options.eventTTL, log: log),
            ServiceAccounts(client: account("service-account-controller"), informers: informers, log: log),
            RootCAPublisher(
                client: account("root-ca-cert-publisher"), informers: informers, authority: options.authority, log: log),
            SecretTokens(
                client: client, informers: informers, authority: options.authority, key: options.tokenKey, log: log),
            ClusterRoleAggregation(
                client: account("clusterrole-aggregation-controller"), informers: informers, log: log),
            PodGC(client: account("pod-garbage-collector"), informers: informers, log: log),
        ]
    }

    /// Whether the first lists are in: the controllers' health.
    public var isHealthy: Bool { informers.hasSynced }

    /// Runs until the task is cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.informers.run() }
            for controller in controllers { group.addTask { await controller.run() } }
            await group.waitForAll()
        }
    }
}

/// A loop that brings what is nearer to what is wanted.
protocol Controller: Sendable {
    /// Runs until the task is cancelled.
    func run() async
}
