import KubeAPI
import Kernel
import Logging

/// What all pod workers of a node share.
struct KubeletContext: Sendable {
    let config: KubeletConfig
    let paths: KubeletPaths
    let node: NodeView
    let runtime: any ContainerRuntime
    let images: ImageFinder
    /// Nil on a node without an API.
    let client: (any APIClient)?
    let events: NodeEvents
    let objects: ReferencedObjects?
    let tokens: ServiceAccountTokens?
    let services: Informer?
    /// For work on the disk that may take long.
    let files: WorkerThreads
    let leftovers: Leftovers
    let metrics: NodeMetrics
    /// Probes and hooks.
    let health: any HealthRunner
    let probeMetrics = ProbeMetrics()
    let log: Logger

    var logs: LogFolders { LogFolders(paths: paths) }

    /// What a pod's environment and downward volumes are made of.
    func environment(of pod: Pod, podIPs: [String], objects: [ObjectReference: JSON?]) -> EnvironmentSource {
        EnvironmentSource(
            pod: pod, podIPs: podIPs, hostIPs: node.hostIPs, nodeName: config.nodeName, allocatable: node.allocatable,
            hostname: pod.hostNetwork ? node.hostname : pod.hostname,
            services: ServiceVariables.variables(
                services: services?.all() ?? [], namespace: pod.namespace,
                areLinksEnabled: pod.spec["enableServiceLinks"].bool ?? true),
            object: { resource, name in
                let reference = ObjectReference(resource: resource, namespace: pod.namespace, name: name)
                guard let known = objects[reference] else {
                    throw ContainerConfigError("\(reference.resource) \"\(name)\" is not known yet")
                }
                return known
            })
    }
}
