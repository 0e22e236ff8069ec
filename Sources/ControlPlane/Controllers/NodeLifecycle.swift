import KubeAPI
import Logging
import Synchronization

/// Notices nodes that have fallen silent: their Ready condition becomes Unknown. Keeps the taints that follow from a
/// node's conditions, by which new pods stay away and old ones leave (`TaintEviction`).
///
/// Nothing is polled: a node is looked at when it changes, and when its silence would become too long.
final class NodeLifecycle: Controller {
    /// A node that has not renewed its lease for so long is unknown (Kubernetes' node-monitor-grace-period is 40–50 s).
    static let gracePeriod: Duration = .seconds(40)
    static let notReady = "node.kubernetes.io/not-ready"
    static let unreachable = "node.kubernetes.io/unreachable"
    private static let leaseNamespace = "kube-node-lease"

    private struct Heard {
        /// Renew time and heartbeat, as the node last said them.
        var sign = ""
        /// When they changed, by our own clock: theirs may be wrong.
        var at: ContinuousClock.Instant
        var wasReady = false
        /// Its pods still have to be marked.
        var hasUnmarkedPods = false
    }
    private struct State {
        var heard: [String: Heard] = [:]
        var ready: Set<String> = []
        /// Not one node is ready: then it is rather us who are cut off, and no pod is driven away.
        var isDisrupted = false
    }

    private let client: any APIClient
    private let informers: SharedInformers
    private let recorder: EventRecorder
    private let log: Logger
    private let now: @Sendable () -> ContinuousClock.Instant
    private let queue = WorkQueue<String>()
    private let state = Mutex(State())

    init(
        client: any APIClient, informers: SharedInformers, recorder: EventRecorder, log: Logger,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.client = client
        self.informers = informers
        self.recorder = recorder
        self.log = log
        self.now = now
    }

    func run() async {
        informers.nodes.onEvent { [self] in nodeChanged($0) }
        informers.leases.onEvent { [self] event in
            guard let node = informers.nodes.get(event.object.name) else { return }
            listen(Node(node))
        }
        await informers.nodes.waitForSync()
        await informers.leases.waitForSync()
        await informers.pods.waitForSync()
        await queue.run { [self] name in try await check(name) }
    }

    private func nodeChanged(_ event: Informer.Event) {
        let name = event.object.name
        let isGone = if case .deleted = event { true } else { false }
        let isReady = !isGone && Node(event.object).isReady
        state.withLock { state in
            if isGone { state.heard[name] = nil }
            if isReady { state.ready.insert(name) } else { state.ready.remove(name) }
        }
        if !isGone { listen(Node(event.object)) }
        if case .updated(let old, let new) = event, Self.aspects(old) == Self.aspects(new) { return }
        queue.add(name)
    }

    /// What of a node matters here: not its heartbeats.
    private static func aspects(_ node: JSON) -> JSON {
        [
            "conditions": .array(
                node["status"]["conditions"].items.map { ["type": $0["type"], "status": $0["status"]] }),
            "taints": node["spec"]["taints"], "unschedulable": node["spec"]["unschedulable"],
        ]
    }

    /// Takes note of a sign of life.
    private func listen(_ node: Node) {
        let lease = informers.leases.get("\(Self.leaseNamespace)/\(node.name)")
        let sign =
            (lease?["spec"]["renewTime"].stringValue ?? "")
            + (node.condition("Ready")?["lastHeartbeatTime"].stringValue ?? "")
        let now = now()
        state.withLock { state in
            if state.heard[node.name] == nil {
                state.heard[node.name] = Heard(sign: sign, at: now, wasReady: node.isReady)
            } else if state.heard[node.name]?.sign != sign {
                state.heard[node.name]?.sign = sign
                state.heard[node.name]?.at = now
            }
        }
    }

    /// For how long nothing has been heard of the node; nil for one that is not known.
    func silence(of name: String) -> Duration? { state.withLock { $0.heard[name]?.at }.map { now() - $0 } }

    private func check(_ name: String) async throws {
        updateDisruption()
        guard let object = informers.nodes.get(name) else { return }
        let node = Node(object)
        let silence = silence(of: name) ?? .zero
        if silence < Self.gracePeriod {
            queue.add(name, after: Self.gracePeriod - silence)
        } else if node.condition("Ready")?["status"].string != "Unknown" {
            // The change brings the node here again.
            return try await markUnknown(node)
        }
        try await noteReadiness(node)
        try await updateTaints(node)
    }

    private func updateDisruption() {
        let changed: [String] = state.withLock { state in
            let isDisrupted = !state.heard.isEmpty && state.ready.isEmpty
            defer { state.isDisrupted = isDisrupted }
            return state.isDisrupted == isDisrupted ? [] : Array(state.heard.keys)
        }
        for name in changed { queue.add(name) }
    }

