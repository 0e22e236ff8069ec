import KubeAPI

/// What is to be done for a pod now. A function of the pod and its state: no clock, no I/O.
///
/// Follows the kubelet of Kubernetes (`computePodActions`) in what is started, restarted and killed when.
struct PodPlan: Equatable {
    enum Action: Equatable {
        case createSandbox
        /// Of a pod that has ended or leaves, or of a dead one that is made anew.
        case removeSandbox
        case prepareVolumes
        case removeVolumes
        case findImage(String)
        case start(String)
        case stop(String, graceSeconds: Int, why: StopReason)
        /// Everything on the disk: volumes, logs, state.
        case cleanUp
    }
    enum StopReason: Equatable { case podEnds, imageChanged }

    var actions: [Action] = []
    /// Why containers that should run do not.
    var waiting: [String: PodState.Waiting] = [:]
    /// When something is due that no message will tell.
    var wakeAt: PodState.Instant?
    /// The pod has run longer than it may.
    var exceedsDeadline = false
    /// Nothing will be started any more.
    var isFinal = false
    /// Nothing of a leaving pod is left on the node.
    var isGone = false

    struct Input {
        let pod: Pod
        let state: PodState
        /// Pods get addresses.
        let isNetworkReady: Bool
        let now: PodState.Instant
        let time: Timestamp
    }

    static func make(_ input: Input) -> PodPlan {
        var maker = PlanMaker(input: input)
        maker.make()
        return maker.plan
    }
}

/// Whether a container is to be started.
enum ContainerDisposition: Equatable {
    /// It runs, or something is under way for it.
    case busy
    /// It has ended and stays so.
    case finished
    case due
    /// Something must pass first: time, or (nil) an event.
    case blocked(until: PodState.Instant?)
}

private struct PlanMaker {
    static let leastSidecarGrace: Duration = .seconds(2)

    let input: PodPlan.Input
    var plan = PodPlan()

    var pod: Pod { input.pod }
    var state: PodState { input.state }

    mutating func make() {
        if let leaving = state.leaving {
            windDown(grace: leaving.graceSeconds, since: leaving.since)
            return
        }
        if let failure = state.failure {
            windDown(grace: failure.graceSeconds, since: failure.since)
            return
        }
        if state.isFinal {
            windDown(grace: pod.graceSeconds, since: input.now)
            return
        }
        checkDeadline()
        guard !plan.exceedsDeadline else { return }

        let wanted = containersInTurn()
        if wanted.isFinal {
            plan.isFinal = true
            return
        }
        stopChangedContainers()
        prepare(wanted.containers)
    }

    private mutating func wake(at instant: PodState.Instant?) {
        guard let instant else { return }
        plan.wakeAt = min(plan.wakeAt ?? instant, instant)
    }

    private mutating func checkDeadline() {
        guard let seconds = pod.activeDeadlineSeconds, let start = state.startTime else { return }
        let left = Duration.seconds(seconds) - (input.time - start)
        if left <= .zero { plan.exceedsDeadline = true } else { wake(at: input.now + left) }
    }

    // MARK: whose turn it is

    /// The containers that are to be started now or as soon as they may.
    private mutating func containersInTurn() -> (containers: [Container], isFinal: Bool) {
        var wanted: [Container] = []
        // Main containers that have run in this sandbox prove that initialization is through.
        let isInitialized = pod.containers.contains {
            state.run(of: $0.name)?.sandboxNumber == state.sandboxNumber || state.containers[$0.name]?.startingID != nil
        }
        let restartsMain = pod.containers.contains { disposition(of: $0, isInit: false) != .finished }
        if restartsMain {
            for container in pod.initContainers {
                if container.isSidecar {
                    let next = disposition(of: container, isInit: true)
                    if next == .due || isBlocked(next) { wanted.append(container) }
                    // Those after it begin once it has been started.
                    if !isInitialized, state.run(of: container.name)?.isRunning != true { return (wanted, false) }
                    continue
                }
                if isInitialized { continue }
                switch disposition(of: container, isInit: true) {
                case .finished:
                    // It has ended well, or the pod has failed.
                    if state.run(of: container.name)?.end?.exitCode != 0 { return ([], true) }
                case .busy: return (wanted, false)
                case .due, .blocked: return (wanted + [container], false)
                }
            }
        }
        var isFinal = true
        for container in pod.containers {
            let next = disposition(of: container, isInit: false)
            if next != .finished { isFinal = false }
            if next == .due || isBlocked(next) { wanted.append(container) }
        }
        return (isFinal ? [] : wanted, isFinal)
    }

    private func isBlocked(_ disposition: ContainerDisposition) -> Bool {
        if case .blocked = disposition { true } else { false }
    }

