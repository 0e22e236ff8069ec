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
        // Often enough that an event lives at most a tenth longer than it should.
        let period = min(max(ttl / 10, .seconds(1)), .seconds(60))
        while !Task.isCancelled {
            do {
                try await sweep()
            } catch {
                log.debug("cannot delete old events", metadata: ["err": "\(error)"])
            }
            try? await Task.sleep(for: period)  // cancellation is seen by the loop's condition
        }
    }

    private func sweep() async throws {
        let now = Timestamp.now()
        let old = try await client.list(.events)["items"].items.filter { event in
            let times = [
                event["series"]["lastObservedTime"], event["lastTimestamp"], event["eventTime"],
                event["metadata"]["creationTimestamp"],
            ]
            guard let newest = times.compactMap({ $0.string.flatMap { Timestamp(rfc3339: $0) } }).max() else { return false }
            return now - newest > ttl
        }
        for (index, event) in old.enumerated() {
            do {
                try await client.delete(.events, namespace: event.namespace, name: event.name)
            } catch let error as StatusError where error.isNotFound {
                continue
            }
            if index % Self.batch == Self.batch - 1 { try await Task.sleep(for: .milliseconds(100)) }
        }
    }
}
