import KubeAPI
import Logging

/// The collections that several controllers watch, each watched once.
final class SharedInformers: Sendable {
    /// By which they list and watch.
    let client: any APIClient
    let pods: Informer
    let nodes: Informer
    let services: Informer
    let endpoints: Informer
    let slices: Informer
    let replicationControllers: Informer
    let replicaSets: Informer
    let deployments: Informer
    let daemonSets: Informer
    let controllerRevisions: Informer
    let jobs: Informer
    let namespaces: Informer
    let serviceAccounts: Informer
    let leases: Informer
    let podsByNamespace: ObjectIndex
    let podsByNode: ObjectIndex
    let servicesByNamespace: ObjectIndex
    let replicationControllersByNamespace: ObjectIndex
    let replicaSetsByNamespace: ObjectIndex
    let deploymentsByNamespace: ObjectIndex
    let daemonSetsByNamespace: ObjectIndex
    let jobsByNamespace: ObjectIndex
    let podsByController: OwnedIndex
    let replicaSetsByController: OwnedIndex
    let revisionsByController: OwnedIndex
    /// By `namespace/service`.
    let slicesByService: ObjectIndex

    init(client: any APIClient, log: Logger) {
        self.client = client
        pods = Informer(client, .pods, log: log)
        nodes = Informer(client, .nodes, log: log)
        services = Informer(client, .services, log: log)
        endpoints = Informer(client, .endpoints, log: log)
        slices = Informer(client, .endpointSlices, log: log)
        replicationControllers = Informer(client, .replicationControllers, log: log)
        replicaSets = Informer(client, .replicaSets, log: log)
        deployments = Informer(client, .deployments, log: log)
        daemonSets = Informer(client, .daemonSets, log: log)
        controllerRevisions = Informer(client, .controllerRevisions, log: log)
        jobs = Informer(client, .jobs, log: log)
        namespaces = Informer(client, .namespaces, log: log)
        serviceAccounts = Informer(client, .serviceAccounts, log: log)
        leases = Informer(client, .leases, namespace: "kube-node-lease", log: log)
        podsByNamespace = ObjectIndex(pods, \.namespace)
        podsByNode = ObjectIndex(pods) { Pod($0).nodeName }
        servicesByNamespace = ObjectIndex(services, \.namespace)
        replicationControllersByNamespace = ObjectIndex(replicationControllers, \.namespace)
        replicaSetsByNamespace = ObjectIndex(replicaSets, \.namespace)
        deploymentsByNamespace = ObjectIndex(deployments, \.namespace)
        daemonSetsByNamespace = ObjectIndex(daemonSets, \.namespace)
        jobsByNamespace = ObjectIndex(jobs, \.namespace)
        podsByController = OwnedIndex(pods)
        replicaSetsByController = OwnedIndex(replicaSets)
        revisionsByController = OwnedIndex(controllerRevisions)
        slicesByService = ObjectIndex(slices) { slice in
            EndpointSlice(slice).serviceName.map { "\(slice.namespace)/\($0)" }
        }
    }

    private var all: [Informer] {
        [
            pods, nodes, services, endpoints, slices, replicationControllers, replicaSets, deployments, daemonSets,
            controllerRevisions, jobs, namespaces, serviceAccounts, leases,
        ]
    }

    /// The informer of a whole collection, if there is one.
    func informer(of resource: ResourcePath) -> Informer? { all.first { $0.resource == resource && $0 !== leases } }

    var hasSynced: Bool { all.allSatisfy(\.hasSynced) }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for informer in all { group.addTask { await informer.run() } }
            await group.waitForAll()
        }
    }
}
