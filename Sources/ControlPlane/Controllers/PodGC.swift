import KubeAPI
import Logging

/// Removes pods that nobody else will: of nodes that are gone, ended ones beyond a bound, deleted ones that were never
/// bound.
final class PodGC: Controller {
    /// Ended pods that are kept (Kubernetes' --terminated-pod-gc-threshold).
    static let terminatedLimit = 12500
    static let period: Duration = .seconds(20)
    /// A node that has just gone may come back (a daemon that registers again).
    static let quarantine: Duration = .seconds(40)

    private let client: any APIClient
    private let informers: SharedInformers
    private let log: Logger

    init(client: any APIClient, informers: SharedInformers, log: Logger) {
        self.client = client
        self.informers = informers
        self.log = log
    }

    func run() async {
        await informers.pods.waitForSync()
        await informers.nodes.waitForSync()
        var missing: [String: ContinuousClock.Instant] = [:]
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.period)  // cancellation is seen by the loop's condition
            let nodes = Set(informers.nodes.all().map(\.name))
            let pods = informers.pods.all().map(Pod.init)
            let absent = Set(pods.map(\.nodeName)).subtracting(nodes).subtracting([""])
            missing = missing.filter { absent.contains($0.key) }
            for name in absent where missing[name] == nil { missing[name] = .now }
            var gone: Set<String> = []
            for (name, since) in missing where ContinuousClock.now - since > Self.quarantine {
                if await isGone(name) { gone.insert(name) }
            }
            for pod in pods where gone.contains(pod.nodeName) || (pod.isDeleting && pod.nodeName.isEmpty) {
                await remove(pod)
            }
            let ended = pods.filter(\.isTerminal)
            if ended.count > Self.terminatedLimit {
                let created = { (pod: Pod) in pod.json["metadata"]["creationTimestamp"].stringValue }
                for pod in ended.sorted(by: { created($0) < created($1) }).prefix(ended.count - Self.terminatedLimit) {
                    await remove(pod)
                }
            }
        }
    }

    /// Asks the server: the informer may lag.
    private func isGone(_ node: String) async -> Bool {
        do {
            _ = try await client.get(.nodes, name: node)
            return false
        } catch {
            return (error as? StatusError)?.isNotFound ?? false
        }
    }

    private func remove(_ pod: Pod) async {
        do {
            try await client.delete(
                .pods, namespace: pod.namespace, name: pod.name,
                options: ["gracePeriodSeconds": 0, "preconditions": ["uid": .string(pod.uid)]])
        } catch {
            log.debug("cannot remove pod", metadata: ["pod": "\(pod.key)", "err": "\(error)"])
        }
    }
}
