import KubeAPI
import Logging
import Synchronization

/// Tells what the scheduler decided: by events, and by the pod's condition PodScheduled.
///
/// Reports about one pod are written one after the other, so that the newest stays.
final class SchedulingReporter: Sendable {
    private let client: any APIClient
    private let recorder: EventRecorder
    private let log: Logger
    private struct Writing {
        var count: UInt64 = 0
        /// The last report on its way, by the pod's uid.
        var last: [String: (number: UInt64, task: Task<Void, Never>)] = [:]
    }
    private let writing = Mutex(Writing())

    init(client: any APIClient, log: Logger) {
        self.client = client
        self.log = log
        recorder = EventRecorder(client: client, component: "default-scheduler")
    }

    func reportScheduled(_ pod: Pod, _ node: String) {
        recorder.record(
            object: pod.json, type: .normal, reason: "Scheduled",
            message: "Successfully assigned \(pod.namespace)/\(pod.name) to \(node)")
    }

    /// An event and a condition, unless the condition says so already (after a restart).
    func reportUnschedulable(_ pod: Pod, _ message: String) {
        let current = pod.condition("PodScheduled")
        if current?["reason"].string == "Unschedulable", current?["message"].string == message { return }
        recorder.record(object: pod.json, type: .warning, reason: "FailedScheduling", message: message)
        let isStill = current?["status"].string == "False"
        let since = isStill ? current?["lastTransitionTime"].string : nil
        let patch: JSON = [
            "metadata": ["uid": .string(pod.uid)],
            "status": [
                "conditions": [
                    [
                        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                        "message": .string(message),
                        "lastTransitionTime": .string(since ?? Timestamp.now().rfc3339),
                    ]
                ]
            ],
        ]
        writing.withLock { writing in
            writing.count += 1
            let number = writing.count
            let before = writing.last[pod.uid]?.task
            let task = Task { [self] in
                await before?.value
                await write(patch, pod)
                self.writing.withLock { if $0.last[pod.uid]?.number == number { $0.last[pod.uid] = nil } }
            }
            writing.last[pod.uid] = (number, task)
        }
    }

    /// Returns when nothing about the pod is on its way any more.
    func finish(_ uid: String) async { await writing.withLock { $0.last[uid]?.task }?.value }

    private func write(_ patch: JSON, _ pod: Pod) async {
        do {
            try await client.patch(
                .pods, namespace: pod.namespace, name: pod.name, subresource: "status", type: .strategic, patch)
        } catch {
            log.debug("cannot report why a pod waits", metadata: ["pod": "\(pod.key)", "err": "\(error)"])
        }
    }
}
