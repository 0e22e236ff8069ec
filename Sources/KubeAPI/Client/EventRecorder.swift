import Logging
import Synchronization

/// Reports what happens to objects as core/v1 Events. Recording never blocks and never fails its caller: events wait in
/// a bounded queue while the API server is away, and the oldest are dropped beyond its bound.
///
/// The same event again (object, reason, message) raises the count of the first instead of making another.
public final class EventRecorder: Sendable {
    public enum EventType: String, Sendable { case normal = "Normal", warning = "Warning" }

    /// Events that wait for the API server. Beyond, the oldest go: they are hints, not state.
    static let queueLimit = 1000
    /// Bytes of a message that Kubernetes takes.
    static let messageLimit = 1024
    /// Of the object's name in the event's; a stamp of up to 16 digits follows.
    static let nameLimit = 253 - 17
    /// Events that are remembered to be counted instead of repeated.
    static let memoryLimit = 4096

    private struct Pending: Sendable {
        let key: String
        let object: JSON
        let type: EventType
        let reason: String
        let message: String
        let time: Timestamp
    }

    private struct State {
        var queue: [Pending] = []
        var isRunning = false
        /// Name, namespace and count of the event that was made for a key.
        var made: [String: (namespace: String, name: String, count: Int)] = [:]
        /// What the last event's name ends with: names stay apart though the clock stands or goes back.
        var lastStamp: Int64 = 0
    }

    private let client: any APIClient
    private let component: String
    private let host: String
    private let state = Mutex(State())

    public init(client: any APIClient, component: String, host: String = "") {
        self.client = client
        self.component = component
        self.host = host
    }

    /// Records an event about `object`, of which kind, apiVersion, namespace, name and uid are taken.
    /// - Parameter fieldPath: the part that it is about, such as `spec.containers{web}`.
    public func record(object: JSON, type: EventType, reason: String, message: String, fieldPath: String = "") {
        var reference: JSON = [
            "kind": .string(object.kind), "apiVersion": .string(object.apiVersion), "name": .string(object.name),
        ]
        if !object.namespace.isEmpty { reference["namespace"] = .string(object.namespace) }
        if !object.uid.isEmpty { reference["uid"] = .string(object.uid) }
        if !object.resourceVersion.isEmpty { reference["resourceVersion"] = .string(object.resourceVersion) }
        if !fieldPath.isEmpty { reference["fieldPath"] = .string(fieldPath) }
        let key = [object.kind, object.namespace, object.name, object.uid, fieldPath, type.rawValue, reason, message]
            .joined(separator: "\u{1f}")
        let pending = Pending(
            key: key, object: reference, type: type, reason: reason, message: message.prefix(bytes: Self.messageLimit),
            time: .now())
        let starts = state.withLock { state in
            if state.queue.count >= Self.queueLimit { state.queue.removeFirst() }
            state.queue.append(pending)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if starts { Task { await self.drain() } }
    }

    private func drain() async {
        var backoff = Backoff(first: .milliseconds(200), limit: .seconds(10))
        while true {
            let next: Pending? = state.withLock { state in
                if state.queue.isEmpty { state.isRunning = false }
                return state.queue.first
            }
            guard let next else { return }
            do {
                try await send(next)
                backoff.reset()
            } catch is StatusError {
                // Refused (its namespace is gone, say): another try would be refused too.
            } catch {
                try? await Task.sleep(for: backoff.next())  // nobody cancels it
                continue
            }
            state.withLock { state in
                if state.queue.first?.key == next.key, state.queue.first?.time == next.time {
                    state.queue.removeFirst()
                }
            }
        }
    }

    private func send(_ event: Pending) async throws {
        if let earlier = state.withLock({ $0.made[event.key] }) {
            do {
                try await client.patch(
                    .events, namespace: earlier.namespace, name: earlier.name,
                    ["count": .int(Int64(earlier.count + 1)), "lastTimestamp": .string(event.time.rfc3339)])
                state.withLock { $0.made[event.key]?.count += 1 }
                return
            } catch let error as StatusError where error.isNotFound {
                state.withLock { _ = $0.made.removeValue(forKey: event.key) }
            }
        }
        let namespace = event.object["namespace"].string ?? "default"
        let stamp = state.withLock { state in
            state.lastStamp = max(state.lastStamp &+ 1, event.time.unixNanos)
            return state.lastStamp
        }
        let subject = event.object["name"].stringValue.prefix(bytes: Self.nameLimit)
        let name = "\(subject).\(String(UInt64(bitPattern: stamp), radix: 16))"
        var source: JSON = ["component": .string(component)]
        if !host.isEmpty { source["host"] = .string(host) }
        try await client.create(
            .events, namespace: namespace,
            [
                "kind": "Event", "apiVersion": "v1",
                "metadata": ["name": .string(name), "namespace": .string(namespace)],
                "involvedObject": event.object, "reason": .string(event.reason), "message": .string(event.message),
                "type": .string(event.type.rawValue), "count": 1, "source": source,
                "firstTimestamp": .string(event.time.rfc3339), "lastTimestamp": .string(event.time.rfc3339),
                "reportingComponent": .string(component), "reportingInstance": .string(host),
            ])
        state.withLock { state in
            if state.made.count >= Self.memoryLimit { state.made.removeAll() }
            state.made[event.key] = (namespace, name, 1)
        }
    }
}

extension String {
    /// As many whole characters from the start as fit into that many bytes of UTF-8.
    public func prefix(bytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var end = utf8.index(startIndex, offsetBy: limit)
        while end > startIndex, end.samePosition(in: self) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
