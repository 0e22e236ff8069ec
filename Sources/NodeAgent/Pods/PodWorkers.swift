import KubeAPI
import Logging
import Synchronization

/// The workers of all pods of the node, by uid.
final class PodWorkers: Sendable {
    private struct State {
        var workers: [String: PodWorker] = [:]
        /// Those of `workers` whose pods come from the manifest folder.
        var statics: [String: PodWorker] = [:]
        /// Static pods that wait until the one of their name before has left: `namespace/name`.
        var waiting: [String: PodSync.Beginning] = [:]
        var tasks: [String: Task<Void, Never>] = [:]
        var isStopped = false
    }

    private let context: KubeletContext
    private let state = Mutex(State())

    init(context: KubeletContext) { self.context = context }

    var all: [PodWorker] { state.withLock { Array($0.workers.values) } }
    /// The workers of the manifest folder's pods.
    var statics: [PodWorker] { state.withLock { Array($0.statics.values) } }
    var snapshots: [PodSnapshot] { all.map(\.snapshot) }
    func worker(_ uid: String) -> PodWorker? { state.withLock { $0.workers[uid] } }
    var uids: Set<String> { state.withLock { Set($0.workers.keys) } }

    /// The newest pod of that name; a static one is known by its own.
    func worker(namespace: String, name: String) -> PodWorker? {
        var best: (worker: PodWorker, isLeaving: Bool, seenAt: ContinuousClock.Instant)?
        for worker in all {
            let snapshot = worker.snapshot
            guard snapshot.pod.namespace == namespace, snapshot.pod.name == name else { continue }
            let isLeaving = snapshot.state.leaving != nil
            let seenAt = snapshot.timings.seenAt
            if let known = best {
                // One that leaves is only asked about while there is no other.
                let isBetter = isLeaving == known.isLeaving ? seenAt > known.seenAt : known.isLeaving
                guard isBetter else { continue }
            }
            best = (worker, isLeaving, seenAt)
        }
        return best?.worker
    }

    func send(_ message: PodMessage, to uid: String) { worker(uid)?.send(message) }
    func broadcast(_ message: PodMessage) { for worker in all { worker.send(message) } }

    /// Begins to look after a pod. One that is looked after already is left alone.
    func start(_ beginning: PodSync.Beginning) {
        let pod = beginning.pod
        let worker: PodWorker? = state.withLock { state in
            guard !state.isStopped, state.workers[pod.uid] == nil else { return nil }
            if pod.isStatic, state.statics.values.contains(where: { $0.snapshot.pod.key == pod.key }) {
                state.waiting[pod.key] = beginning
                return nil
            }
            let worker = PodWorker(beginning, context: context)
            state.workers[pod.uid] = worker
            if pod.isStatic { state.statics[pod.uid] = worker }
            return worker
        }
        guard let worker else { return }
        context.leftovers.forget(context.paths.leftovers(of: pod))
        let task = Task {
            await worker.run()
            self.ended(worker)
        }
        state.withLock { state in if state.workers[worker.uid] != nil { state.tasks[worker.uid] = task } }
    }

    /// Static pods that wait for their turn, by `namespace/name`.
    var waitingKeys: [String] { state.withLock { Array($0.waiting.keys) } }
    func isWaiting(uid: String) -> Bool { state.withLock { $0.waiting.values.contains { $0.pod.uid == uid } } }

    /// A static pod that has not had its turn is called off.
    func forgetWaiting(_ key: String) { state.withLock { _ = $0.waiting.removeValue(forKey: key) } }

    private func ended(_ worker: PodWorker) {
        let pod = worker.snapshot.pod
        context.log.debug("pod is gone", metadata: ["pod": "\(pod.key)", "uid": "\(pod.uid)"])
        let next = state.withLock { state in
            state.workers[worker.uid] = nil
            state.statics[worker.uid] = nil
            state.tasks[worker.uid] = nil
            return pod.isStatic ? state.waiting.removeValue(forKey: pod.key) : nil
        }
        if let next { start(next) }
    }

    /// Lets go of all pods; they keep running.
    func stop() {
        let workers = state.withLock { state in
            state.isStopped = true
            state.waiting = [:]
            return Array(state.workers.values)
        }
        for worker in workers { worker.send(.halt) }
    }
}
