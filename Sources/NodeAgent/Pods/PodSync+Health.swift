import KubeAPI

/// Probes and life-cycle hooks of a pod's containers: tasks of their own, which answer into the mailbox.
extension PodSync {
    /// One probe of one run.
    struct ProbeKey: Hashable {
        var container: String
        var kind: ProbeKind
        var id: String
    }

    // MARK: probes

    /// Begins the probes that are wanted now, and ends the others.
    mutating func superviseProbes() {
        var wanted: Set<ProbeKey> = []
        for container in pod.containers + pod.sidecars {
            guard let known = state.containers[container.name], let run = known.current, run.isRunning else { continue }
            for kind in ProbeKind.allCases {
                guard let spec = container.probe(kind), isWanted(kind, container, known, run) else { continue }
                let key = ProbeKey(container: container.name, kind: kind, id: run.id)
                wanted.insert(key)
                if probes[key] == nil { probes[key] = beginProbe(spec, of: container, run) }
            }
        }
        for (key, task) in probes where !wanted.contains(key) {
            task.cancel()
            probes[key] = nil
        }
    }

    /// The startup probe comes first, the others once it has said yes. What is to end is not asked any more whether it
    /// lives, but whether it is ready to the last.
    private func isWanted(_ kind: ProbeKind, _ container: Container, _ known: ContainerState, _ run: ContainerRun)
        -> Bool
    {
        guard known.postStart != .running else { return false }
        let isEnding =
            known.stop != nil || known.hook(of: run) != nil || known.postStart == .failed || state.leaving != nil
            || state.failure != nil || state.isFinal
        return switch kind {
        case .startup: !isEnding && known.health[.startup] == nil
        case .liveness: !isEnding && state.isStarted(container) && known.health[.liveness] != false
        case .readiness: state.isStarted(container)
        }
    }

    private func beginProbe(_ spec: ProbeSpec, of container: Container, _ run: ContainerRun) -> Task<Void, Never> {
        let name = container.name
        let mailbox = mailbox
        let loop = ProbeLoop(
            spec: spec, target: target(container, run), runner: context.health, metrics: context.probeMetrics,
            labels: ProbeMetrics.Labels(
                kind: spec.kind, namespace: pod.namespace, pod: pod.name, podUID: pod.uid, container: name),
            tell: { mailbox.send(.probed(name, id: run.id, spec, $0)) })
        let now = Timestamp.now()
        var delay = spec.initialDelay - max(.zero, now - (run.startedAt ?? now))
        // Not all containers of the node at once when the kubelet comes back, unless somebody waits for the answer.
        let isAdopted = run.startedAt.map { $0 < begunAt } ?? false
        if isAdopted, delay <= .zero, spec.kind != .readiness || state.containers[name]?.health[.readiness] != nil {
            delay = spec.period * Double.random(in: 0..<1)
        }
        let first = ContinuousClock.now + max(.zero, delay)
        return Task { await loop.run(from: first) }
    }

    private func target(_ container: Container, _ run: ContainerRun) -> HealthTarget {
        HealthTarget(
            podUID: pod.uid, podIP: state.podIPs.first ?? "", container: container, containerID: run.id)
    }

    mutating func probed(_ name: String, _ id: String, _ spec: ProbeSpec, _ outcome: ProbeOutcome) {
        // Of an earlier run, or called off meanwhile.
        guard state.run(of: name)?.id == id, probes[ProbeKey(container: name, kind: spec.kind, id: id)] != nil else {
            return
        }
        if let event = outcome.event(spec.kind) { events.warning(event.reason, event.message, container: name) }
        guard let isHealthy = outcome.isHealthy else { return }
        state.containers[name]?.health.observe(isHealthy, by: spec)
    }

    /// What an earlier kubelet had found, so that its end makes nobody unready: until a probe says otherwise.
    mutating func rememberHealth(from known: Pod) {
        for status in known.containerStatuses + known.initContainerStatuses {
            guard let run = state.run(of: status.name), run.isRunning, status.containerID == "swiftlet://\(run.id)",
                let health = state.containers[status.name]?.health
            else { continue }
            if status.isStarted, health[.startup] == nil { state.containers[status.name]?.health[.startup] = true }
            if status.isReady, health[.readiness] == nil { state.containers[status.name]?.health[.readiness] = true }
        }
    }

