import KubeAPI
import Synchronization

/// What the annotation `endpoints.kubernetes.io/last-change-trigger-time` says: when the oldest of the changes happened
/// that a write of endpoints answers. Consumers measure from it how long a change takes to reach them.
final class TriggerTimes: Sendable {
    static let annotation = "endpoints.kubernetes.io/last-change-trigger-time"

    private struct Seen {
        var pods: [String: Timestamp] = [:]
        var service: Timestamp?
    }
    private let seen = Mutex<[String: Seen]>([:])

    /// The time for this write, nil where nothing has changed that has a time.
    func next(_ service: Service, _ pods: [Pod]) -> String? {
        var now: [String: Timestamp] = [:]
        for pod in pods {
            if let text = pod.condition("Ready")?["lastTransitionTime"].string, let time = Timestamp(rfc3339: text) {
                now[pod.uid] = time
            }
        }
        let created = service.json["metadata"]["creationTimestamp"].string.flatMap { Timestamp(rfc3339: $0) }
        return seen.withLock { seen in
            let before = seen[service.key] ?? Seen()
            seen[service.key] = Seen(pods: now, service: created)
            var changes = now.filter { uid, time in before.pods[uid].map { time > $0 } ?? true }.map(\.value)
            if let created, before.service.map({ created > $0 }) ?? true { changes.append(created) }
            return changes.min()?.rfc3339
        }
    }

    func forget(_ key: String) { seen.withLock { _ = $0.removeValue(forKey: key) } }
}
