import KubeAPI

/// A job with its pods at one moment: what has ended, what is counted and what is still to be.
///
/// Each pod bears a finalizer until it is counted. First its uid goes into `status.uncountedTerminatedPods`, then the
/// finalizer goes, then the uid turns into a number: whenever that is interrupted, each pod is counted once
/// (https://kubernetes.io/docs/concepts/workloads/controllers/job/).
struct JobCount {
    /// Pods counted at one time, so that the status stays small.
    static let limit = 500

    let job: Job
    let pods: [Pod]
    /// Those whose finalizer is gone, though the informer still shows it.
    let released: Set<String>
    let active: [Pod]
    let succeededBefore: Set<String>
    let failedBefore: Set<String>
    /// Of an Indexed job: those that have succeeded, the newest included.
    let completed: CompletionIndexes

    init(_ job: Job, _ pods: [JSON], released: Set<String>) {
        self.job = job
        self.pods = pods.map(Pod.init)
        self.released = released
        active = self.pods.filter(\.isActive)
        let uncounted = job.status["uncountedTerminatedPods"]
        succeededBefore = Set(uncounted["succeeded"].items.compactMap(\.string))
        failedBefore = Set(uncounted["failed"].items.compactMap(\.string))
        var completed = CompletionIndexes(
            job.status["completedIndexes"].stringValue, below: job.isIndexed ? job.completions ?? 0 : 0)
        for pod in self.pods where job.isIndexed && pod.phase == "Succeeded" {
            let isHeld = pod.json.finalizers.contains(Job.trackingFinalizer) && !released.contains(pod.uid)
            if isHeld, let index = CompletionIndexes.index(of: pod, below: job.completions ?? 0) {
                completed.insert(index)
            }
        }
        self.completed = completed
    }

    var ready: Int { active.count(where: \.isReady) }
    /// On their way out and not ended.
    var terminating: Int { pods.count { $0.isDeleting && !$0.isTerminal } }

    func isHeld(_ pod: Pod) -> Bool {
        pod.json.finalizers.contains(Job.trackingFinalizer) && !released.contains(pod.uid)
    }

    /// A pod that is being deleted counts as failed: it may never come to say how it ended. Where only failed pods are
    /// replaced its end is awaited, if there is a kubelet to tell it.
    func hasFailed(_ pod: Pod) -> Bool {
        if pod.phase == "Failed" { return true }
        guard pod.isDeleting, pod.phase != "Succeeded" else { return false }
        return !job.replacesOnlyFailedPods || pod.nodeName.isEmpty
    }

    /// Ended, held, and not among those about to be counted.
    var newlySucceeded: [Pod] {
        pods.filter {
            isHeld($0) && $0.phase == "Succeeded" && !succeededBefore.contains($0.uid) && !failedBefore.contains($0.uid)
        }
    }
    var newlyFailed: [Pod] {
        pods.filter {
            isHeld($0) && hasFailed($0) && !failedBefore.contains($0.uid) && !succeededBefore.contains($0.uid)
        }
    }

    var succeeded: Int {
        job.isIndexed
            ? completed.count : (job.status["succeeded"].int ?? 0) + newlySucceeded.count + succeededBefore.count
    }
    var failed: Int { (job.status["failed"].int ?? 0) + newlyFailed.count + failedBefore.count }

    // MARK: the end

    /// Why the job has failed now; nil where it has not.
    func failure(_ now: Timestamp) -> (reason: String, message: String)? {
        if failed > job.backoffLimit || restartsExceedLimit {
            return ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        }
        if let left = timeToDeadline(now), left <= .zero {
            return ("DeadlineExceeded", "Job was active longer than specified deadline")
        }
        return nil
    }

    func timeToDeadline(_ now: Timestamp) -> Duration? {
        guard let deadline = job.activeDeadline, let start = job.startTime, !job.isSuspended else { return nil }
        return start + deadline - now
    }

    /// Containers that are restarted in their pods count as failures, too.
    private var restartsExceedLimit: Bool {
        guard job.template["spec"]["restartPolicy"].string == "OnFailure" else { return false }
        let restarts = pods.filter { $0.phase == "Running" || $0.phase == "Pending" }.flatMap {
            ($0.initContainerStatuses + $0.containerStatuses).map(\.restartCount)
        }.sum
        return job.backoffLimit == 0 ? restarts > 0 : restarts >= job.backoffLimit
    }

    func isComplete(active: Int) -> Bool {
        guard active == 0 else { return false }
        return job.completions.map { succeeded >= $0 } ?? (succeeded > 0)
    }

