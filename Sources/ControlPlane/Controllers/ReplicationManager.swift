import KubeAPI
import Logging
import Synchronization

/// Keeps the number of pods that each ReplicationController asks for.
final class ReplicationManager: Controller {
    /// Pods created or deleted in one round; more come in the next.
    static let burstLimit = 500

    private let client: any APIClient
    private let informers: SharedInformers
    private let recorder: EventRecorder
    private let log: Logger
    private let queue = WorkQueue<String>()
    private let expectations = Expectations()

    init(client: any APIClient, informers: SharedInformers, recorder: EventRecorder, log: Logger) {
        self.client = client
        self.informers = informers
        self.recorder = recorder
        self.log = log
    }

    func run() async {
        informers.replicationControllers.onEvent { [self] event in
            if case .deleted(let object) = event { expectations.forget(object.objectKey) }
            queue.add(event.object.objectKey)
        }
        informers.pods.onEvent { [self] event in podChanged(event) }
        await informers.replicationControllers.waitForSync()
        await informers.pods.waitForSync()
        await queue.run(workers: 2) { [self] key in try await sync(key) }
    }

    // MARK: what happens

    private func podChanged(_ event: Informer.Event) {
        let pod = event.object
        if let key = Self.owner(of: pod) {
            switch event {
            case .added: expectations.observedCreation(key, pod.uid)
            case .deleted: expectations.observedDeletion(key, pod.uid)
            case .updated: if pod.isDeleting { expectations.observedDeletion(key, pod.uid) }
            }
            queue.add(key)
        }
        if case .updated(let old, _) = event, let before = Self.owner(of: old), before != Self.owner(of: pod) {
            queue.add(before)
        }
        // An orphan may be somebody's to adopt.
        guard pod.controllerReference == nil, !pod.isDeleting else { return }
        for controller in informers.replicationControllersByNamespace(pod.namespace)
        where Self.matches(ReplicationController(controller), pod) {
            queue.add(controller.objectKey)
        }
    }

    private static func owner(of pod: JSON) -> String? {
        guard let reference = pod.controllerReference, reference["kind"].string == "ReplicationController",
            reference["apiVersion"].string == "v1"
        else { return nil }
        return "\(pod.namespace)/\(reference["name"].stringValue)"
    }

    private static func matches(_ controller: ReplicationController, _ pod: JSON) -> Bool {
        let selector = controller.spec["selector"]
        guard let wanted = selector.object, !wanted.isEmpty else { return false }
        let labels = pod["metadata"]["labels"]
        return wanted.allSatisfy { labels[$0.key] == $0.value }
    }

    private func sync(_ key: String) async throws {
        guard let object = informers.replicationControllers.get(key) else { return }
        let controller = ReplicationController(object)
        let mine = try await claim(controller).filter { !Pod($0).isTerminal && !$0.isDeleting }
        var failure: ScalingFailure?
        if !controller.isDeleting, expectations.areMet(key) {
            failure = await scale(controller, key, mine)
        }
        // The failure is in the status before the next attempt.
        try await updateStatus(controller, mine, failure)
        if let failure { throw failure.cause }
    }

    // MARK: owning

    /// The controller's pods: those that it owns, and orphans that its selector matches, which it adopts. What it owns
    /// and does not match any more is let go.
    private func claim(_ controller: ReplicationController) async throws -> [JSON] {
        var mine: [JSON] = []
        var mayAdopt: Bool?
        for pod in informers.podsByNamespace(controller.namespace) {
            let matches = Self.matches(controller, pod)
            if let reference = pod.controllerReference {
                guard controller.json.isReferred(by: reference) else { continue }
                if matches {
                    mine.append(pod)
                } else if !pod.isDeleting, !controller.isDeleting {
                    try await release(pod, from: controller.json)
                }
                continue
            }
            guard matches, !pod.isDeleting, !controller.isDeleting, !Pod(pod).isTerminal else { continue }
            if mayAdopt == nil { mayAdopt = try await isStillThere(controller) }
            if mayAdopt == true, let adopted = try await adopt(pod, by: controller.json) { mine.append(adopted) }
        }
        return mine
    }

    /// Asks the server: a controller that goes must not take pods with it that were somebody else's a moment ago.
    private func isStillThere(_ controller: ReplicationController) async throws -> Bool {
        do {
            let current = try await client.get(
                .replicationControllers, namespace: controller.namespace, name: controller.name)
            return current.uid == controller.uid && !current.isDeleting
        } catch let error as StatusError where error.isNotFound {
            return false
        }
    }

    private func adopt(_ pod: JSON, by owner: JSON) async throws -> JSON? {
        do {
            return try await client.patch(
                .pods, namespace: pod.namespace, name: pod.name, type: .strategic,
                ["metadata": ["uid": .string(pod.uid), "ownerReferences": [owner.ownerReference()]]])
        } catch let error as StatusError where error.isNotFound || error.isConflict || error.reason == "Invalid" {
            // Gone, another one by now, or somebody else's.
            return nil
        }
    }

