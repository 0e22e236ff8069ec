import KubeAPI
import Logging
import Synchronization

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
    private let terminatedLimit: Int
    private let now: @Sendable () -> ContinuousClock.Instant
    /// Nodes that have pods and are not there, since when.
    private let missing = Mutex<[String: ContinuousClock.Instant]>([:])

    init(
        client: any APIClient, informers: SharedInformers, log: Logger, terminatedLimit: Int = PodGC.terminatedLimit,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.client = client
        self.informers = informers
        self.log = log
        self.terminatedLimit = terminatedLimit
        self.now = now
    }

    func run() async {
        await informers.pods.waitForSync()
        await informers.nodes.waitForSync()
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.period)  // cancellation is seen by the loop's condition
            await sweep()
        }
    }

    func sweep() async {
        let pods = informers.pods.all().map(Pod.init)
        let gone = await nodesThatAreGone(pods)
        for pod in pods where gone.contains(pod.nodeName) || (pod.isDeleting && pod.nodeName.isEmpty) {
            await remove(pod)
        }
        let ended = pods.filter(\.isTerminal)
        guard ended.count > terminatedLimit else { return }
        let created = { (pod: Pod) in pod.json["metadata"]["creationTimestamp"].stringValue }
        for pod in ended.sorted(by: { (created($0), $0.name) < (created($1), $1.name) })
            .prefix(ended.count - terminatedLimit)
        {
            await remove(pod)
        }
    }

    private func nodesThatAreGone(_ pods: [Pod]) async -> Set<String> {
        let absent = Set(pods.map(\.nodeName)).filter { !$0.isEmpty && informers.nodes.get($0) == nil }
        let now = now()
        let overdue = missing.withLock { missing in
            missing = missing.filter { absent.contains($0.key) }
            for name in absent where missing[name] == nil { missing[name] = now }
            return missing.filter { now - $0.value > Self.quarantine }.map(\.key)
        }
        var gone: Set<String> = []
        for name in overdue where await isGone(name) { gone.insert(name) }
        return gone
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
