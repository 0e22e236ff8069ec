import KubeAPI
import Logging
import Synchronization

/// Notices nodes that have fallen silent: their Ready condition becomes Unknown, taints keep new pods away, and pods
/// leave when their toleration of the taint has run out.
final class NodeLifecycle: Controller {
    /// A node that has not renewed its lease for so long is unknown (Kubernetes' node-monitor-grace-period is 40–50 s).
    static let gracePeriod: Duration = .seconds(40)
    static let period: Duration = .seconds(5)

    private static let notReady = "node.kubernetes.io/not-ready"
    private static let unreachable = "node.kubernetes.io/unreachable"

    private struct Heard {
        var renewTime = ""
        var at = ContinuousClock.now
    }

    private let client: any APIClient
    private let informers: SharedInformers
    private let recorder: EventRecorder
    private let log: Logger
    /// When a node's lease was last seen to change, by our own clock: theirs may be wrong.
    private let heard = Mutex<[String: Heard]>([:])
    /// When a pod's toleration of its node's taint began to run.
    private let tainted = Mutex<[String: ContinuousClock.Instant]>([:])

    init(client: any APIClient, informers: SharedInformers, recorder: EventRecorder, log: Logger) {
        self.client = client
        self.informers = informers
        self.recorder = recorder
        self.log = log
    }

    func run() async {
        await informers.nodes.waitForSync()
        await informers.leases.waitForSync()
        await informers.pods.waitForSync()
        while !Task.isCancelled {
            for node in informers.nodes.all() {
                do {
                    try await check(Node(node))
                } catch {
                    log.debug("cannot update node", metadata: ["node": "\(node.name)", "err": "\(error)"])
                }
            }
            let names = Set(informers.nodes.all().map(\.name))
            heard.withLock { heard in heard = heard.filter { names.contains($0.key) } }
            try? await Task.sleep(for: Self.period)  // cancellation is seen by the loop's condition
        }
    }

    private func check(_ node: Node) async throws {
        let lease = informers.leases.get("kube-node-lease/\(node.name)")
        let sign = (lease?["spec"]["renewTime"].string ?? "") + (node.condition("Ready")?["lastHeartbeatTime"].string ?? "")
        let silence = heard.withLock { heard in
            if heard[node.name]?.renewTime != sign { heard[node.name] = Heard(renewTime: sign) }
            return ContinuousClock.now - (heard[node.name]?.at ?? .now)
        }
        let isSilent = silence > Self.gracePeriod
        if isSilent, node.condition("Ready")?["status"].string != "Unknown" {
            try await markUnknown(node)
        }
        let status = isSilent ? "Unknown" : node.condition("Ready")?["status"].string
        var taints = node.taints.filter { ![Self.notReady, Self.unreachable].contains($0["key"].stringValue) }
        let key: String? = status == "True" ? nil : status == "Unknown" ? Self.unreachable : Self.notReady
        if let key {
            for effect in ["NoSchedule", "NoExecute"] {
                let old = node.taints.first { $0["key"].string == key && $0["effect"].string == effect }
                taints.append(old ?? ["key": .string(key), "effect": .string(effect), "timeAdded": .string(Timestamp.now().rfc3339)])
            }
        }
        if taints != node.taints {
            var updated = node.json
            updated["spec"]["taints"] = taints.isEmpty ? .null : .array(taints)
            try await client.update(.nodes, updated)
            recorder.record(
                object: node.json, type: .normal, reason: key == nil ? "NodeReady" : "NodeNotReady",
                message: "Node \(node.name) status is now: \(key == nil ? "NodeReady" : "NodeNotReady")")
        }
        try await evict(from: node, taints.map(Taint.init).filter { $0.effect == "NoExecute" })
    }

    private func markUnknown(_ node: Node) async throws {
        var updated = node.json
        let now = Timestamp.now().rfc3339
        var conditions = node.status["conditions"].items
        if node.condition("Ready") == nil { conditions.append(["type": "Ready", "status": ""]) }
        for index in conditions.indices where conditions[index]["status"].string != "Unknown" {
            conditions[index]["status"] = "Unknown"
            conditions[index]["reason"] = "NodeStatusUnknown"
            conditions[index]["message"] = "Kubelet stopped posting node status."
            conditions[index]["lastTransitionTime"] = .string(now)
        }
        updated["status"]["conditions"] = .array(conditions)
        try await client.update(.nodes, subresource: "status", updated)
        for object in informers.pods.all() where Pod(object).nodeName == node.name && Pod(object).isReady {
            try await client.patch(
                .pods, namespace: object.namespace, name: object.name, subresource: "status", type: .strategic,
                ["status": ["conditions": [["type": "Ready", "status": "False", "lastTransitionTime": .string(now)]]]])
        }
    }

    /// Deletes pods that don't bear a NoExecute taint, or have borne it long enough.
    private func evict(from node: Node, _ taints: [Taint]) async throws {
        for object in informers.pods.all() {
            let pod = Pod(object)
            guard pod.nodeName == node.name else { continue }
            guard !taints.isEmpty, !pod.isDeleting, !pod.isMirror else {
                tainted.withLock { _ = $0.removeValue(forKey: pod.uid) }
                continue
            }
            var shortest: Int?
            var isBorne = true
            for taint in taints {
                let tolerations = pod.tolerations.filter { taint.isTolerated(by: $0) }
                guard !tolerations.isEmpty else {
                    isBorne = false
                    continue
                }
                let bounds = tolerations.compactMap { $0["tolerationSeconds"].int }
                if let least = bounds.min() { shortest = min(shortest ?? least, least) }
            }
            if isBorne {
                guard let shortest else { continue }
                let since = tainted.withLock { tainted in
                    if tainted[pod.uid] == nil { tainted[pod.uid] = .now }
                    return tainted[pod.uid] ?? .now
                }
                guard ContinuousClock.now - since >= .seconds(max(0, shortest)) else { continue }
            }
            do {
                try await client.delete(
                    .pods, namespace: pod.namespace, name: pod.name, options: ["preconditions": ["uid": .string(pod.uid)]])
                recorder.record(
                    object: object, type: .normal, reason: "TaintManagerEviction",
                    message: "Marking for deletion Pod \(pod.key)")
            } catch let error as StatusError where error.isNotFound || error.isConflict {
                continue
            }
        }
    }
}
