import KubeAPI
import Kernel

/// What a message makes of the state. Nothing is decided here: that is the plan's.
extension PodSync {
    mutating func apply(_ message: PodMessage) {
        let now = ContinuousClock.now
        switch message {
        case .update(let new): update(new)
        case .vanished(let last):
            if pod.isStatic {
                leave(grace: pod.graceSeconds, isInAPI: false)
            } else {
                reporter.isGone = true
                reporter.retryAt = nil
                // Nobody waits any more: it was forced. Programs get the moment that Kubernetes gives them.
                leave(grace: min(last.graceSeconds, 2), isInAPI: false)
            }
        case .mirror(let mirror):
            if !reporter.hasSeenAPI { rememberHealth(from: mirror) }
            reporter.sawMirror(mirror)
        case .mirrorWent(let uid): reporter.mirrorWent(uid: uid, now: now)
        case .exited(let id, let record): exited(id, record, now: now)
        case .sandboxDied(let reason): sandboxDied(reason, now: now)
        case .objectsChanged:
            state.volumesProblem?.retryAt = now
            refreshVolumes()
            retryProblems { $0.reason == "CreateContainerConfigError" }
        case .imagesChanged:
            retryImages()
        case .wake: timerFired(now: now)
        case .halt: isDone = true
        case .sandboxCreated(let result, let asked, let answered):
            timings.reach(\.sandboxAsked, at: asked)
            timings.reach(\.sandboxMade, at: answered)
            sandboxCreated(result, now: now)
        case .sandboxRemoved(let result): sandboxRemoved(result, now: now)
        case .volumesPrepared(let result): volumesPrepared(result, now: now)
        case .volumesRemoved: state.volumes = .none
        case .imagePulling(let name, let image): imagePulling(name, image)
        case .imageFound(let name, let image, let result): imageFound(name, image, result, now: now)
        case .pullSecretsMissing(let names): pullSecretsMissing(names)
        case .started(let name, let run, let result, let asked):
            if let asked { timings.reach(\.startAsked, at: asked) }
            started(name, run, result, now: now)
        case .stopped(let name, let id, let result): stopped(name, id, result, now: now)
        case .stopExpired(let name, let id):
            if state.containers[name]?.stop?.id == id { state.containers[name]?.stop = nil }
        case .probed(let name, let id, let spec, let outcome): probed(name, id, spec, outcome)
        case .postStartEnded(let name, let id, let result): postStartEnded(name, id, result)
        case .preStopEnded(let name, let id, let result): preStopEnded(name, id, result)
        case .hookFellBack(let server):
            context.metrics.hookFellBack()
            events.warning(
                "LifecycleHTTPFallback",
                "request to HTTPS lifecycle hook \(server) got HTTP response, retry with HTTP succeeded")
        case .volumesRefreshed(let result): volumesRefreshed(result)
        case .cleanedUp(let result):
            state.isCleaningUp = false
            state.isCleanedUp = true
            if case .failure(let error) = result {
                // It is tried again; the pod must not hang on it.
                log.warning("cannot remove a pod's files", metadata: ["err": "\(error)"])
            }
        case .statusSent(let patch, let result): statusSent(patch, result, now: now)
        case .deleted(let result): deleted(result, now: now)
        case .mirrorCreated(let result): mirrorCreated(result, now: now)
        case .mirrorDeleted(let uid, let result): mirrorDeleted(uid, result, now: now)
        }
    }

    private mutating func update(_ new: Pod) {
        let old = pod
        let isFirst = !reporter.hasSeenAPI
        guard reporter.saw(new) else { return }
        if isFirst { rememberHealth(from: new) }
        pod = new
        for container in new.allContainers where old.container(container.name)?.image != container.image {
            state.containers[container.name]?.image = .none
            state.containers[container.name]?.problem = nil
            imageTasks.removeValue(forKey: container.name)?.cancel()
        }
        if new.isDeleting { leave(grace: new.graceSeconds, isInAPI: true) }
        if state.leaving == nil { context.objects?.follow(ObjectReference.all(of: new), for: new.uid) }
        if isFirst, state.volumes == .none, state.hasLiveContainers { refreshVolumes() }
        refreshDownwardVolumes(since: old)
    }

