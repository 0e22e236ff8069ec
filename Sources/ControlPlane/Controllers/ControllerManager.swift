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

    public init(clusterCIDR: CIDR, nodeCIDRMaskSize: Int, eventTTL: Duration, resources: [ResourcePath]) {
        self.clusterCIDR = clusterCIDR
        self.nodeCIDRMaskSize = nodeCIDRMaskSize
        self.eventTTL = eventTTL
        self.resources = resources
    }
}

/// Runs all controllers over one set of informers.
public final class ControllerManager: Sendable {
    private let informers: SharedInformers
    private let controllers: [any Controller]

    public init(client: any APIClient, options: ControllerOptions, log: Logger) {
        let informers = SharedInformers(client: client, log: log)
        self.informers = informers
        let recorder = { (component: String) in EventRecorder(client: client, component: component) }
        controllers = [
            ReplicationManager(
                .replicationController, client: client, informers: informers,
                recorder: recorder("replication-controller")),
            ReplicationManager(
                .replicaSet, client: client, informers: informers, recorder: recorder("replicaset-controller")),
            DeploymentController(client: client, informers: informers, recorder: recorder("deployment-controller")),
            DaemonSetController(client: client, informers: informers, recorder: recorder("daemonset-controller")),
            JobController(client: client, informers: informers, recorder: recorder("job-controller")),
            JobTTL(client: client, informers: informers),
            EndpointSliceController(client: client, informers: informers, log: log),
            EndpointsController(client: client, informers: informers, log: log),
            EndpointSliceMirroring(client: client, informers: informers, log: log),
            NodeIPAM(
                client: client, informers: informers, range: options.clusterCIDR, maskSize: options.nodeCIDRMaskSize,
                second: options.secondRange, recorder: recorder("cidrAllocator"), log: log),
            NodeLifecycle(client: client, informers: informers, recorder: recorder("node-controller"), log: log),
            NamespaceDeletion(client: client, informers: informers, resources: options.resources, log: log),
            TaintEviction(
                client: client, informers: informers, recorder: recorder("taint-eviction-controller"), log: log),
            GarbageCollector(client: client, informers: informers, resources: options.resources, log: log),
            EventTTL(client: client, ttl: options.eventTTL, log: log),
            ServiceAccounts(client: client, informers: informers, log: log),
            PodGC(client: client, informers: informers, log: log),
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
