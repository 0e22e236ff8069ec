import KubeAPI
import Logging
import Synchronization

/// Deletes pods that don't bear a NoExecute taint of their node, or have borne it as long as they say.
final class TaintEviction: Controller {
    private let client: any APIClient
    private let informers: SharedInformers
    private let recorder: EventRecorder
    private let log: Logger
    private let queue = WorkQueue<String>()
    /// When a pod's toleration began to run, by its uid.
    private let since = Mutex<[String: ContinuousClock.Instant]>([:])

    init(client: any APIClient, informers: SharedInformers, recorder: EventRecorder, log: Logger) {
        self.client = client
        self.informers = informers
        self.recorder = recorder
        self.log = log
    }

    func run() async {
        informers.nodes.onEvent { [self] event in
            if case .updated(let old, let new) = event, Self.taints(old) == Self.taints(new) { return }
            for pod in informers.podsByNode(event.object.name) { queue.add(pod.objectKey) }
        }
        informers.pods.onEvent { [self] in podChanged($0) }
        await informers.nodes.waitForSync()
        await informers.pods.waitForSync()
        await queue.run(workers: 4) { [self] key in try await check(key) }
    }

    private func podChanged(_ event: Informer.Event) {
        let pod = Pod(event.object)
        if case .deleted = event {
            since.withLock { _ = $0.removeValue(forKey: pod.uid) }
            return
        }
        if case .updated(let old, let new) = event, old["spec"]["nodeName"] == new["spec"]["nodeName"],
            old["spec"]["tolerations"] == new["spec"]["tolerations"]
        {
            return
        }
        guard !pod.nodeName.isEmpty, let node = informers.nodes.get(pod.nodeName), !Self.taints(node).isEmpty else {
            return
        }
        queue.add(pod.key)
    }

    private static func taints(_ node: JSON) -> [Taint] {
        node["spec"]["taints"].items.map(Taint.init).filter { $0.effect == "NoExecute" }
    }

    enum Verdict: Equatable {
        case stays
        case leaves(after: Duration)
    }

    /// How long the pod bears the taints: the shortest of its bounds, of which each taint has the shortest.
    static func verdict(_ tolerations: [Toleration], _ taints: [Taint]) -> Verdict {
        var shortest: Int?
        for taint in taints {
            let bearing = tolerations.filter { $0.bears(taint) }
            if bearing.isEmpty { return .leaves(after: .zero) }
            if let least = bearing.compactMap(\.seconds).min() { shortest = min(shortest ?? least, least) }
        }
        return shortest.map { .leaves(after: .seconds(max(0, $0))) } ?? .stays
    }

    private func check(_ key: String) async throws {
        guard let object = informers.pods.get(key) else { return }
        let pod = Pod(object)
        let taints = informers.nodes.get(pod.nodeName).map(Self.taints) ?? []
        guard !taints.isEmpty, !pod.isDeleting, !pod.isMirror else { return reprieve(pod) }
        switch Self.verdict(pod.tolerations.map(Toleration.init), taints) {
        case .stays:
            reprieve(pod)
        case .leaves(let period):
            let began = since.withLock { since in
                if since[pod.uid] == nil { since[pod.uid] = .now }
                return since[pod.uid] ?? .now
            }
            let left = period - (ContinuousClock.now - began)
            if left > .zero { return queue.add(key, after: left) }
            try await evict(pod)
        }
    }

    private func reprieve(_ pod: Pod) {
        guard since.withLock({ $0.removeValue(forKey: pod.uid) }) != nil, !pod.isDeleting else { return }
        recorder.record(
            object: pod.json, type: .normal, reason: "TaintManagerEviction",
            message: "Cancelling deletion of Pod \(pod.key)")
    }

    private func evict(_ pod: Pod) async throws {
        recorder.record(
            object: pod.json, type: .normal, reason: "TaintManagerEviction",
            message: "Marking for deletion Pod \(pod.key)")
        do {
            try await client.patch(
                .pods, namespace: pod.namespace, name: pod.name, subresource: "status", type: .strategic,
                [
                    "metadata": ["uid": .string(pod.uid)],
                    "status": [
                        "conditions": [
                            [
                                "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
                                "message": "Taint manager: deleting due to NoExecute taint",
                                "lastTransitionTime": .string(Timestamp.now().rfc3339),
                            ]
                        ]
                    ],
                ])
            try await client.delete(
                .pods, namespace: pod.namespace, name: pod.name, options: ["preconditions": ["uid": .string(pod.uid)]])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
    }
}
