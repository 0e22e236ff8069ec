import KubeAPI
import Synchronization

/// How a job's pods are counted, each once, and how its end is declared.
extension JobController {
    func track(
        _ job: inout Job, from stored: JSON, _ count: JobCount, _ outcome: Outcome?, _ now: Timestamp
    ) async throws {
        let key = job.key
        var held = Set(count.pods.filter(count.isHeld).map(\.uid))
        if job.status["uncountedTerminatedPods"].isNull { job.status["uncountedTerminatedPods"] = .emptyObject }
        _ = JobCount.settle(&job.status, held: held)
        let collected = count.collect(&job.status, isFailing: outcome?.isFailure ?? false)
        if let outcome {
            // Announced before the last finalizers go: whoever reads the end finds all pods counted.
            let type = outcome.isFailure ? "FailureTarget" : "SuccessCriteriaMet"
            if job.condition(type) == nil {
                _ = JobCondition.set(
                    &job.status, JobCondition.make(type, "True", outcome.reason, outcome.message, now))
            }
        }
        if job.json != stored { try await write(&job) }
        let released = await release(collected, key)
        held.subtract(released.gone)
        let before = job.status
        _ = JobCount.settle(&job.status, held: held)
        let isOver = outcome.map { finish(&job, $0, count, now) } ?? false
        if job.status != before { try await write(&job) }
        if isOver, let outcome { report(job, outcome) }
        if let error = released.errors.values.first { throw error }
    }

    /// Takes the finalizer from pods; the uids of those that are rid of it, and what kept the others.
    func release(_ pods: [Pod], _ key: String) async -> (gone: Set<String>, errors: [String: any Error]) {
        guard !pods.isEmpty else { return ([], [:]) }
        // Before the removal, so that its event finds what it ends.
        memory.withLock { $0[key, default: Memory()].released.formUnion(pods.map(\.uid)) }
        let errors = await withTaskGroup(of: (String, (any Error)?).self) { group in
            for pod in pods {
                group.addTask {
                    do {
                        try await self.removeFinalizer(pod.json)
                        return (pod.uid, nil)
                    } catch {
                        return (pod.uid, error)
                    }
                }
            }
            return await group.reduce(into: [String: any Error]()) { errors, result in errors[result.0] = result.1 }
        }
        memory.withLock { $0[key]?.released.subtract(errors.keys) }
        forgetGone(pods, key)
        return (Set(pods.map(\.uid)).subtracting(errors.keys), errors)
    }

    /// What the informer showed without its finalizer before it was noted will not be shown so again.
    private func forgetGone(_ pods: [Pod], _ key: String) {
        let seen = pods.filter { pod in
            guard let shown = informers.pods.get(pod.key), shown.uid == pod.uid else { return true }
            return !shown.finalizers.contains(Job.trackingFinalizer)
        }
        memory.withLock { $0[key]?.released.subtract(seen.map(\.uid)) }
    }

    /// Declares the job's end once all its pods have ended and are counted.
    private func finish(_ job: inout Job, _ outcome: Outcome, _ count: JobCount, _ now: Timestamp) -> Bool {
        let uncounted = job.status["uncountedTerminatedPods"]
        guard uncounted["succeeded"].items.isEmpty, uncounted["failed"].items.isEmpty,
            (job.status["terminating"].int ?? 0) == 0, (job.status["active"].int ?? 0) == 0
        else { return false }
        let condition = JobCondition.make(
            outcome.isFailure ? "Failed" : "Complete", "True", outcome.reason, outcome.message, now)
        _ = JobCondition.set(&job.status, condition)
        if !outcome.isFailure { job.status["completionTime"] = condition["lastTransitionTime"] }
        return true
    }

    private func report(_ job: Job, _ outcome: Outcome) {
        if outcome.isFailure {
            recorder.record(object: job.json, type: .warning, reason: outcome.reason, message: outcome.message)
            return
        }
        if let completions = job.completions, (job.status["succeeded"].int ?? 0) > completions {
            recorder.record(
                object: job.json, type: .warning, reason: "TooManySucceededPods",
                message: "Too many succeeded pods running after completion count reached")
        }
        recorder.record(object: job.json, type: .normal, reason: "Completed", message: "Job completed")
    }
}
