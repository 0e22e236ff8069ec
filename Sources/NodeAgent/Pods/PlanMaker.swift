import KubeAPI

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

/// Makes the plan. What ends is in `PlanMaker+End.swift`.
struct PlanMaker {
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
        endContainers()
        prepare(wanted.containers + ephemeralContainers())
    }

    mutating func wake(at instant: PodState.Instant?) {
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
                    // Those after it begin once it has started, by its startup probe where it has one.
                    if !isInitialized, !state.isStarted(container) { return (wanted, false) }
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
        var isHeld = false
        for container in pod.containers {
            let next = disposition(of: container, isInit: false)
            if next != .finished { isFinal = false }
            if isHeld { continue }
            if next == .due || isBlocked(next) { wanted.append(container) }
            // Those after it begin once its hook is through: programs rely on that to come second.
            if container.postStart != nil, next == .due || state.containers[container.name]?.isComingUp == true {
                isHeld = true
            }
        }
        return (isFinal ? [] : wanted, isFinal)
    }

    /// Those that look into a running pod: whoever's turn it is, but never the reason for a sandbox.
    private mutating func ephemeralContainers() -> [Container] {
        guard case .ready = state.sandbox else { return [] }
        return pod.ephemeralContainers.filter { container in
            let next = disposition(of: container, isInit: false)
            return next == .due || isBlocked(next)
        }
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
            // They run once.
            if pod.isEphemeral(name) { return .finished }
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
                // What a probe has ended failed, whatever it says itself.
                let hasFailed = end.exitCode != 0 || known.isFailedProbe
                restarts =
                    isChanged || pod.restartPolicy == "Always" || pod.restartPolicy == "OnFailure" && hasFailed
            }
            if !restarts { return .finished }
            if !isChanged, end.exitCode != 0 || !isInit, let endedAt = known.backoffFrom,
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
            case .looking, .pulling: break
            case .found: if isSandboxReady, areVolumesReady { plan.actions.append(.start(container.name)) }
            }
        }
    }
}
