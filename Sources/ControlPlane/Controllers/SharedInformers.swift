import KubeAPI
import Logging
import Synchronization

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
    let podsByNamespace: PodsByNamespace

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
        podsByNamespace = PodsByNamespace(pods)
    }

    private var all: [Informer] {
        [pods, nodes, services, endpoints, slices, replicationControllers, namespaces, serviceAccounts, leases]
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

/// Pods by namespace: controllers ask for those of one again and again.
///
/// It is the informer's first handler, so that the others find in it what they are told of.
final class PodsByNamespace: Sendable {
    private let pods = Mutex<[String: [String: JSON]]>([:])

    init(_ informer: Informer) {
        informer.onEvent { [weak self] in self?.apply($0) }
    }

    private func apply(_ event: Informer.Event) {
        let pod = event.object
        pods.withLock { pods in
            if case .deleted = event {
                pods[pod.namespace]?[pod.name] = nil
                if pods[pod.namespace]?.isEmpty == true { pods[pod.namespace] = nil }
            } else {
                pods[pod.namespace, default: [:]][pod.name] = pod
            }
        }
    }

    func callAsFunction(_ namespace: String) -> [JSON] { pods.withLock { $0[namespace].map { Array($0.values) } ?? [] } }
}
