import KubeAPI
import Logging
import Synchronization

/// Runs pods for each job until enough of them have succeeded
/// (https://kubernetes.io/docs/concepts/workloads/controllers/job/).
final class JobController: Controller {
    let client: any APIClient
    let informers: SharedInformers
    let recorder: EventRecorder
    private let firstPause: Duration
    private let queue = WorkQueue<String>()
    /// Pods with a finalizer of ours, whose job may be gone.
    private let orphans = WorkQueue<String>()
    private let expectations = Expectations()
    private let owned: OwnedObjects
    private let control: PodControl

    struct Memory {
        /// As last written: the informer may be behind, and a count on old numbers would start pods twice.
        var written: JSON?
        var backoff = JobBackoff()
        /// Uids of pods whose finalizer was removed and is still shown.
        var released: Set<String> = []
    }
    let memory = Mutex<[String: Memory]>([:])

    /// `firstPause` is how long the first failure is waited for.
    init(
        client: any APIClient, informers: SharedInformers, recorder: EventRecorder,
        firstPause: Duration = JobBackoff.first
    ) {
        self.client = client
        self.informers = informers
        self.recorder = recorder
        self.firstPause = firstPause
        owned = OwnedObjects(client: client, owners: .jobs, owned: .pods, finalizer: Job.trackingFinalizer)
        control = PodControl(client: client, recorder: recorder, expectations: expectations)
    }

