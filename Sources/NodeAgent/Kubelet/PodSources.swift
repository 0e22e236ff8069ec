import KubeAPI
import Kernel
import Logging
import Synchronization

/// Where pods come from: the API, the manifest folder, and what ran already. Sees to it that each has its worker, and
/// that each worker hears of its pod.
final class PodSources: Sendable {
    private enum Change: Sendable {
        case changed(JSON)
        case deleted(JSON)
        case synced
        case manifests([Pod])
    }

    private struct State {
        /// The pods of the manifest folder by `namespace/name`; nil before it was read.
        var manifests: [String: Pod]?
        var hasSynced = false
        var hasSwept = false
        /// What the API's pods hold of the node: from their admission until they have ended for the API, or it has let
        /// them go. The scheduler gives away anew what they held from that moment, be they cleaned up here or not.
        var shares = NodeShares()
    }

    private let context: KubeletContext
    private let workers: PodWorkers
    private let informer: Informer?
    private let changes = Mailbox<Change>()
    private let state = Mutex(State())

    init(context: KubeletContext, workers: PodWorkers) {
        self.context = context
        self.workers = workers
        informer = context.client.map {
            Informer($0, .pods, fieldSelector: "spec.nodeName=\(context.config.nodeName)", log: context.log)
        }
    }

    /// Goes on with the pods that an earlier kubelet has left running. Those that their source does not have any more are
    /// ended once it has been heard.
    func adopt(_ sandboxes: [RecoveredSandbox]) {
        let now = ContinuousClock.now
        let time = Timestamp.now()
        for sandbox in sandboxes {
            let uid = sandbox.spec.podUID
            let state = PodState(
                recovered: sandbox, history: PodHistory.read(context.paths.podState(uid)), now: now, time: time)
            var json = sandbox.spec.annotation["pod"]
            if json.uid != uid {
                // No record of ours: enough to end it properly.
                json = [
                    "metadata": [
                        "name": .string(sandbox.spec.name), "namespace": .string(sandbox.spec.namespace),
                        "uid": .string(uid),
                    ]
                ]
            }
            let pod = Pod(json)
            take(pod)
            workers.start(
                PodSync.Beginning(
                    pod: pod, state: state, isFromRecord: true,
                    garbage: PodState.superfluous(sandbox.containers).map(\.id), seenAt: now))
        }
        if !sandboxes.isEmpty { context.log.info("adopted pods", metadata: ["count": "\(sandboxes.count)"]) }
    }

    func manifestsChanged(_ pods: [Pod]) { changes.send(.manifests(pods)) }