    private func release(_ pod: JSON, from owner: JSON) async throws {
        do {
            try await client.patch(
                .pods, namespace: pod.namespace, name: pod.name, type: .strategic,
                [
                    "metadata": [
                        "uid": .string(pod.uid),
                        "ownerReferences": [["$patch": "delete", "uid": .string(owner.uid)]],
                    ]
                ])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
    }

    // MARK: scaling

    private func scale(_ controller: ReplicationController, _ key: String, _ active: [JSON]) async -> ScalingFailure? {
        let missing = controller.replicas - active.count
        guard missing != 0 else { return nil }
        // Should an event be missed, the controller is looked at again when it stops waiting for it.
        queue.add(key, after: Expectations.lifetime + .seconds(1))
        if missing > 0 { return await create(min(missing, Self.burstLimit), controller, key) }
        let victims = ScaleDownOrder.firstToGo(active, count: min(-missing, Self.burstLimit))
        expectations.expectDeletions(key, Set(victims.map(\.uid)))
        let failures = await withTaskGroup(of: (any Error)?.self) { group in
            for pod in victims { group.addTask { await self.delete(pod, controller, key) } }
            return await group.reduce(into: [any Error]()) { if let error = $1 { $0.append(error) } }
        }
        return failures.first.map { ScalingFailure(reason: "FailedDelete", cause: $0) }
    }

    /// Batches of 1, 2, 4, …: where the first creation fails (a quota, a bad template), the others are not tried.
    private func create(_ count: Int, _ controller: ReplicationController, _ key: String) async -> ScalingFailure? {
        let pod = Self.pod(of: controller)
        var remaining = count
        var batch = 1
        while remaining > 0 {
            let size = min(batch, remaining)
            expectations.expectCreations(key, size)
            let failures = await withTaskGroup(of: (any Error)?.self) { group in
                for _ in 0..<size { group.addTask { await self.createOne(pod, controller, key) } }
                return await group.reduce(into: [any Error]()) { if let error = $1 { $0.append(error) } }
            }
            if let failure = failures.first {
                // A namespace that goes takes its controllers along: nothing to report, nothing to try again.
                return Self.isNamespaceGoing(failure) ? nil : ScalingFailure(reason: "FailedCreate", cause: failure)
            }
            remaining -= size
            batch *= 2
        }
        return nil
    }

    private static func pod(of controller: ReplicationController) -> JSON {
        let template = controller.template
        var metadata: JSON = [
            "generateName": .string(controller.name + "-"), "namespace": .string(controller.namespace),
            "ownerReferences": [controller.json.ownerReference()],
        ]
        for field in ["labels", "annotations", "finalizers"] { metadata[field] = template["metadata"][field] }
        return ["apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]]
    }

    private static func isNamespaceGoing(_ error: any Error) -> Bool {
        (error as? StatusError)?.details["causes"].items.contains { $0["reason"].string == "NamespaceTerminating" }
            ?? false
    }

    private func createOne(_ pod: JSON, _ controller: ReplicationController, _ key: String) async -> (any Error)? {
        do {
            let created = try await client.create(.pods, namespace: controller.namespace, pod)
            expectations.created(key, created.uid)
            recorder.record(
                object: controller.json, type: .normal, reason: "SuccessfulCreate",
                message: "Created pod: \(created.name)")
            return nil
        } catch {
            expectations.creationFailed(key)
            if !Self.isNamespaceGoing(error) {
                recorder.record(
                    object: controller.json, type: .warning, reason: "FailedCreate", message: "Error creating: \(error)"
                )
            }
            return error
        }
    }

    private func delete(_ pod: JSON, _ controller: ReplicationController, _ key: String) async -> (any Error)? {
        do {
            try await client.delete(
                .pods, namespace: pod.namespace, name: pod.name, options: ["preconditions": ["uid": .string(pod.uid)]])
            recorder.record(
                object: controller.json, type: .normal, reason: "SuccessfulDelete", message: "Deleted pod: \(pod.name)")
            return nil
        } catch {
            expectations.observedDeletion(key, pod.uid)
            if let status = error as? StatusError, status.isNotFound || status.isConflict { return nil }
            recorder.record(
                object: controller.json, type: .warning, reason: "FailedDelete", message: "Error deleting: \(error)")
            return error
        }
    }

    // MARK: status

    private func updateStatus(
        _ controller: ReplicationController, _ active: [JSON], _ failure: ScalingFailure?
    ) async throws {
        let (status, soonest) = ReplicationStatus.make(controller, active, failure: failure)
        if let soonest { queue.add(controller.key, after: soonest) }
        guard status != controller.status else { return }
        var updated = controller.json
        updated["status"] = status
        do {
            try await client.update(.replicationControllers, subresource: "status", updated)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }
}

/// Why pods could not be made or removed.
struct ScalingFailure: Sendable {
    /// `FailedCreate`, `FailedDelete`
    let reason: String
    let cause: any Error
}
