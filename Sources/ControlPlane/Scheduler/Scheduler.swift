import DequeModule
import KubeAPI
import Logging
import Synchronization

/// Binds pods to nodes: the fitting node with the best score. What fits nowhere waits until something changes that may
/// help, with a condition and an event that say why.
///
/// One actor decides about one pod at a time over its own view of the nodes, in which a decision counts at once
/// (assumed), so that a burst does not overcommit while the bindings are on their way.
public actor Scheduler {
    /// Bindings that are on their way at the same time.
    static let bindingLimit = 32

    private let client: any APIClient
    private let recorder: EventRecorder
    private let log: Logger
    private let pods: Informer
    private let nodeInformer: Informer

    private var nodes: [String: NodeState] = [:]
    /// Pods that run or are assumed to, by uid: the node's name and what they take.
    private var placed: [String: (node: String, demand: PodDemand)] = [:]
    private var active: Deque<String> = []
    private var queued: Set<String> = []
    /// Pods that fit nowhere, by key, with the message that was reported.
    private var unschedulable: [String: String] = [:]
    private var bindingsInFlight = 0
    private let wakeups: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    public init(client: any APIClient, log: Logger) {
        self.client = client
        self.log = log
        recorder = EventRecorder(client: client, component: "default-scheduler")
        pods = Informer(client, .pods, log: log)
        nodeInformer = Informer(client, .nodes, log: log)
        (wakeups, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Whether pods and nodes have been listed: the scheduler's health.
    public nonisolated var isHealthy: Bool { pods.hasSynced && nodeInformer.hasSynced }

    /// Runs until the task is cancelled.
    public func run() async {
        // Events are applied in order by one consumer; informers must not wait for the actor.
        let (events, sink) = AsyncStream<Change>.makeStream()
        nodeInformer.onEvent { sink.yield(.node($0)) }
        pods.onEvent { sink.yield(.pod($0)) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.nodeInformer.run() }
            group.addTask {
                await self.nodeInformer.waitForSync()
                await self.pods.run()
            }
            group.addTask { for await change in events { await self.apply(change) } }
            group.addTask { for await _ in self.wakeups { await self.drain() } }
            await group.waitForAll()
        }
    }

    private enum Change: Sendable {
        case node(Informer.Event)
        case pod(Informer.Event)
    }

    private func apply(_ change: Change) {
        switch change {
        case .node(.deleted(let object)):
            nodes[object.name] = nil
        case .node(let event):
            var state = NodeState(Node(event.object))
            for (node, demand) in placed.values where node == state.node.name { state.add(demand) }
            nodes[state.node.name] = state
            retryUnschedulable()
        case .pod(.deleted(let object)):
            forget(uid: object.uid)
            unschedulable[object.objectKey] = nil
            retryUnschedulable()
        case .pod(let event):
            let pod = Pod(event.object)
            if pod.isTerminal {
                forget(uid: pod.uid)
                retryUnschedulable()
            } else if !pod.nodeName.isEmpty {
                unschedulable[pod.key] = nil
                place(PodDemand(pod), on: pod.nodeName)
            } else if isOurs(pod) {
                // An update of a waiting pod counts only when its spec or labels could have changed its fit.
                if case .updated(let old, let new) = event, unschedulable[pod.key] != nil, old["spec"] == new["spec"] { return }
                enqueue(pod.key)
            }
        }
    }

    private func isOurs(_ pod: Pod) -> Bool {
        pod.nodeName.isEmpty && !pod.isDeleting && pod.schedulerName == "default-scheduler"
    }

    private func enqueue(_ key: String) {
        if queued.insert(key).inserted { active.append(key) }
        wake.yield()
    }

    private func retryUnschedulable() {
        for key in unschedulable.keys.sorted() { enqueue(key) }
    }

    private func place(_ demand: PodDemand, on node: String) {
        if let old = placed[demand.uid], old.node != node { nodes[old.node]?.remove(old.demand) }
        placed[demand.uid] = (node, demand)
        nodes[node]?.add(demand)
    }

    private func forget(uid: String) {
        guard let old = placed.removeValue(forKey: uid) else { return }
        nodes[old.node]?.remove(old.demand)
    }

    private func drain() async {
        while bindingsInFlight < Self.bindingLimit, let key = active.popFirst() {
            queued.remove(key)
            guard let object = pods.get(key) else { continue }
            let pod = Pod(object)
            guard isOurs(pod), placed[pod.uid] == nil else { continue }
            schedule(pod)
        }
    }

    private func schedule(_ pod: Pod) {
        if !pod.spec["schedulingGates"].items.isEmpty {
            unschedulable[pod.key] = ""
            report(pod, reason: "SchedulingGated", message: "Scheduling is blocked due to non-empty scheduling gates", event: false)
            return
        }
        let demand = PodDemand(pod)
        var best: (score: Int, name: String)?
        var reasons: [String: Int] = [:]
        for (name, node) in nodes {
            let against = node.node.isDeleting ? ["node(s) were unschedulable"] : Filters.reasons(pod, demand, node)
            guard against.isEmpty else {
                for reason in against { reasons[reason, default: 0] += 1 }
                continue
            }
            let score = Scores.score(pod, demand, node)
            // Equal scores go by name, so that a decision can be repeated.
            if let current = best, (current.score, name) > (score, current.name) { continue }
            best = (score, name)
        }
        guard let best else {
            let message = Self.message(nodeCount: nodes.count, reasons: reasons)
            let isNew = unschedulable.updateValue(message, forKey: pod.key) != message
            if isNew { report(pod, reason: "Unschedulable", message: message, event: true) }
            return
        }
        unschedulable[pod.key] = nil
        place(demand, on: best.name)
        bindingsInFlight += 1
        Task { await self.bind(pod, demand, to: best.name) }
    }

    /// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).`
    static func message(nodeCount: Int, reasons: [String: Int]) -> String {
        guard nodeCount > 0 else { return "no nodes available to schedule pods" }
        var counted: [String: Int] = [:]
        for (reason, count) in reasons {
            // Nodes with different taints are told as one kind of reason, as Kubernetes does.
            let kind = reason.hasPrefix("node(s) had untolerated taint") ? "node(s) had untolerated taint(s)" : reason
            counted[kind, default: 0] += count
        }
        let texts = counted.map { "\($0.value) \($0.key)" }.sorted()
        return "0/\(nodeCount) nodes are available: \(texts.joined(separator: ", "))."
    }

    private func bind(_ pod: Pod, _ demand: PodDemand, to node: String) async {
        defer {
            bindingsInFlight -= 1
            if !active.isEmpty { wake.yield() }
        }
        do {
            try await client.create(
                .pods, namespace: pod.namespace, name: pod.name, subresource: "binding",
                [
                    "apiVersion": "v1", "kind": "Binding",
                    "metadata": ["name": .string(pod.name), "namespace": .string(pod.namespace), "uid": .string(pod.uid)],
                    "target": ["apiVersion": "v1", "kind": "Node", "name": .string(node)],
                ])
            recorder.record(
                object: pod.json, type: .normal, reason: "Scheduled",
                message: "Successfully assigned \(pod.namespace)/\(pod.name) to \(node)")
        } catch {
            if placed[demand.uid]?.node == node, Pod(pods.get(pod.key) ?? .null).nodeName.isEmpty { forget(uid: demand.uid) }
            if let status = error as? StatusError, status.isNotFound || status.isConflict { return }
            log.warning("cannot bind pod", metadata: ["pod": "\(pod.key)", "node": "\(node)", "err": "\(error)"])
            let key = pod.key
            Task {
                try? await Task.sleep(for: .seconds(1))  // nobody cancels it
                self.enqueue(key)
            }
        }
    }

    private func report(_ pod: Pod, reason: String, message: String, event: Bool) {
        if event {
            recorder.record(object: pod.json, type: .warning, reason: "FailedScheduling", message: message)
        }
        let current = pod.condition("PodScheduled")
        guard current?["reason"].string != reason || current?["message"].string != message else { return }
        let client = client
        let log = log
        Task {
            do {
                try await client.patch(
                    .pods, namespace: pod.namespace, name: pod.name, subresource: "status", type: .strategic,
                    [
                        "metadata": ["uid": .string(pod.uid)],
                        "status": [
                            "conditions": [
                                [
                                    "type": "PodScheduled", "status": "False", "reason": .string(reason),
                                    "message": .string(message), "lastProbeTime": .null,
                                    "lastTransitionTime": .string(
                                        current?["status"].string == "False"
                                            ? current?["lastTransitionTime"].string ?? Timestamp.now().rfc3339
                                            : Timestamp.now().rfc3339),
                                ]
                            ]
                        ],
                    ])
            } catch {
                log.debug("cannot report why a pod waits", metadata: ["pod": "\(pod.key)", "err": "\(error)"])
            }
        }
    }
}
