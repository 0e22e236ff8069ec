import KubeAPI
import Logging

/// What the controllers need to know of the cluster.
public struct ControllerOptions: Sendable {
    /// The range that nodes get their pods' ranges from.
    public var clusterCIDR: CIDR
    /// The prefix length of a node's range.
    public var nodeCIDRMaskSize: Int
    /// How long events are kept.
    public var eventTTL: Duration
    /// Every collection that is served and can be listed and deleted: what garbage collection and the deletion of
    /// namespaces look through.
    public var resources: [ResourcePath]

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
            ReplicationManager(client: client, informers: informers, recorder: recorder("replication-controller"), log: log),
            EndpointSliceController(client: client, informers: informers, log: log),
            EndpointsController(client: client, informers: informers, log: log),
            EndpointSliceMirroring(client: client, informers: informers, log: log),
            NodeIPAM(
                client: client, informers: informers, range: options.clusterCIDR, maskSize: options.nodeCIDRMaskSize,
                recorder: recorder("cidrAllocator"), log: log),
            NodeLifecycle(client: client, informers: informers, recorder: recorder("node-controller"), log: log),
            NamespaceDeletion(client: client, informers: informers, resources: options.resources, log: log),
            GarbageCollector(client: client, resources: options.resources, log: log),
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

/// The collections that several controllers watch, each watched once.
final class SharedInformers: Sendable {
    let pods: Informer
    let nodes: Informer
    let services: Informer
    let endpoints: Informer
    let slices: Informer
    let replicationControllers: Informer
    let namespaces: Informer
    let serviceAccounts: Informer
    let leases: Informer

    init(client: any APIClient, log: Logger) {
        pods = Informer(client, .pods, log: log)
        nodes = Informer(client, .nodes, log: log)
        services = Informer(client, .services, log: log)
        endpoints = Informer(client, .endpoints, log: log)
        slices = Informer(client, .endpointSlices, log: log)
        replicationControllers = Informer(client, .replicationControllers, log: log)
        namespaces = Informer(client, .namespaces, log: log)
        serviceAccounts = Informer(client, .serviceAccounts, log: log)
        leases = Informer(client, .leases, namespace: "kube-node-lease", log: log)
    }

    private var all: [Informer] {
        [pods, nodes, services, endpoints, slices, replicationControllers, namespaces, serviceAccounts, leases]
    }
    var hasSynced: Bool { all.allSatisfy(\.hasSynced) }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for informer in all { group.addTask { await informer.run() } }
            await group.waitForAll()
        }
    }
}

extension JSON {
    /// The reference by which an object is owned by this one.
    func ownerReference(isController: Bool = true) -> JSON {
        [
            "apiVersion": .string(apiVersion), "kind": .string(kind), "name": .string(name), "uid": .string(uid),
            "controller": .bool(isController), "blockOwnerDeletion": true,
        ]
    }

    /// Whether `reference` is to this object.
    func isReferred(by reference: JSON) -> Bool { reference["uid"].stringValue == uid && !uid.isEmpty }
}