    func run() async {
        let events = OwnedEvents(owners: .jobs, owned: .pods, queue: queue, expectations: expectations) {
            [informers] pod in
            informers.jobsByNamespace(pod.namespace).filter {
                LabelSelector($0["spec"]["selector"]).matches(labels: pod["metadata"]["labels"])
            }.map(\.objectKey)
        }
        informers.jobs.onEvent { [self] in jobChanged($0) }
        informers.pods.onEvent { [self] in podChanged($0, events) }
        await informers.jobs.waitForSync()
        await informers.pods.waitForSync()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in await queue.run(workers: 2) { [self] key in try await sync(key) } }
            group.addTask { [self] in await orphans.run { [self] key in try await letGo(key) } }
        }
    }

    // MARK: what happens

    private func jobChanged(_ event: Informer.Event) {
        let job = event.object
        if case .deleted = event {
            expectations.forget(job.objectKey)
            memory.withLock { _ = $0.removeValue(forKey: job.objectKey) }
            for pod in informers.podsByController(job.uid) { orphans.add(pod.objectKey) }
        }
        queue.add(job.objectKey)
    }

    private func podChanged(_ event: Informer.Event, _ events: OwnedEvents) {
        let pod = event.object
        let isHeld = pod.finalizers.contains(Job.trackingFinalizer)
        if let key = events.owner(of: pod) {
            var isGone = !isHeld
            if case .deleted = event { isGone = true }
            if isGone { memory.withLock { _ = $0[key]?.released.remove(pod.uid) } }
            if isHeld, informers.jobs.get(key)?.uid != pod.controllerReference?["uid"].string {
                orphans.add(pod.objectKey)
            }
        } else if isHeld {
            orphans.add(pod.objectKey)
        }
        events.handle(event)
    }

    /// Removes the finalizer of a pod whose job is not there any more: nobody will count it.
    private func letGo(_ key: String) async throws {
        guard let pod = informers.pods.get(key), pod.finalizers.contains(Job.trackingFinalizer) else { return }
        if let reference = pod.controllerReference, reference["kind"] == "Job", reference["apiVersion"] == "batch/v1" {
            do {
                let job = try await client.get(.jobs, namespace: pod.namespace, name: reference["name"].stringValue)
                if job.isReferred(by: reference) { return }
            } catch let error as StatusError where error.isNotFound {
                // Gone, as expected.
            }
        }
        try await removeFinalizer(pod)
    }

    func removeFinalizer(_ pod: JSON) async throws {
        do {
            try await client.patch(
                .pods, namespace: pod.namespace, name: pod.name, type: .strategic,
                [
                    "metadata": [
                        "uid": .string(pod.uid),
                        "$deleteFromPrimitiveList/finalizers": [.string(Job.trackingFinalizer)],
                    ]
                ])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return  // gone, or another one by now
        }
    }

    // MARK: one job

    /// The newest state that is known.
    private func latest(_ key: String) -> JSON? {
        guard let shown = informers.jobs.get(key) else { return nil }
        return memory.withLock { memory in
            guard let written = memory[key]?.written, written.uid == shown.uid else { return shown }
            if Int64(written.resourceVersion) ?? 0 > Int64(shown.resourceVersion) ?? 0 { return written }
            memory[key]?.written = nil
            return shown
        }
    }

    func write(_ job: inout Job) async throws {
        job.json = try await client.update(.jobs, subresource: "status", job.json)
        let written = job.json
        memory.withLock { $0[written.objectKey, default: Memory()].written = written }
    }

    private func sync(_ key: String) async throws {
        guard let object = latest(key) else { return }
        var job = Job(object)
        if let manager = job.spec["managedBy"].string, manager != "kubernetes.io/job-controller" { return }
        guard job.finished == nil else { return }
        let claimed = try await owned.claim(
            object, LabelSelector(job.spec["selector"]), among: informers.podsByController.candidates(for: object))
        let (released, earlier) = memory.withLock { memory in
            (memory[key]?.released ?? [], memory[key]?.backoff ?? JobBackoff())
        }
        let now = Timestamp.now()
        if job.status["startTime"].isNull, !job.isSuspended { job.status["startTime"] = .string(now.rfc3339) }
        let count = JobCount(job, claimed, released: released)
        var backoff = earlier
        backoff.note(succeeded: count.newlySucceeded, failed: count.newlyFailed, now)

        var outcome = outcome(job, count, now)
        var active = count.active.count
        var ready = count.ready
        var failure: ScalingFailure?
        if outcome?.isFailure == true {
            let removed = await control.delete(count.active.map(\.json), job.json, key)
            failure = removed.failure
            active -= removed.removed
            ready = active == 0 ? 0 : ready
            // Pods that could not be deleted are not counted yet.
            if active > 0 { outcome = nil }
        } else {
            let isManaged = expectations.areMet(key) && !job.isDeleting
            if isManaged { (active, failure) = await manage(job, count, backoff, key, now) }
            if outcome == nil, count.isComplete(active: active) {
                outcome = Outcome(
                    isFailure: false, reason: "CompletionsReached", message: "Reached expected number of succeeded pods"
                )
            } else if isManaged, outcome == nil {
                noteSuspension(&job, now)
            }
        }
        expectations.watchOver(key, queue)
        job.status["active"] = .positive(active)
        job.status["ready"] = .int(Int64(min(ready, active)))
        // What was deleted just now is on its way out.
        job.status["terminating"] = .int(Int64(count.terminating + max(0, count.active.count - active)))
        do {
            try await track(&job, from: object, count, outcome, now)
            memory.withLock { $0[key, default: Memory()].backoff = backoff }
        } catch let error as StatusError where error.isNotFound {
            return
        }
        if let failure { throw failure.cause }
    }

    struct Outcome {
        let isFailure: Bool
        let reason: String
        let message: String
    }

    /// How the job ends, where it is known: from a condition that announced it, or by its limits.
    private func outcome(_ job: Job, _ count: JobCount, _ now: Timestamp) -> Outcome? {
        for (type, isFailure) in [("SuccessCriteriaMet", false), ("FailureTarget", true)] {
            guard let condition = job.condition(type) else { continue }
            return Outcome(
                isFailure: isFailure, reason: condition["reason"].stringValue,
                message: condition["message"].stringValue)
        }
        if let failure = count.failure(now) {
            return Outcome(isFailure: true, reason: failure.reason, message: failure.message)
        }
        if let left = count.timeToDeadline(now) { queue.add(job.key, after: left + .milliseconds(10)) }
        return nil
    }

    private func noteSuspension(_ job: inout Job, _ now: Timestamp) {
        if job.isSuspended {
            let condition = JobCondition.make("Suspended", "True", "JobSuspended", "Job suspended", now)
            if JobCondition.set(&job.status, condition) {
                recorder.record(object: job.json, type: .normal, reason: "Suspended", message: "Job suspended")
            }
        } else if JobCondition.set(
            &job.status, JobCondition.make("Suspended", "False", "JobResumed", "Job resumed", now))
        {
            recorder.record(object: job.json, type: .normal, reason: "Resumed", message: "Job resumed")
            job.status["startTime"] = .string(now.rfc3339)
        }
    }

    // MARK: pods

    /// Makes or removes pods, never both in one round; how many are active then.
    private func manage(
        _ job: Job, _ count: JobCount, _ backoff: JobBackoff, _ key: String, _ now: Timestamp
    ) async -> (active: Int, failure: ScalingFailure?) {
        let active = count.active.count
        let excess = active - count.wanted
        if excess > 0 {
            // Those that are furthest from running go first.
            var victims = Array(count.superfluous.map(\.json).prefix(min(excess, PodControl.burstLimit)))
            let chosen = Set(victims.map(\.uid))
            victims += ScaleDownOrder.firstToGo(
                count.active.map(\.json).filter { !chosen.contains($0.uid) },
                count: min(excess, PodControl.burstLimit) - victims.count)
            // They are not counted: nothing is wrong with them.
            let kept = await release(victims.map(Pod.init), key)
            let removed = await control.delete(victims.filter { kept.errors[$0.uid] == nil }, job.json, key)
            return (
                active - removed.removed,
                removed.failure ?? kept.errors.values.first.map { ScalingFailure(reason: "FailedDelete", cause: $0) }
            )
        }
        guard count.missing > 0 else { return (active, nil) }
        let pause = backoff.remaining(now, first: firstPause)
        guard pause <= .zero else {
            queue.add(key, after: pause)
            return (active, nil)
        }
        var pod = PodControl.pod(of: job.template, owner: job.json)
        if !pod.finalizers.contains(Job.trackingFinalizer) {
            pod["metadata"]["finalizers"].append(.string(Job.trackingFinalizer))
        }
        let number = min(count.missing, PodControl.burstLimit)
        let pods =
            job.isIndexed
            ? count.pendingIndexes(number).map { CompletionIndexes.pod(pod, of: job, index: $0) }
            : Array(repeating: pod, count: number)
        let made = await control.create(pods, job.json, key)
        return (active + made.made, made.failure)
    }
}
