import KubeAPI
import Logging

/// Deletes events when their time is over. Kubernetes leaves this to etcd's leases; here it is a controller, so that
/// any store will do.
final class EventTTL: Controller {
    /// Deletions at a time, so that a flood that ends together does not crowd out other writes.
    static let batch = 200

    private let client: any APIClient
    private let ttl: Duration
    private let log: Logger

    init(client: any APIClient, ttl: Duration, log: Logger) {
        self.client = client
        self.ttl = ttl
        self.log = log
    }

    func run() async {
        while !Task.isCancelled {
            // Events that end close to each other go together; after a failure it is tried again soon.
            var pause = max(ttl / 60, .seconds(1))
            do {
                // What is made from now on has a whole life before it: nothing is missed by sleeping.
                pause = max(pause, try await sweep())
            } catch {
                log.debug("cannot delete old events", metadata: ["err": "\(error)"])
            }
            try? await Task.sleep(for: pause)  // cancellation is seen by the loop's condition
        }
    }

    /// Deletes what is over. Returns how long the next one has.
    private func sweep() async throws -> Duration {
        let now = Timestamp.now()
        var next = ttl
        var old: [JSON] = []
        for event in try await client.list(.events)["items"].items {
            guard let last = Self.lastSeen(event) else { continue }
            let left = ttl - (now - last)
            if left <= .zero { old.append(event) } else { next = min(next, left) }
        }
        for (index, event) in old.enumerated() {
            do {
                try await client.delete(
                    .events, namespace: event.namespace, name: event.name,
                    options: ["preconditions": ["uid": .string(event.uid)]])
            } catch let error as StatusError where error.isNotFound || error.isConflict {
                continue
            }
            if index % Self.batch == Self.batch - 1 { try await Task.sleep(for: .milliseconds(100)) }
        }
        return next
    }

    static func lastSeen(_ event: JSON) -> Timestamp? {
        let times = [
            event["series"]["lastObservedTime"], event["lastTimestamp"], event["eventTime"],
            event["metadata"]["creationTimestamp"],
        ]
        return times.compactMap { $0.string.flatMap { Timestamp(rfc3339: $0) } }.max()
    }
}
