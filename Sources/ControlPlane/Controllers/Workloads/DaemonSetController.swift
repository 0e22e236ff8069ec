import KubeAPI
import Logging
import Synchronization

/// Runs one pod of each daemon set on every node that fits
/// (https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/).
final class DaemonSetController: Controller {
    /// Pods created or deleted in one round, as in Kubernetes.
    static let burstLimit = 250
    /// Nodes whose failing pods are remembered.
    private static let memoryLimit = 4096

    private let client: any APIClient
    private let informers: SharedInformers
    private let recorder: EventRecorder
    private let queue = WorkQueue<String>()
    private let expectations = Expectations()
    private let owned: OwnedObjects
    private let pods: PodControl
    private let history: RevisionHistory
    /// How long failing pods of a set on a node are left alone, so that a node that refuses them is not flooded.
    private let backoffs = Mutex<[String: (pause: Backoff, until: ContinuousClock.Instant)]>([:])

    init(client: any APIClient, informers: SharedInformers, recorder: EventRecorder) {
        self.client = client
        self.informers = informers
        self.recorder = recorder
        owned = OwnedObjects(client: client, owners: .daemonSets, owned: .pods)
        pods = PodControl(client: client, recorder: recorder, expectations: expectations)
        history = RevisionHistory(client: client, informers: informers)
    }

    func run() async {
        informers.daemonSets.onEvent { [self] event in
            if case .deleted(let object) = event { expectations.forget(object.objectKey) }
            queue.add(event.object.objectKey)
        }
        let suitors: @Sendable (JSON) -> [String] = { [informers] object in
            informers.daemonSetsByNamespace(object.namespace).filter {
                LabelSelector($0["spec"]["selector"]).matches(labels: object["metadata"]["labels"])
            }.map(\.objectKey)
        }
        let podEvents = OwnedEvents(
            owners: .daemonSets, owned: .pods, queue: queue, expectations: expectations, suitors: suitors)
        informers.pods.onEvent { podEvents.handle($0) }
        let revisionEvents = OwnedEvents(
            owners: .daemonSets, owned: .controllerRevisions, queue: queue, suitors: suitors)
        informers.controllerRevisions.onEvent { revisionEvents.handle($0) }
        informers.nodes.onEvent { [self] in nodeChanged($0) }
        for informer in [informers.daemonSets, informers.pods, informers.controllerRevisions, informers.nodes] {
            await informer.waitForSync()
        }
        await queue.run(workers: 2) { [self] key in try await sync(key) }
    }

    private func nodeChanged(_ event: Informer.Event) {
        if case .updated(let old, let new) = event, old["metadata"]["labels"] == new["metadata"]["labels"],
            old["spec"]["taints"] == new["spec"]["taints"]
        {
            return  // a heartbeat
        }
        for set in informers.daemonSets.all() { queue.add(set.objectKey) }
    }

    private func sync(_ key: String) async throws {
        guard let object = informers.daemonSets.get(key), !object.isDeleting else { return }
        let set = DaemonSet(object)
        let (current, old) = try await history.current(of: set)
        let hash = current.labels[RevisionHistory.hashLabel] ?? ""
        let claimed = try await owned.claim(
            object, LabelSelector(set.spec["selector"]), among: informers.podsByController.candidates(for: object))
        let template = DaemonPod(set, hash: hash)
        let plan = DaemonPlan(set, hash: hash, nodes: informers.nodes.all(), pods: claimed, template)
        var failure: ScalingFailure?
        if expectations.areMet(key) {
            failure = await perform(withoutHopeless(plan.manage(), set, key), set, key, template)
            if failure == nil, set.isRollingUpdate, expectations.areMet(key) {
                failure = await perform(plan.roll(), set, key, template)
            }
            try await history.cleanUp(set, old: old, pods: claimed)
        }
        expectations.watchOver(key, queue)
        try await updateStatus(set, plan)
        if let failure { throw failure.cause }
    }

    // MARK: pods

    /// Reports pods that have ended, and leaves those alone that fail again and again.
    private func withoutHopeless(_ actions: DaemonPlan.Actions, _ set: DaemonSet, _ key: String) -> DaemonPlan.Actions {
        var actions = actions
        for pod in actions.ended {
            if pod.phase == "Failed" {
                if let wait = pause(set, pod.nodeName) {
                    queue.add(key, after: wait)
                    actions.deletions.removeAll { $0.uid == pod.uid }
                    continue
                }
                recorder.record(
                    object: set.json, type: .warning, reason: "FailedDaemonPod",
                    message: "Found failed daemon pod \(pod.key) on node \(pod.nodeName), will try to kill it")
            } else {
                recorder.record(
                    object: set.json, type: .normal, reason: "SucceededDaemonPod",
                    message: "Found succeeded daemon pod \(pod.key) on node \(pod.nodeName), will try to delete it")
            }
        }
        return actions
    }

    /// What is left of the pause before the next pod on the node; nil where it may be replaced now.
    private func pause(_ set: DaemonSet, _ node: String) -> Duration? {
        backoffs.withLock { backoffs in
            let now = ContinuousClock.now
            let key = "\(set.uid)/\(node)"
            if let entry = backoffs[key], entry.until > now { return entry.until - now }
            if backoffs.count >= Self.memoryLimit { backoffs.removeAll() }
            var pause = backoffs[key]?.pause ?? Backoff(first: .seconds(1), limit: .seconds(900))
            let wait = pause.next()
            backoffs[key] = (pause, now + wait)
            return nil
        }
    }

    private func perform(
        _ actions: DaemonPlan.Actions, _ set: DaemonSet, _ key: String, _ template: DaemonPod
    ) async -> ScalingFailure? {
        guard !actions.creations.isEmpty || !actions.deletions.isEmpty else { return nil }
        let wanted = actions.creations.prefix(Self.burstLimit).map(template.make)
        let made = await pods.create(wanted, set.json, key)
        let removed = await pods.delete(Array(actions.deletions.prefix(Self.burstLimit)), set.json, key)
        return made.failure ?? removed.failure
    }

    // MARK: status

    private func updateStatus(_ set: DaemonSet, _ plan: DaemonPlan) async throws {
        let (status, soonest) = plan.status()
        if let soonest { queue.add(set.key, after: soonest) }
        guard status != set.status else { return }
        var object = set.json
        object["status"] = status
        do {
            try await client.update(.daemonSets, subresource: "status", object)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }
}
