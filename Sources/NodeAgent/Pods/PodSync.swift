import KubeAPI
import Kernel
import Logging

/// One pod's state and the handling of its messages; the worker owns it and calls it from one task.
struct PodSync {
    typealias Instant = ContinuousClock.Instant

    /// What a worker begins with.
    struct Beginning: Sendable {
        var pod: Pod
        var state: PodState
        /// The API's object in a static pod's place, if it has been seen.
        var mirror: Pod?
        /// The pod comes from the record of its sandbox: its source has not been heard yet.
        var isFromRecord = false
        /// Containers of the runtime that nobody needs.
        var garbage: [String] = []
        var seenAt: ContinuousClock.Instant
    }

    let context: KubeletContext
    let mailbox: Mailbox<PodMessage>
    var pod: Pod
    var state: PodState
    var reporter: PodReporter
    var events: PodEvents
    var timings: PodStartTimings
    /// Why containers wait, of the last plan.
    var waiting: [String: PodState.Waiting] = [:]
    /// What the status is made of, since the last pass.
    var statusInput: PodStatus.Input
    /// Ends that were heard before the answer to the start.
    var earlyExits: [String: ExitRecord] = [:]
    /// Back-offs that have been told about: `container attempt`.
    var announced: Set<String> = []
    var volumesTask: Task<Void, Never>?
    /// Look-ups and pulls of images, by the container's name.
    var imageTasks: [String: Task<Void, Never>] = [:]
    /// Something that volumes are made of has changed since they were.
    var isRefreshDue = false
    var probes: [ProbeKey: Task<Void, Never>] = [:]
    /// By the id of the run.
    var hooks: [String: Task<Void, Never>] = [:]
    /// What ran before then was started by an earlier kubelet.
    let begunAt = Timestamp.now()
    var sandboxFailures = Backoff(first: .seconds(1), limit: .seconds(30))
    var volumeFailures = Backoff(first: .milliseconds(500), limit: .seconds(122))
    private var timer: (at: Instant, task: Task<Void, Never>)?
    /// Nothing of the pod is left, here and (where it was ours to remove) in the API.
    var isDone = false
    var log: Logger

    init(_ beginning: Beginning, context: KubeletContext, mailbox: Mailbox<PodMessage>) {
        self.context = context
        self.mailbox = mailbox
        pod = beginning.pod
        state = beginning.state
        events = PodEvents(recorder: context.events)
        timings = PodStartTimings(seenAt: beginning.seenAt)
        reporter = PodReporter(pod: beginning.pod, mirror: beginning.mirror, isFromRecord: beginning.isFromRecord)
        statusInput = PodStatus.Input(
            pod: pod, state: state, waiting: [:], hostIPs: context.node.hostIPs, known: reporter.known, now: begunAt)
        log = context.log
        log[metadataKey: "pod"] = "\(pod.key)"
        log[metadataKey: "uid"] = "\(pod.uid)"
        context.objects?.follow(ObjectReference.all(of: pod), for: pod.uid)
        if pod.volumes.isEmpty { state.volumes = .ready([:]) }
        if let mirror = beginning.mirror { rememberHealth(from: mirror) }
        if pod.isDeleting, !pod.isStatic { leave(grace: pod.graceSeconds, isInAPI: true) }
        for id in beginning.garbage { removeContainer(id) }
    }

    var snapshot: PodSnapshot { PodSnapshot(statusInput, timings: timings) }

    // MARK: the pass

    /// Plans, sets going what is due, and tells the API.
    mutating func advance() {
        let now = ContinuousClock.now
        let time = Timestamp.now()
        if state.startTime == nil, state.failure == nil { state.startTime = time }
        var plan: PodPlan
        // At most one turn for each of the two that change the state.
        while true {
            plan = PodPlan.make(
                PodPlan.Input(
                    pod: pod, state: state, isNetworkReady: context.node.current.isNetworkReady, now: now, time: time))
            if plan.exceedsDeadline {
                let message = "Pod was active on the node longer than the specified deadline"
                state.failure = PodState.Failure(
                    reason: "DeadlineExceeded", message: message, graceSeconds: pod.graceSeconds, since: now)
                events.normal("DeadlineExceeded", message)
                continue
            }
            if plan.isFinal, !state.isFinal {
                state.isFinal = true
                continue
            }
            break
        }
        waiting = plan.waiting
        announceBackOffs()
        for action in plan.actions { begin(action, now: now) }
        superviseProbes()
        noteTimings(now)
        statusInput = PodStatus.Input(
            pod: pod, state: state, waiting: waiting, hostIPs: context.node.hostIPs, known: reporter.known, now: time)
        report(isGone: plan.isGone, now: now, wakeAt: &plan.wakeAt)
        schedule(plan.wakeAt, now: now)
        events.flush(pod)
    }

    private mutating func schedule(_ instant: Instant?, now: Instant) {
        guard timer?.at != instant else { return }
        timer?.task.cancel()
        timer = instant.map { instant in
            let mailbox = mailbox
            let task = Task {
                // Cancelled when the next moment changes.
                guard (try? await Task.sleep(until: instant, clock: .continuous)) != nil else { return }
                mailbox.send(.wake)
            }
            return (instant, task)
        }
    }

    /// Lets go of what would outlive the worker.
    mutating func stop() {
        timer?.task.cancel()
        volumesTask?.cancel()
        for task in imageTasks.values { task.cancel() }
        for task in probes.values { task.cancel() }
        for task in hooks.values { task.cancel() }
        context.probeMetrics.forget(podUID: pod.uid)
        context.tokens?.forget(podUID: pod.uid)
        context.objects?.release(pod.uid)
    }

    /// A timer that has fired must be set anew for the same instant.
    mutating func timerFired(now: Instant) {
        if let at = timer?.at, at <= now { timer = nil }
    }

    private mutating func announceBackOffs() {
        for (name, waiting) in waiting where waiting.reason == "CrashLoopBackOff" {
            guard let attempt = state.run(of: name)?.attempt, announced.insert("\(name) \(attempt)").inserted else {
                continue
            }
            events.warning(
                "BackOff", "Back-off restarting failed container \(name) in pod \(pod.fullName)", container: name)
        }
    }

    private mutating func noteTimings(_ now: Instant) {
        guard timings.running == nil, !pod.containers.isEmpty,
            pod.containers.allSatisfy({ state.run(of: $0.name)?.isRunning == true })
        else { return }
        timings.reach(\.running, at: now)
        // What was adopted did not start here.
        if timings.firstStart != nil { context.metrics.podStarted(pod, took: now - timings.seenAt) }
    }

    // MARK: the end

    /// The pod is to go; a shorter grace than before counts, a longer one does not.
    mutating func leave(grace: Int, isInAPI: Bool) {
        let now = ContinuousClock.now
        if var leaving = state.leaving {
            leaving.isInAPI = isInAPI
            if now + .seconds(grace) < leaving.since + .seconds(leaving.graceSeconds) {
                leaving.graceSeconds = grace
                leaving.since = now
            }
            state.leaving = leaving
        } else {
            state.leaving = PodState.Leaving(graceSeconds: grace, since: now, isInAPI: isInAPI)
        }
        volumesTask?.cancel()
        for task in imageTasks.values { task.cancel() }
        imageTasks = [:]
    }
}
