import KubeAPI
import Synchronization

/// Looks after one pod, from when the node hears of it until nothing of it is left.
///
/// All that happens to a pod goes through one mailbox, so that it is seen in order; what takes time runs beside and
/// answers into the same mailbox. Nothing here waits for anything, and nothing polls.
final class PodWorker: Sendable {
    let uid: String
    let demand: PodDemand
    private let mailbox: Mailbox<PodMessage>
    private let shown: Mutex<PodSnapshot>
    private let exitWatchers = Mutex<[UInt64: @Sendable () -> Void]>([:])
    private let context: KubeletContext
    private let beginning: PodSync.Beginning

    init(_ beginning: PodSync.Beginning, context: KubeletContext) {
        uid = beginning.pod.uid
        demand = PodDemand(beginning.pod)
        self.beginning = beginning
        self.context = context
        mailbox = Mailbox()
        shown = Mutex(
            PodSnapshot(
                pod: beginning.pod, state: beginning.state, status: beginning.pod.status,
                timings: PodStartTimings(seenAt: beginning.seenAt)))
    }

    /// The pod as it was after the last message.
    var snapshot: PodSnapshot { shown.withLock { $0 } }

    func send(_ message: PodMessage) { mailbox.send(message) }

    /// Calls back whenever the pod has changed, until cancelled.
    func onChange(_ body: @escaping @Sendable () -> Void) -> UInt64 {
        exitWatchers.withLock { watchers in
            let token = UInt64.random(in: 0 ... .max)
            watchers[token] = body
            return token
        }
    }
    func cancel(_ token: UInt64) { exitWatchers.withLock { _ = $0.removeValue(forKey: token) } }

    /// Runs until the pod is gone.
    func run() async {
        var sync = PodSync(beginning, context: context, mailbox: mailbox)
        var messages: [PodMessage] = [.wake]
        while true {
            for message in messages { sync.apply(message) }
            if sync.isDone { break }
            let start = ContinuousClock.now
            sync.advance()
            context.metrics.workerPass(took: ContinuousClock.now - start)
            shown.withLock { $0 = sync.snapshot }
            for watcher in exitWatchers.withLock({ Array($0.values) }) { watcher() }
            if sync.isDone { break }
            messages = await mailbox.next()
        }
        sync.stop()
    }
}
