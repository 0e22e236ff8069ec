import KubeAPI
import Logging

/// Binds pods to nodes: the fitting node with the best score. What fits nowhere waits until something changes that may
/// help, with a condition and an event that say why.
///
/// One actor decides about one pod at a time over its own view of the nodes, in which a decision counts at once
/// (assumed), so that a burst does not overcommit while the bindings are on their way.
public actor Scheduler {
    /// Bindings that are on their way at the same time.
    static let bindingLimit = 32
    /// Pods that ended take nothing.
    private static let living = "status.phase!=Succeeded,status.phase!=Failed"

    private let client: any APIClient
    private let log: Logger
    private let podInformer: Informer
    private let nodeInformer: Informer
    private let reporter: SchedulingReporter

    private var nodes = NodeTable()
    private var choice = NodeChoice()
    /// Pods that run or are assumed to, by uid: the node's name and what they take.
    private var placed: [String: (node: String, demand: PodDemand)] = [:]
    /// Pods that wait for a node, by key.
    private var pending: [String: Pending] = [:]
    private var queue = SchedulingQueue()
    private var bindingsInFlight = 0
    private var lastNumber: UInt64 = 0
    /// Whether all that is placed already is known.
    private var isReady = false

    private struct Pending {
        /// Smaller for those who wait longer.
        let number: UInt64
        var pod: Pod
        var demand: PodDemand
        /// Fitted nowhere when last looked at; what was said about it.
        var message: String?
    }

    public init(client: any APIClient, log: Logger) {
        self.client = client
        self.log = log
        reporter = SchedulingReporter(client: client, log: log)
        podInformer = Informer(client, .pods, fieldSelector: Self.living, log: log)
        nodeInformer = Informer(client, .nodes, log: log)
    }

    /// Whether pods and nodes have been listed: the scheduler's health.
    public nonisolated var isHealthy: Bool { podInformer.hasSynced && nodeInformer.hasSynced }

    /// Runs until the task is cancelled.
    public func run() async {
        // Events are applied in order by one consumer; informers must not wait for the actor.
        let (events, sink) = AsyncStream<Change>.makeStream()
        nodeInformer.onEvent { sink.yield(.node($0)) }
        podInformer.onEvent { sink.yield(.pod($0)) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.nodeInformer.run() }
            group.addTask {
                await self.nodeInformer.waitForSync()
                await self.podInformer.run()
            }
            group.addTask {
                // Behind the events of the first list: nothing is decided before all placed pods are known.
                await self.podInformer.waitForSync()
                sink.yield(.ready)
            }
            group.addTask { for await change in events { await self.apply(change) } }
            await group.waitForAll()
        }
    }

    enum Change: Sendable {
        case ready
        case node(Informer.Event)
        case pod(Informer.Event)
    }

    // MARK: what happens

    func apply(_ change: Change) {
        switch change {
        case .ready:
            isReady = true
        case .node(.deleted(let object)):
            nodes.remove(object.name)
        case .node(let event):
            if nodes.update(Node(event.object)) { retryAll() }
        case .pod(.deleted(let object)):
            pending[object.objectKey] = nil
            if forget(uid: object.uid) { retryAll() }
        case .pod(let event):
            podChanged(Pod(event.object))
        }
        if isReady { drain() }
    }

    private func podChanged(_ pod: Pod) {
        guard pod.nodeName.isEmpty else {
            pending[pod.key] = nil
            // The resources of a pod that runs don't change.
            if placed[pod.uid]?.node != pod.nodeName { place(PodDemand(pod), on: pod.nodeName) }
            return
        }
        guard !pod.isDeleting, pod.schedulerName == "default-scheduler" else {
            pending[pod.key] = nil
            return
        }
        // Bound by us, only that the informer does not know yet.
        guard placed[pod.uid] == nil else { return }
        if let known = pending[pod.key], known.pod.uid == pod.uid {
            let isSame = known.pod.spec == pod.spec
            pending[pod.key]?.pod = pod
            // An update of a waiting pod counts only when its spec could have changed its fit.
            if isSame { return }
        }
        lastNumber += 1
        let old = pending[pod.key]
        let waiting = Pending(
            number: old?.number ?? lastNumber, pod: pod, demand: PodDemand(pod), message: old?.message)
        pending[pod.key] = waiting
        enqueue(pod.key, waiting)
    }

    private func enqueue(_ key: String, _ waiting: Pending) {
        queue.add(key, priority: waiting.demand.priority, number: waiting.number)
    }

    private func retryAll() {
        for (key, waiting) in pending where waiting.message != nil { enqueue(key, waiting) }
    }

    private func place(_ demand: PodDemand, on node: String) {
        if let old = placed.updateValue((node, demand), forKey: demand.uid) { nodes.remove(old.demand, from: old.node) }
        nodes.add(demand, to: node)
    }

    @discardableResult
    private func forget(uid: String) -> Bool {
        guard let old = placed.removeValue(forKey: uid) else { return false }
        nodes.remove(old.demand, from: old.node)
        return true
    }

    // MARK: deciding

    private func drain() {
        while bindingsInFlight < Self.bindingLimit, let key = queue.next() {
            guard let waiting = pending[key] else { continue }
            schedule(waiting, key)
        }
    }

    private func schedule(_ waiting: Pending, _ key: String) {
        guard waiting.pod.spec["schedulingGates"].items.isEmpty else {
            // The server has said so when the pod was made; an update of its spec lifts the gates.
            pending[key]?.message = ""
            return
        }
        guard let position = choice.choose(waiting.demand, nodes) else {
            let message = NodeChoice.explain(waiting.demand, nodes)
            if waiting.message != message { reporter.reportUnschedulable(waiting.pod, message) }
            pending[key]?.message = message
            return
        }
        let node = nodes.details[position].name
        place(waiting.demand, on: node)
        pending[key] = nil
        bindingsInFlight += 1
        Task { await self.bind(waiting, to: node) }
    }

    private func bind(_ waiting: Pending, to node: String) async {
        let pod = waiting.pod
        do {
            // A report that is still on its way must not overwrite what the binding says.
            await reporter.finish(pod.uid)
            try await client.create(
                .pods, namespace: pod.namespace, name: pod.name, subresource: "binding",
                [
                    "apiVersion": "v1", "kind": "Binding",
                    "metadata": [
                        "name": .string(pod.name), "namespace": .string(pod.namespace), "uid": .string(pod.uid),
                    ],
                    "target": ["apiVersion": "v1", "kind": "Node", "name": .string(node)],
                ])
            reporter.reportScheduled(pod, node)
        } catch {
            bindingFailed(waiting, node, error)
        }
        bindingsInFlight -= 1
        drain()
    }

    private func bindingFailed(_ waiting: Pending, _ node: String, _ error: any Error) {
        let pod = waiting.pod
        // The informer may have shown in the meantime that it did work, or that somebody else was faster.
        let isBound = podInformer.get(pod.key).map { $0.uid == pod.uid && !Pod($0).nodeName.isEmpty } ?? false
        guard !isBound else { return }
        if placed[pod.uid]?.node == node { forget(uid: pod.uid) }
        retryAll()
        if let status = error as? StatusError, status.isNotFound || status.isConflict { return }
        log.warning("cannot bind pod", metadata: ["pod": "\(pod.key)", "node": "\(node)", "err": "\(error)"])
        Task {
            try? await Task.sleep(for: .seconds(1))  // nobody cancels it
            self.retry(pod.key, pod.uid)
        }
    }

    private func retry(_ key: String, _ uid: String) {
        guard let object = podInformer.get(key), object.uid == uid, pending[key] == nil else { return }
        podChanged(Pod(object))
        drain()
    }
}