    /// Runs until the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            if let informer {
                informer.onEvent { [changes] event in
                    switch event {
                    case .added(let object): changes.send(.changed(object))
                    case .updated(let old, let new):
                        // Deleted and made anew between two looks.
                        if old.uid != new.uid { changes.send(.deleted(old)) }
                        changes.send(.changed(new))
                    case .deleted(let object): changes.send(.deleted(object))
                    }
                }
                group.addTask { await informer.run() }
                group.addTask { [changes] in
                    await informer.waitForSync()
                    changes.send(.synced)
                }
            }
            group.addTask {
                while !Task.isCancelled { self.handle(await self.changes.next()) }
            }
            // The reader of a mailbox is woken to see that it is over.
            group.addTask { [changes] in
                try? await Task.sleep(for: .seconds(365 * 86_400 * 100))  // until cancelled
                changes.send(.synced)
            }
        }
    }

    private func handle(_ batch: [Change]) {
        guard !Task.isCancelled else { return }
        // The oldest pods of a first list are the first to be admitted.
        var fresh: [JSON] = []
        func flush() {
            for object in fresh.sorted(by: { Self.age($0) < Self.age($1) }) { changed(object) }
            fresh = []
        }
        for change in batch {
            if case .changed(let object) = change {
                fresh.append(object)
                continue
            }
            flush()
            switch change {
            case .changed: break
            case .deleted(let object): deleted(Pod(object))
            case .synced: synced()
            case .manifests(let pods): manifests(pods)
            }
        }
        flush()
    }

    private static func age(_ object: JSON) -> (String, Int) {
        (object["metadata"]["creationTimestamp"].stringValue, Int(object.resourceVersion) ?? 0)
    }

    // MARK: the API's pods

    private func changed(_ object: JSON) {
        let pod = Pod(object)
        if pod.isMirror { return mirrorChanged(pod) }
        if pod.isTerminal { release(pod.uid) }
        if let worker = workers.worker(pod.uid) { return worker.send(.update(pod)) }
        // Held by a finalizer: the node has done its part.
        if pod.isDeleting, pod.graceSeconds == 0, !pod.json.finalizers.isEmpty { return }
        let now = ContinuousClock.now
        let history = PodHistory.read(context.paths.podState(pod.uid))
        var state = PodState(history: history, pod: pod, now: now, time: .now())
        if history == nil, state.containers.isEmpty, !state.isFinal, !pod.isDeleting, let rejection = admit(pod) {
            state.failure = PodState.Failure(
                reason: rejection.reason, message: "Pod was rejected: \(rejection.message)", since: now)
            context.events.record(
                object: object, type: .warning, reason: rejection.reason, message: rejection.message)
        } else if !state.isFinal {
            take(pod)
        }
        workers.start(PodSync.Beginning(pod: pod, state: state, seenAt: now))
    }

    private func admit(_ pod: Pod) -> NodeAdmission.Rejection? {
        let node = context.node.current.node
        return NodeAdmission(
            allocatable: context.node.allocatable, maxPods: context.config.maxPods,
            labels: node.isNull ? nil : node.labels
        ).check(pod, others: held())
    }

    /// What is held of the node: by the API's pods, and by those of the manifest folder.
    private func held() -> NodeShares {
        var (shares, hasSynced) = state.withLock { ($0.shares, $0.hasSynced) }
        for worker in workers.statics where !worker.snapshot.isTerminal { shares.take(worker.uid, worker.demand) }
        if !hasSynced {
            // Of those that were adopted, some may have been deleted while nobody looked.
            let known = Set((informer?.all() ?? []).map(\.uid))
            for worker in workers.all where !worker.snapshot.pod.isStatic && !known.contains(worker.uid) {
                shares.release(worker.uid)
            }
        }
        return shares
    }

    private func take(_ pod: Pod) {
        guard !pod.isStatic, !pod.isTerminal else { return }
        let demand = PodDemand(pod)
        state.withLock { $0.shares.take(pod.uid, demand) }
    }

    private func release(_ uid: String) { state.withLock { $0.shares.release(uid) } }

    private func deleted(_ pod: Pod) {
        guard pod.isMirror else {
            release(pod.uid)
            return workers.send(.vanished(pod), to: pod.uid)
        }
        staticWorker(pod.key)?.send(.mirrorWent(uid: pod.uid))
    }

    private func synced() {
        let isFirst = state.withLock { state in
            defer { state.hasSynced = true }
            return !state.hasSynced
        }
        guard isFirst, let informer else { return }
        for worker in workers.all {
            let pod = worker.snapshot.pod
            let object = informer.get(pod.key)
            if pod.isStatic {
                if object == nil { worker.send(.mirrorWent(uid: nil)) }
            } else if object?.uid != pod.uid {
                // It was deleted while nobody looked.
                release(pod.uid)
                worker.send(.vanished(pod))
            }
        }
        sweepOnce()
    }

    // MARK: static pods

    private func staticWorker(_ key: String) -> PodWorker? {
        workers.statics.first { $0.snapshot.pod.key == key }
    }

    private func mirrorChanged(_ mirror: Pod) {
        if let worker = staticWorker(mirror.key) { return worker.send(.mirror(mirror)) }
        // Its pod waits for its turn, or the folder has not been read.
        guard let manifests = state.withLock({ $0.manifests }), manifests[mirror.key] == nil,
            let client = context.client
        else { return }
        Task { await MirrorPod.deleteEventually(mirror, client) }
    }

    private func manifests(_ pods: [Pod]) {
        let wanted = Dictionary(pods.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        let hasSynced = state.withLock { state in
            state.manifests = wanted
            return state.hasSynced
        }
        for worker in workers.all {
            let pod = worker.snapshot.pod
            if pod.isStatic, wanted[pod.key]?.uid != pod.uid { worker.send(.vanished(pod)) }
        }
        for key in workers.waitingKeys where wanted[key] == nil { workers.forgetWaiting(key) }
        let now = ContinuousClock.now
        for pod in pods where workers.worker(pod.uid) == nil {
            let mirror = informer?.get(pod.key).map(Pod.init).flatMap { $0.isMirror ? $0 : nil }
            let history = PodHistory.read(context.paths.podState(pod.uid))
            workers.start(
                PodSync.Beginning(
                    pod: pod, state: PodState(history: history, pod: pod, now: now, time: .now()), mirror: mirror,
                    seenAt: now))
            if hasSynced, mirror == nil { workers.send(.mirrorWent(uid: nil), to: pod.uid) }
        }
        if hasSynced || informer == nil {
            // Pictures of pods whose manifests went while nobody looked.
            for object in informer?.all() ?? [] where Pod(object).isMirror { mirrorChanged(Pod(object)) }
            sweepOnce()
        }
    }

    // MARK: what is left of others

    /// Once all pods are known, what others have left on the disk goes.
    private func sweepOnce() {
        let isDue = state.withLock { state in
            guard state.manifests != nil, state.hasSynced || informer == nil, !state.hasSwept else { return false }
            state.hasSwept = true
            return true
        }
        guard isDue else { return }
        let (paths, logs, workers, log) = (context.paths, context.logs, workers, context.log)
        context.files.post {
            logs.sweep { workers.worker($0) != nil || workers.isWaiting(uid: $0) }
            for parent in [paths.pods, paths.memoryVolumes] {
                for uid in FileTree.names(in: parent) where workers.worker(uid) == nil && !workers.isWaiting(uid: uid) {
                    do throws(KernelError) {
                        try FileTree.remove("\(parent)/\(uid)")
                    } catch {
                        log.warning(
                            "cannot remove what a pod has left", metadata: ["uid": "\(uid)", "err": "\(error)"])
                    }
                }
            }
        }
    }
}
