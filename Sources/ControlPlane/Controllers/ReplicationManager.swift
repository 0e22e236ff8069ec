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

    private func podChanged(_ event: Informer.Event) {
        let pod = event.object
        if let key = owner(of: pod) {
            switch event {
            case .added: expectations.observedCreation(key, pod.uid)
            case .deleted: expectations.observedDeletion(key, pod.uid)
            case .updated:
                if pod.isDeleting { expectations.observedDeletion(key, pod.uid) }
            }
            queue.add(key)
        }
        if case .updated(let old, _) = event, let before = owner(of: old), before != owner(of: pod) { queue.add(before) }
        // An orphan may be somebody's to adopt; one whose labels changed may be missed by its former owner.
        if pod.controllerReference == nil {
            for controller in informers.replicationControllers.all()
            where controller.namespace == pod.namespace && matches(ReplicationController(controller), pod) {
                queue.add(controller.objectKey)
            }
        }
    }

    private func owner(of pod: JSON) -> String? {
        guard let reference = pod.controllerReference, reference["kind"].string == "ReplicationController" else { return nil }
        return "\(pod.namespace)/\(reference["name"].stringValue)"
    }

    private func matches(_ controller: ReplicationController, _ pod: JSON) -> Bool {
        let selector = controller.selector
        guard !selector.isEmpty else { return false }
        let labels = pod.labels
        return selector.allSatisfy { labels[$0.key] == $0.value }
    }

    private func sync(_ key: String) async throws {
        guard let object = informers.replicationControllers.get(key) else { return }
        let controller = ReplicationController(object)
        var mine: [JSON] = []
        for pod in informers.pods.all() where pod.namespace == controller.namespace {
            if let reference = pod.controllerReference {
                guard object.isReferred(by: reference) else { continue }
                if matches(controller, pod) {
                    mine.append(pod)
                } else if !pod.isDeleting {
                    try await release(pod, from: object)
                }
            } else if matches(controller, pod), !pod.isDeleting, !controller.isDeleting, !Pod(pod).isTerminal {
                if let adopted = try await adopt(pod, by: object) { mine.append(adopted) }
            }
        }
        let active = mine.filter { !Pod($0).isTerminal && !$0.isDeleting }
        if !controller.isDeleting, expectations.areMet(key) { try await scale(controller, key, active) }
        try await updateStatus(controller, active)
    }

    // MARK: owning

    private func adopt(_ pod: JSON, by owner: JSON) async throws -> JSON? {
        do {
            return try await client.patch(
                .pods, namespace: pod.namespace, name: pod.name, type: .strategic,
                [
                    "metadata": [
                        "uid": .string(pod.uid),
                        "ownerReferences": [owner.ownerReference()],
                    ]
                ])
        } catch let error as StatusError where error.isNotFound || error.isConflict || error.reason == "Invalid" {
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

    private func scale(_ controller: ReplicationController, _ key: String, _ active: [JSON]) async throws {
        let missing = controller.replicas - active.count
        if missing > 0 {
            try await create(min(missing, Self.burstLimit), controller, key)
        } else if missing < 0 {
            let victims = active.sorted(by: Self.shouldGoFirst).prefix(min(-missing, Self.burstLimit))
            expectations.expectDeletions(key, Set(victims.map(\.uid)))
            await withTaskGroup(of: Void.self) { group in
                for pod in victims { group.addTask { await self.delete(pod, controller, key) } }
            }
        }
    }

    /// Batches of 1, 2, 4, …: where the first creation fails (a quota, a bad template), the others are not tried.
    private func create(_ count: Int, _ controller: ReplicationController, _ key: String) async throws {
        var template = controller.template
        template["apiVersion"] = "v1"
        template["kind"] = "Pod"
        template["metadata"]["generateName"] = .string(controller.name + "-")
        template["metadata"]["namespace"] = .string(controller.namespace)
        template["metadata"]["ownerReferences"] = [controller.json.ownerReference()]
        let pod = template
        var remaining = count
        var batch = 1
        while remaining > 0 {
            let size = min(batch, remaining)
            expectations.expectCreations(key, size)
            let failure = await withTaskGroup(of: (any Error)?.self) { group in
                for _ in 0..<size { group.addTask { await self.createOne(pod, controller, key) } }
                var first: (any Error)?
                for await failure in group { first = first ?? failure }
                return first
            }
            if let failure { throw failure }
            remaining -= size
            batch *= 2
        }
    }

    private func createOne(_ pod: JSON, _ controller: ReplicationController, _ key: String) async -> (any Error)? {
        do {
            let created = try await client.create(.pods, namespace: controller.namespace, pod)
            expectations.created(key, created.uid)
            recorder.record(
                object: controller.json, type: .normal, reason: "SuccessfulCreate", message: "Created pod: \(created.name)")
            return nil
        } catch {
            expectations.creationFailed(key)
            // A namespace that goes takes its controllers along: nothing to report.
            if let status = error as? StatusError, status.code == 403, status.message.contains("being terminated") {
                return nil
            }
            recorder.record(
                object: controller.json, type: .warning, reason: "FailedCreate", message: "Error creating: \(error)")
            return error
        }
    }

    private func delete(_ pod: JSON, _ controller: ReplicationController, _ key: String) async {
        do {
            try await client.delete(
                .pods, namespace: pod.namespace, name: pod.name, options: ["preconditions": ["uid": .string(pod.uid)]])
            recorder.record(
                object: controller.json, type: .normal, reason: "SuccessfulDelete", message: "Deleted pod: \(pod.name)")
        } catch {
            expectations.observedDeletion(key, pod.uid)
            if let status = error as? StatusError, status.isNotFound || status.isConflict { return }
            recorder.record(
                object: controller.json, type: .warning, reason: "FailedDelete", message: "Error deleting: \(error)")
            queue.addRateLimited(key)
        }
    }

    /// The order in which pods go: those that serve least first.
    private static func shouldGoFirst(_ left: JSON, _ right: JSON) -> Bool {
        func rank(_ object: JSON) -> (Int, Int, Int) {
            let pod = Pod(object)
            let phase = pod.phase == "Pending" ? 0 : pod.phase == "Running" ? 2 : 1
            return (pod.nodeName.isEmpty ? 0 : 1, phase, pod.isReady ? 1 : 0)
        }
        let (a, b) = (rank(left), rank(right))
        if a != b { return a < b }
        let restarts = { (object: JSON) in
            object["status"]["containerStatuses"].items.reduce(0) { max($0, $1["restartCount"].int ?? 0) }
        }
        let (more, fewer) = (restarts(left), restarts(right))
        if more != fewer { return more > fewer }
        // The younger go first: they have the fewest connections.
        let (young, old) = (left["metadata"]["creationTimestamp"].stringValue, right["metadata"]["creationTimestamp"].stringValue)
        return young == old ? left.name > right.name : young > old
    }

    // MARK: status

    private func updateStatus(_ controller: ReplicationController, _ active: [JSON]) async throws {
        let labels = controller.template["metadata"]["labels"].stringMap
        let ready = active.filter { Pod($0).isReady }
        let now = Timestamp.now()
        var soonest: Duration?
        let available = ready.filter { pod in
            let wait = Duration.seconds(controller.minReadySeconds)
            guard wait > .zero, let since = Pod(pod).condition("Ready")?["lastTransitionTime"].string,
                let time = Timestamp(rfc3339: since)
            else { return true }
            let left = wait - (now - time)
            if left > .zero { soonest = min(soonest ?? left, left) }
            return left <= .zero
        }
        if let soonest { queue.add(controller.key, after: soonest) }
        var status = controller.status
        status["replicas"] = .int(Int64(active.count))
        status["fullyLabeledReplicas"] = JSON(
            Self.positive(active.filter { pod in labels.allSatisfy { pod.labels[$0.key] == $0.value } }.count))
        status["readyReplicas"] = JSON(Self.positive(ready.count))
        status["availableReplicas"] = JSON(Self.positive(available.count))
        status["observedGeneration"] = .int(Int64(controller.json.generation))
        guard status != controller.status else { return }
        var updated = controller.json
        updated["status"] = status
        do {
            try await client.update(.replicationControllers, subresource: "status", updated)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }

    /// Counters of 0 are left out, as Kubernetes' types omit them.
    private static func positive(_ count: Int) -> Int? { count > 0 ? count : nil }
}
