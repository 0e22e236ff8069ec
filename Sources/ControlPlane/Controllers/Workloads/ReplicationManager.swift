import KubeAPI
import Logging

/// Keeps the number of pods that each ReplicationController, or each ReplicaSet, asks for.
final class ReplicationManager: Controller {
    private let kind: ReplicaKind
    private let client: any APIClient
    private let informers: SharedInformers
    private let owners: Informer
    private let queue = WorkQueue<String>()
    private let expectations = Expectations()
    private let owned: OwnedObjects
    private let pods: PodControl

    init(_ kind: ReplicaKind, client: any APIClient, informers: SharedInformers, recorder: EventRecorder) {
        self.kind = kind
        self.client = client
        self.informers = informers
        owners = kind.informer(informers)
        owned = OwnedObjects(client: client, owners: kind.resource, owned: .pods)
        pods = PodControl(client: client, recorder: recorder, expectations: expectations)
    }

    func run() async {
        owners.onEvent { [self] event in
            if case .deleted(let object) = event { expectations.forget(object.objectKey) }
            queue.add(event.object.objectKey)
        }
        let events = OwnedEvents(owners: kind.resource, owned: .pods, queue: queue, expectations: expectations) {
            [kind, byNamespace = kind.byNamespace(informers)] pod in
            byNamespace(pod.namespace).filter {
                kind.selector(of: $0).matches(labels: pod["metadata"]["labels"])
            }.map(\.objectKey)
        }
        informers.pods.onEvent { events.handle($0) }
        await owners.waitForSync()
        await informers.pods.waitForSync()
        await queue.run(workers: 2) { [self] key in try await sync(key) }
    }

    private func sync(_ key: String) async throws {
        guard let object = owners.get(key) else { return }
        let set = ReplicaSet(object)
        let claimed = try await owned.claim(
            object, kind.selector(of: object), among: informers.podsByController.candidates(for: object),
            adopting: { !Pod($0).isTerminal })
        let active = claimed.filter { Pod($0).isActive }
        var failure: ScalingFailure?
        if !set.isDeleting, expectations.areMet(key) { failure = await scale(set, key, active) }
        expectations.watchOver(key, queue)
        // The failure is in the status before the next attempt.
        try await updateStatus(set, claimed, failure)
        if let failure { throw failure.cause }
    }

    // MARK: scaling

    private func scale(_ set: ReplicaSet, _ key: String, _ active: [JSON]) async -> ScalingFailure? {
        let missing = set.replicas - active.count
        guard missing != 0 else { return nil }
        if missing > 0 {
            let pod = PodControl.pod(of: set.template, owner: set.json)
            return await pods.create(
                Array(repeating: pod, count: min(missing, PodControl.burstLimit)), set.json, key
            ).failure
        }
        let victims = ScaleDownOrder.firstToGo(
            active, count: min(-missing, PodControl.burstLimit), crowd: related(to: set) ?? active)
        return await pods.delete(victims, set.json, key).failure
    }

    /// The running pods of all replica sets of the same deployment; nil without one.
    private func related(to set: ReplicaSet) -> [JSON]? {
        guard kind == .replicaSet, let owner = set.json.controllerReference else { return nil }
        let siblings = informers.replicaSetsByController(owner["uid"].stringValue)
        return siblings.flatMap { informers.podsByController($0.uid) }.filter { Pod($0).isActive }
    }

    // MARK: status

    private func updateStatus(_ set: ReplicaSet, _ claimed: [JSON], _ failure: ScalingFailure?) async throws {
        let (status, soonest) = ReplicationStatus.make(
            set, claimed, failure: failure, countsTerminating: kind == .replicaSet)
        if let soonest { queue.add(set.key, after: soonest) }
        guard status != set.status else { return }
        var updated = set.json
        updated["status"] = status
        do {
            try await client.update(kind.resource, subresource: "status", updated)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }
}