    // MARK: how many should run

    /// Pods that should be active. A work queue starts no more once one has succeeded.
    var wanted: Int {
        if job.isSuspended { return 0 }
        guard let completions = job.completions else { return succeeded > 0 ? active.count : job.parallelism }
        return max(0, min(completions - succeeded, job.parallelism))
    }

    /// Pods that may be made now.
    var missing: Int {
        max(0, wanted - active.count - (job.replacesOnlyFailedPods ? terminating : 0))
    }

    /// Of an Indexed job: the indexes of pods that may be made now, the lowest first.
    func pendingIndexes(_ count: Int) -> [Int] {
        guard count > 0, let completions = job.completions else { return [] }
        var taken = completed.all
        for pod in pods where pod.isActive || job.replacesOnlyFailedPods && pod.isDeleting && !pod.isTerminal {
            if let index = CompletionIndexes.index(of: pod, below: completions) { taken.insert(index) }
        }
        return Array((0..<completions).lazy.filter { !taken.contains($0) }.prefix(count))
    }

    /// Active pods of an Indexed job that nobody waits for: without an index, with one that is through, or with one that
    /// another pod has.
    var superfluous: [Pod] {
        guard job.isIndexed, let completions = job.completions else { return [] }
        var taken = completed.all
        return active.filter { pod in
            guard let index = CompletionIndexes.index(of: pod, below: completions) else { return true }
            return !taken.insert(index).inserted
        }
    }

    // MARK: counting

    /// Turns uids of pods that are not held any more into numbers; whether that changed the status.
    static func settle(_ status: inout JSON, held: Set<String>) -> Bool {
        var isChanged = false
        for field in ["succeeded", "failed"] {
            let uids = status["uncountedTerminatedPods"][field].items.compactMap(\.string)
            let rest = uids.filter(held.contains)
            guard rest.count < uids.count else { continue }
            isChanged = true
            status["uncountedTerminatedPods"][field] = rest.isEmpty ? .null : JSON(rest)
            status[field] = .positive((status[field].int ?? 0) + uids.count - rest.count)
        }
        return isChanged
    }

    /// Puts the uids of ended pods into the status. Once the job is failing every pod counts as failed. Returns the pods
    /// whose finalizer is to go then.
    func collect(_ status: inout JSON, isFailing: Bool) -> [Pod] {
        var collected: [Pod] = []
        var uncounted = succeededBefore.count + failedBefore.count
        for pod in pods where isHeld(pod) {
            let isSuccess = pod.phase == "Succeeded" && !failedBefore.contains(pod.uid)
            let isFailure = !isSuccess && (hasFailed(pod) || isFailing)
            guard isSuccess || isFailure || job.isDeleting else { continue }
            collected.append(pod)
            // The index says that it has succeeded, however often it is counted.
            if isSuccess, job.isIndexed { continue }
            if isSuccess, !succeededBefore.contains(pod.uid) {
                status["uncountedTerminatedPods"]["succeeded"].append(.string(pod.uid))
                uncounted += 1
            } else if isFailure, !failedBefore.contains(pod.uid) {
                status["uncountedTerminatedPods"]["failed"].append(.string(pod.uid))
                uncounted += 1
            }
            if uncounted >= Self.limit { break }
        }
        if job.isIndexed {
            status["completedIndexes"] = completed.count > 0 ? .string(completed.text) : .null
            status["succeeded"] = .positive(completed.count)
        }
        return collected
    }
}

/// A job's conditions.
enum JobCondition {
    static func make(_ type: String, _ status: String, _ reason: String, _ message: String, _ now: Timestamp) -> JSON {
        let time = JSON.string(now.rfc3339)
        return [
            "type": .string(type), "status": .string(status), "lastProbeTime": time, "lastTransitionTime": time,
            "reason": .string(reason), "message": .string(message),
        ]
    }

    /// Whether that changed the status. A condition that is not there need not be said to be false.
    static func set(_ status: inout JSON, _ condition: JSON) -> Bool {
        let type = condition["type"]
        guard let index = status["conditions"].items.firstIndex(where: { $0["type"] == type }) else {
            if condition["status"] == "False" { return false }
            status["conditions"].append(condition)
            return true
        }
        let before = status["conditions"][index]
        if ["status", "reason", "message"].allSatisfy({ before[$0] == condition[$0] }) { return false }
        status["conditions"][index] = condition
        return true
    }
}
