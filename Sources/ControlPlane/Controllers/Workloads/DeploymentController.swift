import KubeAPI
import Logging

/// Brings a deployment's pods to its template, by a replica set for each template and by moving pods between them
/// (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/).
final class DeploymentController: Controller {
    let client: any APIClient
    let informers: SharedInformers
    let recorder: EventRecorder
    let queue = WorkQueue<String>()
    private let owned: OwnedObjects

    init(client: any APIClient, informers: SharedInformers, recorder: EventRecorder) {
        self.client = client
        self.informers = informers
        self.recorder = recorder
        owned = OwnedObjects(client: client, owners: .deployments, owned: .replicaSets)
    }

    func run() async {
        informers.deployments.onEvent { [queue] in queue.add($0.object.objectKey) }
        let events = OwnedEvents(owners: .deployments, owned: .replicaSets, queue: queue) { [informers] set in
            informers.deploymentsByNamespace(set.namespace).filter {
                LabelSelector($0["spec"]["selector"]).matches(labels: set["metadata"]["labels"])
            }.map(\.objectKey)
        }
        informers.replicaSets.onEvent { events.handle($0) }
        informers.pods.onEvent { [self] event in
            if case .deleted(let pod) = event { podIsGone(pod, events) }
        }
        for informer in [informers.deployments, informers.replicaSets, informers.pods] { await informer.waitForSync() }
        await queue.run(workers: 2) { [self] key in try await sync(key) }
    }

    /// One that is recreated waits for the last of its old pods.
    private func podIsGone(_ pod: JSON, _ events: OwnedEvents) {
        guard let reference = pod.controllerReference, reference["kind"] == "ReplicaSet",
            let set = informers.replicaSets.get("\(pod.namespace)/\(reference["name"].stringValue)"),
            let key = events.owner(of: set), let deployment = informers.deployments.get(key),
            deployment["spec"]["strategy"]["type"] == "Recreate"
        else { return }
        queue.add(key)
    }

    private func sync(_ key: String) async throws {
        guard let object = informers.deployments.get(key) else { return }
        var deployment = Deployment(object)
        let sets = try await owned.claim(
            object, LabelSelector(object["spec"]["selector"]),
            among: informers.replicaSetsByController.candidates(for: object)
        ).map(ReplicaSet.init)
        if deployment.isDeleting { return try await writeStatus(Rollout(deployment, sets), DeploymentStatus.counted) }
        try await notePause(&deployment)
        var rollout = Rollout(deployment, sets)
        if deployment.isPaused || rollout.isScaled {
            try await adoptRevision(&rollout)
            for (set, replicas) in rollout.scalePlan() { try await scale(set, to: replicas, &rollout) }
            if deployment.isPaused { try await cleanUp(rollout) }
            return try await writeStatus(rollout, DeploymentStatus.counted)
        }
        if deployment.isRollingUpdate { try await roll(&rollout) } else { try await recreate(&rollout) }
        try await writeStatus(rollout, DeploymentStatus.progressed)
    }

    /// The deadline does not run while a deployment is paused.
    private func notePause(_ deployment: inout Deployment) async throws {
        guard deployment.progressDeadline != nil else { return }
        let reason = DeploymentStatus.condition(deployment.status, "Progressing")?["reason"].string
        // What was reported late stays so.
        guard reason != DeploymentStatus.timedOut, deployment.isPaused != (reason == "DeploymentPaused") else { return }
        DeploymentStatus.set(
            &deployment.status,
            deployment.isPaused
                ? DeploymentStatus.make("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
                : DeploymentStatus.make("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"))
        deployment.json = try await client.update(.deployments, subresource: "status", deployment.json)
    }

    // MARK: strategies

    private func roll(_ rollout: inout Rollout) async throws {
        try await adoptRevision(&rollout)
        try await ensureNewSet(&rollout)
        guard let new = rollout.new else { return }
        if try await scale(new, to: min(rollout.newReplicas, rollout.deployment.replicas), &rollout) { return }
        let limit = rollout.removableOldReplicas
        if limit > 0, !rollout.activeOld.isEmpty {
            var hasScaled = false
            for (set, replicas) in rollout.unhealthyCleanup(limit) {
                if try await scale(set, to: replicas, &rollout) { hasScaled = true }
            }
            for (set, replicas) in rollout.oldScaleDown() {
                if try await scale(set, to: replicas, &rollout) { hasScaled = true }
            }
            if hasScaled { return }
        }
        try await cleanUpWhenComplete(rollout)
    }

    private func recreate(_ rollout: inout Rollout) async throws {
        try await adoptRevision(&rollout)
        let active = rollout.activeOld
        for set in active { try await scale(set, to: 0, &rollout) }
        guard active.isEmpty, !hasOldPods(rollout) else { return }
        try await ensureNewSet(&rollout)
        guard let new = rollout.new else { return }
        if try await scale(new, to: rollout.deployment.replicas, &rollout) { return }
        try await cleanUpWhenComplete(rollout)
    }

    /// Pods of old sets that have not ended, those on their way out included.
    private func hasOldPods(_ rollout: Rollout) -> Bool {
        rollout.old.contains { set in
            set.observedReplicas > 0 || informers.podsByController(set.uid).contains { !Pod($0).isTerminal }
        }
    }

    private func cleanUpWhenComplete(_ rollout: Rollout) async throws {
        if DeploymentStatus.isComplete(rollout.deployment, rollout.deployment.status) { try await cleanUp(rollout) }
    }

    // MARK: status

    private func writeStatus(_ rollout: Rollout, _ make: (Rollout) -> JSON) async throws {
        var deployment = rollout.deployment
        let status = make(rollout)
        if let wait = DeploymentStatus.timeToDeadline(deployment, status) { queue.add(deployment.key, after: wait) }
        deployment.status = status
        guard deployment.json != rollout.stored else { return }
        do {
            try await client.update(.deployments, subresource: "status", deployment.json)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }
}