    // MARK: conditions

    private func markUnknown(_ node: Node) async throws {
        let now = JSON.string(Timestamp.now().rfc3339)
        var conditions = node.status["conditions"].items
        for type in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
            if let index = conditions.firstIndex(where: { $0["type"].string == type }) {
                guard conditions[index]["status"].string != "Unknown" else { continue }
                conditions[index]["status"] = "Unknown"
                conditions[index]["reason"] = "NodeStatusUnknown"
                conditions[index]["message"] = "Kubelet stopped posting node status."
                conditions[index]["lastTransitionTime"] = now
            } else {
                conditions.append([
                    "type": .string(type), "status": "Unknown", "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.", "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                ])
            }
        }
        var updated = node.json
        updated["status"]["conditions"] = .array(conditions)
        try await write(updated, subresource: "status")
    }

    /// Pods of a node that stops being ready are not ready either: services must not send anybody there.
    private func noteReadiness(_ node: Node) async throws {
        let isReady = node.isReady
        let (isLost, mustMark) = state.withLock { state in
            guard let heard = state.heard[node.name] else { return (false, false) }
            let isLost = heard.wasReady && !isReady
            state.heard[node.name]?.wasReady = isReady
            state.heard[node.name]?.hasUnmarkedPods = !isReady && (isLost || heard.hasUnmarkedPods)
            return (isLost, !isReady && (isLost || heard.hasUnmarkedPods))
        }
        if isLost {
            recorder.record(
                object: node.json, type: .normal, reason: "NodeNotReady",
                message: "Node \(node.name) status is now: NodeNotReady")
        }
        guard mustMark else { return }
        for pod in informers.podsByNode(node.name).map(Pod.init) where pod.isReady { try await markNotReady(pod) }
        state.withLock { $0.heard[node.name]?.hasUnmarkedPods = false }
    }

    private func markNotReady(_ pod: Pod) async throws {
        do {
            try await client.patch(
                .pods, namespace: pod.namespace, name: pod.name, subresource: "status", type: .strategic,
                [
                    "metadata": ["uid": .string(pod.uid)],
                    "status": [
                        "conditions": [
                            [
                                "type": "Ready", "status": "False",
                                "lastTransitionTime": .string(Timestamp.now().rfc3339),
                            ]
                        ]
                    ],
                ])
            recorder.record(object: pod.json, type: .warning, reason: "NodeNotReady", message: "Node is not ready")
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
    }

    // MARK: taints

    private static let byCondition: KeyValuePairs<String, String> = [
        "MemoryPressure": "node.kubernetes.io/memory-pressure", "DiskPressure": "node.kubernetes.io/disk-pressure",
        "PIDPressure": "node.kubernetes.io/pid-pressure",
        "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
    ]
    private static let unschedulable = "node.kubernetes.io/unschedulable"

    /// The taints that a node's state asks for: key and effect.
    static func taints(_ node: Node, isDisrupted: Bool) -> [Taint] {
        var taints: [Taint] = []
        let ready = node.condition("Ready")?["status"].string
        if ready != "True" {
            let key = ready == "Unknown" ? unreachable : notReady
            taints.append(Taint(key: key, effect: "NoSchedule"))
            if !isDisrupted { taints.append(Taint(key: key, effect: "NoExecute")) }
        }
        for (type, key) in byCondition where node.condition(type)?["status"].string == "True" {
            taints.append(Taint(key: key, effect: "NoSchedule"))
        }
        if node.isUnschedulable { taints.append(Taint(key: unschedulable, effect: "NoSchedule")) }
        return taints
    }

    private func updateTaints(_ node: Node) async throws {
        let ours = Set([Self.notReady, Self.unreachable, Self.unschedulable] + Self.byCondition.map(\.value))
        let wanted = Self.taints(node, isDisrupted: state.withLock { $0.isDisrupted })
        // What is there stays as it is: it tells since when.
        var taints = node.taints.filter { json in
            let taint = Taint(json)
            return !ours.contains(taint.key) || wanted.contains { $0.key == taint.key && $0.effect == taint.effect }
        }
        let now = JSON.string(Timestamp.now().rfc3339)
        for taint in wanted
        where !taints.contains(where: { $0["key"].string == taint.key && $0["effect"].string == taint.effect }) {
            taints.append(["key": .string(taint.key), "effect": .string(taint.effect), "timeAdded": now])
        }
        guard taints != node.taints else { return }
        var updated = node.json
        updated["spec"]["taints"] = taints.isEmpty ? .null : .array(taints)
        try await write(updated)
    }

    private func write(_ node: JSON, subresource: String? = nil) async throws {
        do {
            try await client.update(.nodes, subresource: subresource, node)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }
}