    // MARK: hooks

    mutating func beginPostStart(_ action: HealthAction, _ container: Container, _ run: ContainerRun) {
        state.containers[container.name]?.postStart = .running
        let mailbox = mailbox
        beginHook(action, container, run) { mailbox.send(.postStartEnded(container.name, id: run.id, $0)) }
    }

    mutating func postStartEnded(_ name: String, _ id: String, _ result: Result<Void, HealthActionError>) {
        hooks[id] = nil
        guard let run = state.run(of: name), run.id == id, state.containers[name]?.postStart == .running else { return }
        switch result {
        case .success: state.containers[name]?.postStart = .done
        case .failure(let error):
            // It ended before the hook did.
            guard run.isRunning else { return }
            state.containers[name]?.postStart = .failed
            state.containers[name]?.postStartFailure = error.description
            // Not why: a hook's output may hold secrets.
            events.warning("FailedPostStartHook", "PostStartHook failed", container: name)
            log.info("a postStart hook failed", metadata: ["container": "\(name)"])
        }
    }

    mutating func preStop(_ name: String, graceSeconds: Int, _ why: PodPlan.StopReason, now: Instant) {
        guard let container = pod.container(name), let action = container.preStop,
            let run = state.run(of: name), run.isRunning
        else { return }
        announceEnd(of: name, run, why)
        state.containers[name]?.preStop = ContainerState.PreStop(id: run.id, deadline: now + .seconds(graceSeconds))
        let mailbox = mailbox
        beginHook(action, container, run) { mailbox.send(.preStopEnded(name, id: run.id, $0)) }
    }

    mutating func preStopEnded(_ name: String, _ id: String, _ result: Result<Void, HealthActionError>) {
        hooks[id] = nil
        guard state.run(of: name)?.id == id else { return }
        state.containers[name]?.preStop?.isDone = true
        guard case .failure = result else { return }
        events.warning("FailedPreStopHook", "PreStopHook failed", container: name)
        log.info("a preStop hook failed", metadata: ["container": "\(name)"])
    }

    private mutating func beginHook(
        _ action: HealthAction, _ container: Container, _ run: ContainerRun,
        _ answer: @escaping @Sendable (Result<Void, HealthActionError>) -> Void
    ) {
        hooks[run.id]?.cancel()
        let (runner, target, mailbox) = (context.health, target(container, run), mailbox)
        hooks[run.id] = Task {
            let result: Result<Void, HealthActionError>
            do throws(HealthActionError) {
                if let server = try await runner.run(hook: action, of: target) {
                    mailbox.send(.hookFellBack(server: server))
                }
                result = .success(())
            } catch {
                result = .failure(error)
            }
            // Called off: what it was for is over.
            if !Task.isCancelled { answer(result) }
        }
    }

    /// A run has ended or is about to be: its hook is not awaited any more.
    mutating func endHook(of id: String) { hooks.removeValue(forKey: id)?.cancel() }

    /// The first step of an end is told.
    mutating func announceEnd(of name: String, _ run: ContainerRun, _ why: PodPlan.StopReason) {
        guard state.containers[name]?.stop == nil, state.containers[name]?.hook(of: run) == nil else { return }
        let message: String
        switch why {
        case .podEnds: message = "Stopping container \(name)"
        case .imageChanged: message = "Container \(name) definition changed, will be restarted"
        case .failedPostStart: message = "FailedPostStartHook"
        case .failedProbe(let kind):
            state.containers[name]?.isFailedProbe = true
            let words = "ontainer \(name) failed \(kind.rawValue.lowercased()) probe"
            message =
                pod.isInitContainer(name)
                ? "Init c" + words : "C" + words + (pod.restartPolicy == "Never" ? "" : ", will be restarted")
        }
        events.normal("Killing", message, container: name)
    }
}
