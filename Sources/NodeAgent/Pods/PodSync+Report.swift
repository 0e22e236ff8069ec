import KubeAPI

/// Telling the API: one write of a pod at a time, of whatever has changed by then. What can't be told now is told later:
/// the status is always made anew of what is.
extension PodSync {
    mutating func report(isGone: Bool, now: Instant, wakeAt: inout Instant?) {
        guard let client = context.client else {
            if isGone { isDone = true }
            return
        }
        if isGone, reporter.isStatic {
            // Nobody waits for it: a changed manifest is run though the API be away.
            if let mirror = reporter.mirror { Task { await MirrorPod.deleteEventually(mirror, client) } }
            isDone = true
            return
        }
        func wake(at instant: Instant) { wakeAt = min(wakeAt ?? instant, instant) }
        if let retryAt = reporter.retryAt {
            guard retryAt <= now else { return wake(at: retryAt) }
            reporter.retryAt = nil
        }
        if reporter.isStatic, reporter.hasSeenAPI, !isGone { keepMirror(client, now: now, wake: wake) }
        let isTold = sendStatus(client, isGone: isGone, now: now, wake: wake)
        guard isGone else { return }
        guard let leaving = state.leaving, leaving.isInAPI, !reporter.isGone else {
            isDone = true
            return
        }
        if reporter.hasDeleted {
            isDone = true
        } else if isTold, !reporter.isDeleting {
            delete(client)
        }
    }

    // MARK: status

    /// - Returns: whether the API has all of it.
    private mutating func sendStatus(_ client: any APIClient, isGone: Bool, now: Instant, wake: (Instant) -> Void)
        -> Bool
    {
        guard !reporter.isFrozen, let target = reporter.target(of: pod) else { return true }
        guard !reporter.isSending else { return false }
        let isInMotion = state.isStarting || state.leaving != nil && !isGone && !state.hasLiveContainers
        if isInMotion {
            // Held before it is made: most of them are outdated before anybody sees them.
            let since = reporter.heldSince ?? now
            reporter.heldSince = since
            if now < since + PodReporter.patience {
                wake(since + PodReporter.patience)
                return false
            }
        } else {
            reporter.heldSince = nil
        }
        let patch = StatusPatch.make(
            from: reporter.known, to: PodStatus.make(statusInput), owned: StatusPatch.podMembers)
        guard !patch.isNull, patch != reporter.ignored else { return true }
        reporter.heldSince = nil
        reporter.isSending = true
        let mailbox = mailbox
        Task {
            do {
                let object = try await client.patch(
                    .pods, namespace: target.namespace, name: target.name, subresource: "status", type: .strategic,
                    ["metadata": ["uid": .string(target.uid)], "status": patch])
                mailbox.send(.statusSent(patch: patch, .success(Pod(object))))
            } catch {
                mailbox.send(.statusSent(patch: patch, .failure(ReportError(error))))
            }
        }
        return false
    }

    mutating func statusSent(_ patch: JSON, _ result: Result<Pod, ReportError>, now: Instant) {
        reporter.isSending = false
        switch result {
        case .success(let object):
            reporter.backoff.reset()
            reporter.wrote(object)
            if object.phase == "Running", timings.firstStart != nil { timings.reach(\.reported, at: now) }
            let status = PodStatus.make(statusInput)
            if StatusPatch.make(from: reporter.known, to: status, owned: StatusPatch.podMembers) == patch {
                reporter.ignored = patch
                log.debug("the API did not take all of a status", metadata: ["patch": "\(patch)"])
            }
        case .failure(.gone):
            // What has become of it is told by the watch.
            reporter.ignored = patch
        case .failure(.refused(let message)):
            reporter.ignored = patch
            log.warning("the API refused a status", metadata: ["err": "\(message)"])
        case .failure(.unreachable(let message)): postpone(message, now: now)
        }
    }

    private mutating func postpone(_ message: String, now: Instant) {
        if reporter.backoff.attempts == 0 { log.debug("cannot tell the API", metadata: ["err": "\(message)"]) }
        reporter.retryAt = now + reporter.backoff.next()
    }

    // MARK: the object's end

    private mutating func delete(_ client: any APIClient) {
        reporter.isDeleting = true
        let (mailbox, pod) = (mailbox, pod)
        Task {
            do {
                try await client.delete(
                    .pods, namespace: pod.namespace, name: pod.name,
                    options: ["gracePeriodSeconds": 0, "preconditions": ["uid": .string(pod.uid)]])
                mailbox.send(.deleted(.success(())))
            } catch {
                mailbox.send(.deleted(.failure(ReportError(error, conflictIsGone: true))))
            }
        }
    }

    mutating func deleted(_ result: Result<Void, ReportError>, now: Instant) {
        reporter.isDeleting = false
        switch result {
        case .success, .failure(.gone): reporter.hasDeleted = true
        case .failure(.refused(let message)), .failure(.unreachable(let message)): postpone(message, now: now)
        }
    }

    // MARK: mirrors of static pods

    /// Sees to it that the API has a picture of the pod, and no other in its place.
    private mutating func keepMirror(_ client: any APIClient, now: Instant, wake: (Instant) -> Void) {
        guard !reporter.isChangingMirror else { return }
        if let mirror = reporter.mirror {
            let isOurs = mirror.annotations[Pod.configMirror] == pod.uid && !mirror.isDeleting
            guard !isOurs else { return }
            reporter.isChangingMirror = true
            let mailbox = mailbox
            Task { mailbox.send(.mirrorDeleted(uid: mirror.uid, await MirrorPod.delete(mirror, client))) }
            return
        }
        let node = context.node.current.node
        // A mirror of a node that the API does not know would be collected as garbage.
        guard state.leaving == nil, !node.isNull else { return }
        if let dueAt = reporter.mirrorDueAt, dueAt > now { return wake(dueAt) }
        reporter.isChangingMirror = true
        let (mailbox, mirror, namespace) = (mailbox, MirrorPod.make(of: pod, node: node), pod.namespace)
        Task {
            do {
                mailbox.send(
                    .mirrorCreated(.success(Pod(try await client.create(.pods, namespace: namespace, mirror)))))
            } catch {
                mailbox.send(.mirrorCreated(.failure(ReportError(error))))
            }
        }
    }

    mutating func mirrorCreated(_ result: Result<Pod, ReportError>, now: Instant) {
        reporter.isChangingMirror = false
        switch result {
        case .success(let mirror):
            reporter.backoff.reset()
            reporter.sawMirror(mirror)
        case .failure(let error):
            log.debug("cannot create mirror pod", metadata: ["err": "\(error)"])
            reporter.retryAt = now + reporter.backoff.next()
        }
    }

    mutating func mirrorDeleted(_ uid: String, _ result: Result<Void, ReportError>, now: Instant) {
        reporter.isChangingMirror = false
        switch result {
        case .success, .failure(.gone): reporter.mirrorWent(uid: uid, now: now)
        case .failure(.refused(let message)), .failure(.unreachable(let message)): postpone(message, now: now)
        }
    }
}