    private mutating func disposition(of container: Container, isInit: Bool) -> ContainerDisposition {
        let name = container.name
        let known = state.containers[name] ?? ContainerState()
        if known.startingID != nil { return .busy }
        if let run = known.current {
            guard let end = run.end else { return .busy }
            let isChanged = !run.image.isEmpty && run.image != container.image
            let isOfThisSandbox = run.sandboxNumber == state.sandboxNumber
            let restarts: Bool
            if container.isSidecar, isInit {
                restarts = true
            } else if isInit {
                // A new sandbox is initialized anew.
                restarts =
                    !isOfThisSandbox && pod.restartPolicy != "Never"
                    || end.exitCode != 0 && pod.restartPolicy != "Never"
            } else {
                restarts =
                    isChanged
                    || (pod.restartPolicy == "Always" || pod.restartPolicy == "OnFailure" && end.exitCode != 0)
            }
            if !restarts { return .finished }
            if !isChanged, end.exitCode != 0 || !isInit, let endedAt = known.endedAt,
                let pause = known.crash.wait(endedAt: endedAt, now: input.now)
            {
                plan.waiting[name] = PodState.Waiting(
                    reason: "CrashLoopBackOff",
                    message:
                        "back-off \(pause.total.goDescription) restarting failed container=\(name) pod=\(pod.fullName)")
                wake(at: input.now + pause.left)
                return .blocked(until: input.now + pause.left)
            }
        }
        if let problem = known.problem {
            var waiting = PodState.Waiting(reason: problem.reason, message: problem.message)
            if let afterwards = problem.afterwards, let at = problem.afterwardsAt {
                if at <= input.now { waiting = afterwards } else { wake(at: at) }
            }
            plan.waiting[name] = waiting
            guard let retryAt = problem.retryAt else { return .blocked(until: nil) }
            if retryAt > input.now {
                wake(at: retryAt)
                return .blocked(until: retryAt)
            }
        }
        return .due
    }

    /// A container whose image was changed in the spec ends, to be started with the new one.
    private mutating func stopChangedContainers() {
        for container in pod.containers + pod.sidecars {
            guard let known = state.containers[container.name], let run = known.current, run.isRunning,
                known.stop == nil, !run.image.isEmpty, run.image != container.image
            else { continue }
            plan.actions.append(.stop(container.name, graceSeconds: pod.graceSeconds, why: .imageChanged))
        }
    }

    // MARK: what they need

    private mutating func prepare(_ wanted: [Container]) {
        guard !wanted.isEmpty else {
            // All run, or none is to: a sandbox that has died is made anew for those that run no more.
            if state.sandbox == .dead, !state.hasLiveContainers { plan.actions.append(.removeSandbox) }
            return
        }
        var isSandboxReady = false
        switch state.sandbox {
        case .none:
            if let problem = state.sandboxProblem, let retryAt = problem.retryAt, retryAt > input.now {
                wake(at: retryAt)
            } else if input.isNetworkReady || pod.hostNetwork {
                plan.actions.append(.createSandbox)
            }
        case .dead: if !state.hasLiveContainers { plan.actions.append(.removeSandbox) }
        case .ready: isSandboxReady = true
        case .creating, .removing: break
        }
        var areVolumesReady = false
        switch state.volumes {
        case .none:
            if let problem = state.volumesProblem, let retryAt = problem.retryAt, retryAt > input.now {
                wake(at: retryAt)
            } else {
                plan.actions.append(.prepareVolumes)
            }
        case .ready: areVolumesReady = true
        case .preparing, .removing: break
        }
        for container in wanted {
            let known = state.containers[container.name] ?? ContainerState()
            guard disposition(of: container, isInit: pod.isInitContainer(container.name)) == .due else { continue }
            switch known.image {
            case .none: plan.actions.append(.findImage(container.name))
            case .looking: break
            case .found: if isSandboxReady, areVolumesReady { plan.actions.append(.start(container.name)) }
            }
        }
    }

    // MARK: the end

    /// Stops what runs, then removes the sandbox, then what is on the disk.
    private mutating func windDown(grace: Int, since: PodState.Instant) {
        let isStarting = state.containers.values.contains { $0.startingID != nil }
        let sidecars = Set(pod.sidecars.map(\.name))
        let running = state.containers.filter { $0.value.current?.isRunning == true }
        // Sidecars serve the others to their end.
        var turn = running.keys.filter { !sidecars.contains($0) }.sorted()
        if turn.isEmpty, !isStarting { turn = running.keys.sorted() }
        for name in turn {
            var deadline = since + .seconds(grace)
            // What the others have left of the time may be nothing.
            if sidecars.contains(name), grace > 0 { deadline = max(deadline, input.now + Self.leastSidecarGrace) }
            // A second, shorter grace (kubectl delete --now, after a longer one) counts; whole seconds are all there is.
            if let stop = state.containers[name]?.stop, stop.deadline <= deadline + .seconds(1) { continue }
            let (seconds, attoseconds) = (deadline - input.now).components
            let left = max(0, Int(seconds) + (attoseconds > 0 ? 1 : 0))
            plan.actions.append(.stop(name, graceSeconds: left, why: .podEnds))
        }
        guard running.isEmpty, !isStarting else { return }
        switch state.sandbox {
        case .ready, .dead:
            if let problem = state.sandboxProblem, let retryAt = problem.retryAt, retryAt > input.now {
                wake(at: retryAt)
            } else {
                plan.actions.append(.removeSandbox)
            }
            return
        case .creating, .removing: return
        case .none: break
        }
        // A set-up that waits for an object is called off by the worker.
        guard state.volumes != .preparing, state.volumes != .removing else { return }
        if state.leaving != nil {
            if state.isCleanedUp {
                plan.isGone = true
            } else if !state.isCleaningUp {
                plan.actions.append(.cleanUp)
            }
        } else if case .ready = state.volumes {
            plan.actions.append(.removeVolumes)
        }
    }
}