    private mutating func retryProblems(_ isMeant: (PodState.Problem) -> Bool) {
        for name in state.containers.keys {
            guard let problem = state.containers[name]?.problem, isMeant(problem) else { continue }
            state.containers[name]?.problem = nil
            if case .found = state.containers[name]?.image { state.containers[name]?.image = .none }
        }
    }

    // MARK: sandbox

    private mutating func sandboxCreated(_ result: Result<SandboxInfo, RuntimeError>, now: Instant) {
        switch result {
        case .success(let info):
            state.sandbox = .ready(info)
            state.podIPs = pod.hostNetwork ? context.node.hostIPs : info.addresses
            state.sandboxProblem = nil
            sandboxFailures.reset()
            timings.reach(\.sandbox, at: now)
        case .failure(let error):
            // Half of one is removed before another is made.
            state.sandbox = error.cleanUpFailures.isEmpty ? .none : .dead
            state.sandboxProblem = PodState.Problem(
                reason: "", message: "\(error)", retryAt: now + sandboxFailures.next())
            events.warning("FailedCreatePodSandBox", "Failed to create pod sandbox: \(error)")
            log.warning("cannot create sandbox", metadata: ["err": "\(error)"])
        }
    }

    private mutating func sandboxDied(_ reason: String, now: Instant) {
        guard case .ready = state.sandbox else { return }
        state.sandbox = .dead
        for name in state.containers.keys {
            guard let run = state.containers[name]?.current, run.isRunning else { continue }
            let record = ExitRecord(
                exitCode: 137, signal: 9, startedAt: run.startedAt ?? .now(), finishedAt: .now(), isLost: true)
            exited(run.id, record, now: now)
        }
        log.warning("the pod's supervisor died", metadata: ["err": "\(reason)"])
        if state.leaving == nil, !state.isFinal {
            events.normal("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        }
    }

    private mutating func sandboxRemoved(_ result: Result<Void, RuntimeError>, now: Instant) {
        switch result {
        case .success:
            state.sandbox = .none
            state.sandboxNumber += 1
            state.sandboxProblem = nil
            sandboxFailures.reset()
            for name in state.containers.keys {
                state.containers[name]?.current?.isInRuntime = false
                state.containers[name]?.previous?.isInRuntime = false
            }
        case .failure(let error):
            state.sandbox = .dead
            state.sandboxProblem = PodState.Problem(
                reason: "", message: "\(error)", retryAt: now + sandboxFailures.next())
            log.warning("cannot remove sandbox", metadata: ["err": "\(error)"])
        }
    }

    // MARK: what containers need

    private mutating func volumesPrepared(_ result: Result<[String: PreparedVolume], VolumeError>, now: Instant) {
        volumesTask = nil
        switch result {
        case .success(let volumes):
            state.volumes = .ready(volumes)
            state.volumesProblem = nil
            volumeFailures.reset()
            timings.reach(\.volumes, at: now)
            if isRefreshDue { refreshVolumes() }
        case .failure(let error):
            state.volumes = .none
            // It was called off.
            guard state.leaving == nil else { return }
            state.volumesProblem = PodState.Problem(
                reason: "", message: "\(error)", retryAt: now + volumeFailures.next())
            events.warning("FailedMount", "\(error)")
        }
    }

    // MARK: runs

    private mutating func started(
        _ name: String, _ run: ContainerRun, _ result: Result<ContainerInfo, StartProblem>, now: Instant
    ) {
        var container = state.containers[name] ?? ContainerState()
        guard container.startingID == run.id else { return }
        container.startingID = nil
        let found = container.image
        // Looked up again before the next start: it may be gone by then.
        container.image = .none
        switch result {
        case .success(let info):
            timings.reach(\.firstStart, at: now)
            var run = run
            run.pid = info.pid
            run.startedAt = info.startedAt
            announceStart(name, found)
            events.normal("Started", "Started container \(name)", container: name)
            take(run, name, in: &container)
            state.containers[name] = container
            if let spec = pod.container(name), let action = spec.postStart { beginPostStart(action, spec, run) }
            if case .exited(let record) = info.state { exited(run.id, record, now: now) }
            if let record = earlyExits.removeValue(forKey: run.id) { exited(run.id, record, now: now) }
            log.debug("started container", metadata: ["container": "\(name)", "id": "\(run.id)"])
            return
        case .failure(.start(let message)):
            var run = run
            run.isInRuntime = false
            run.state = .ended(.failedStart(message, at: .now()))
            announceStart(name, found)
            events.warning("Failed", "Error: \(message)", container: name)
            take(run, name, in: &container)
            container.endedAt = now
            state.containers[name] = container
            writeHistory()
            return
        case .failure(.config(let message)):
            container.problem = PodState.Problem(
                reason: "CreateContainerConfigError", message: message, retryAt: now + .seconds(10))
            events.warning("Failed", "Error: \(message)", container: name)
        case .failure(.create(let message)):
            container.problem = PodState.Problem(
                reason: "CreateContainerError", message: message, retryAt: now + Self.pause(after: container.problems))
            container.problems += 1
            events.warning("Failed", "Error: \(message)", container: name)
            log.warning("cannot create container", metadata: ["container": "\(name)", "err": "\(message)"])
        case .failure(.sandboxGone):
            if case .ready = state.sandbox { state.sandbox = .dead }
        }
        state.containers[name] = container
    }

    private mutating func announceStart(_ name: String, _ image: ContainerState.ImageLookup) {
        // What was pulled has been told of.
        if case .found(let found) = image, found.pull == nil {
            let text = pod.container(name)?.image ?? ""
            events.normal("Pulled", "Container image \"\(text)\" already present on machine", container: name)
        }
        events.normal("Created", "Created container: \(name)", container: name)
    }

    /// A new run becomes the current one; of those before, one is kept.
    private mutating func take(_ run: ContainerRun, _ name: String, in container: inout ContainerState) {
        container.problem = nil
        container.problems = 0
        if let current = container.current {
            if let old = container.previous { discard(old, name) }
            container.previous = current
        }
        container.current = run
        container.previousEndedAt = container.endedAt
        container.endedAt = nil
        container.stop = nil
        container.preStop = nil
        container.postStart = .done
        container.health = ContainerHealth()
        container.isFailedProbe = false
    }

    /// Removes what a run has left: its writable layer, its log.
    private mutating func discard(_ run: ContainerRun, _ name: String) {
        if run.isInRuntime { removeContainer(run.id) }
        let (logs, pod) = (context.logs, pod)
        context.files.post { logs.remove(pod, name, attempt: run.attempt, id: run.id) }
    }

    private mutating func exited(_ id: String, _ record: ExitRecord, now: Instant) {
        guard let name = state.containers.first(where: { $0.value.current?.id == id })?.key else {
            if state.containers.values.contains(where: { $0.startingID == id }) { earlyExits[id] = record }
            return
        }
        guard var run = state.containers[name]?.current, run.isRunning else { return }
        var end = ContainerEnd(record)
        if let container = pod.container(name), container.terminationMessagePolicy == "FallbackToLogsOnError",
            end.message.isEmpty, end.exitCode != 0 || record.oomKilled
        {
            end.message = LogTail.lastWords(of: context.paths.log(pod, name, attempt: run.attempt))
        }
        run.state = .ended(end)
        endHook(of: id)
        state.containers[name]?.current = run
        state.containers[name]?.stop = nil
        if let known = state.containers[name], known.postStart == .failed {
            // Said until it is started again, or waits longer.
            state.containers[name]?.problem = PodState.Problem(
                reason: "PostStartHookError", message: known.postStartFailure, retryAt: now)
        }
        state.containers[name]?.endedAt = now - max(.zero, Timestamp.now() - end.finishedAt)
    }

    private mutating func stopped(
        _ name: String, _ id: String, _ result: Result<ExitRecord, RuntimeError>, now: Instant
    ) {
        switch result {
        case .success(let record): exited(id, record, now: now)
        case .failure(let error):
            switch error.reason {
            case .notFound:
                if let run = state.containers[name]?.current, run.id == id, run.isRunning {
                    exited(
                        id,
                        ExitRecord(
                            exitCode: 137, signal: 9, startedAt: run.startedAt ?? .now(), finishedAt: .now(),
                            isLost: true),
                        now: now)
                }
            case .sandboxDead: sandboxDied("\(error)", now: now)
            default:
                log.warning("cannot stop container", metadata: ["container": "\(name)", "err": "\(error)"])
                let mailbox = mailbox
                Task {
                    try? await Task.sleep(for: .seconds(1))  // nobody cancels it
                    mailbox.send(.stopExpired(name, id: id))
                }
            }
        }
    }
}
