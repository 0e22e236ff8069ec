import KubeAPI

/// What ends: single containers of a pod that goes on, and a pod as a whole. What has a preStop hook gets that first, in
/// the time that it has to end.
extension PlanMaker {
    /// What is left to a program after its hook, whatever that has taken; and to a sidecar after the others.
    static let leastGrace: Duration = .seconds(2)

    // MARK: single containers

    /// Ends containers that run and should not run like that: changed ones, and those that are not healthy.
    mutating func endContainers() {
        for container in pod.containers + pod.sidecars {
            guard let known = state.containers[container.name], let run = known.current, run.isRunning,
                known.stop == nil, let why = reasonToEnd(container, known, run)
            else { continue }
            let grace = graceSeconds(container, why)
            let deadline = known.hook(of: run).map(\.deadline) ?? input.now + .seconds(grace)
            end(container, known, grace: grace, deadline: deadline, isItsTurn: true, why: why)
        }
    }

    private func reasonToEnd(_ container: Container, _ known: ContainerState, _ run: ContainerRun)
        -> PodPlan.StopReason?
    {
        if !run.image.isEmpty, run.image != container.image { return .imageChanged }
        if known.health[.liveness] == false, container.probe(.liveness) != nil { return .failedProbe(.liveness) }
        if known.health[.startup] == false, container.probe(.startup) != nil { return .failedProbe(.startup) }
        if known.postStart == .failed { return .failedPostStart }
        return nil
    }

    /// A probe may allow another time than the pod does.
    private func graceSeconds(_ container: Container, _ why: PodPlan.StopReason) -> Int {
        guard case .failedProbe(let kind) = why else { return pod.graceSeconds }
        return container.probe(kind)?.graceSeconds ?? pod.graceSeconds
    }

    /// Hook first, then signal.
    private mutating func end(
        _ container: Container, _ known: ContainerState, grace: Int, deadline: PodState.Instant, isItsTurn: Bool,
        why: PodPlan.StopReason
    ) {
        guard let run = known.current else { return }
        let name = container.name
        var deadline = deadline
        if container.preStop != nil, grace > 0, known.stop == nil {
            guard let hook = known.hook(of: run) else {
                let left = deadline - input.now
                // Nothing is left of the time: nothing is begun either.
                if left > .zero {
                    plan.actions.append(.preStop(name, graceSeconds: Self.seconds(left), why: why))
                    return
                }
                deadline = input.now + Self.leastGrace
                return stop(name, known, deadline: deadline, isItsTurn: isItsTurn, why)
            }
            let limit = min(deadline, hook.deadline)
            if !hook.isDone, input.now < limit { return wake(at: limit) }
            deadline = max(limit, input.now + Self.leastGrace)
        }
        stop(name, known, deadline: deadline, isItsTurn: isItsTurn, why)
    }

    private mutating func stop(
        _ name: String, _ known: ContainerState, deadline: PodState.Instant, isItsTurn: Bool, _ why: PodPlan.StopReason
    ) {
        guard isItsTurn else { return }
        // A second, shorter grace (kubectl delete --now, after a longer one) counts; whole seconds are all there is.
        if let stop = known.stop, stop.deadline <= deadline + .seconds(1) { return }
        plan.actions.append(.stop(name, graceSeconds: Self.seconds(deadline - input.now), why: why))
    }

    /// Rounded up.
    private static func seconds(_ duration: Duration) -> Int {
        let (seconds, attoseconds) = duration.components
        return max(0, Int(seconds) + (attoseconds > 0 ? 1 : 0))
    }

    // MARK: the pod

    /// Stops what runs, then removes the sandbox, then what is on the disk.
    mutating func windDown(grace: Int, since: PodState.Instant) {
        let isStarting = state.containers.values.contains { $0.startingID != nil }
        let running = pod.allContainers.filter { state.run(of: $0.name)?.isRunning == true }
        let turn = turn(running, isStarting: isStarting, deadline: since + .seconds(grace))
        for container in running.sorted(by: { $0.name < $1.name }) {
            guard let known = state.containers[container.name] else { continue }
            var deadline = since + .seconds(grace)
            // What the others have left of the time may be nothing.
            if container.isSidecar, pod.isInitContainer(container.name), grace > 0, turn.contains(container.name) {
                deadline = max(deadline, input.now + Self.leastGrace)
            }
            end(
                container, known, grace: grace, deadline: deadline, isItsTurn: turn.contains(container.name),
                why: .podEnds)
        }
        stopUnknown(running, deadline: since + .seconds(grace))
        guard !state.hasLiveContainers else { return }
        removeWhatIsLeft()
    }

    /// Sidecars serve the others to their end, and go one by one in the reverse order of their start; all at once when
    /// the time is up.
    private mutating func turn(_ running: [Container], isStarting: Bool, deadline: PodState.Instant) -> Set<String> {
        let sidecars = pod.sidecars.map(\.name)
        let plain = running.filter { !sidecars.contains($0.name) }
        if !plain.isEmpty || isStarting { return Set(plain.map(\.name)) }
        let left = sidecars.filter { name in running.contains { $0.name == name } }
        guard left.count > 1 else { return Set(left) }
        if input.now >= deadline { return Set(left) }
        wake(at: deadline)
        return Set(left.suffix(1))
    }

    /// Containers that the spec does not have any more.
    private mutating func stopUnknown(_ running: [Container], deadline: PodState.Instant) {
        for (name, known) in state.containers.sorted(by: { $0.key < $1.key })
        where known.current?.isRunning == true && !running.contains(where: { $0.name == name }) {
            stop(name, known, deadline: deadline, isItsTurn: true, .podEnds)
        }
    }

    private mutating func removeWhatIsLeft() {
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
        guard state.volumes != .preparing, state.volumes != .removing, !state.isRefreshingVolumes else { return }
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
