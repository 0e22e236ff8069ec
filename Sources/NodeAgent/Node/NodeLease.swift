import KubeAPI
import Logging

/// Renews the node's lease: the sign of life that costs the API least.
struct NodeLease: Sendable {
    static let namespace = "kube-node-lease"
    static let durationSeconds = 40
    static let period: Duration = .seconds(10)

    let client: any APIClient
    let node: NodeView
    let log: Logger

    /// Runs until the task is cancelled.
    func run() async {
        var backoff = Backoff(first: .milliseconds(200), limit: .seconds(7))
        var lease: JSON?
        while !Task.isCancelled {
            do {
                lease = try await renew(lease)
                backoff.reset()
                try? await Task.sleep(for: Self.period)  // cancellation is seen by the loop
            } catch {
                if backoff.attempts == 3 { log.warning("cannot renew the node's lease", metadata: ["err": "\(error)"]) }
                // Somebody else has changed it, or it is gone: looked at anew.
                lease = nil
                try? await Task.sleep(for: backoff.next())  // likewise
            }
        }
    }

    private func renew(_ known: JSON?) async throws -> JSON {
        var lease: JSON
        if let known {
            lease = known
        } else {
            do {
                lease = try await client.get(.leases, namespace: Self.namespace, name: node.name)
            } catch let error as StatusError where error.isNotFound {
                return try await client.create(.leases, namespace: Self.namespace, filled(.null))
            }
        }
        return try await client.update(.leases, filled(lease))
    }

    func filled(_ old: JSON, now: Timestamp = .now()) -> JSON {
        var lease = old
        lease["kind"] = "Lease"
        lease["apiVersion"] = "coordination.k8s.io/v1"
        lease["metadata"]["name"] = .string(node.name)
        lease["metadata"]["namespace"] = .string(Self.namespace)
        let object = node.current.node
        if lease["metadata"]["ownerReferences"].items.isEmpty, !object.uid.isEmpty {
            lease["metadata"]["ownerReferences"] = [
                ["apiVersion": "v1", "kind": "Node", "name": .string(node.name), "uid": .string(object.uid)]
            ]
        }
        lease["spec"]["holderIdentity"] = .string(node.name)
        lease["spec"]["leaseDurationSeconds"] = .int(Int64(Self.durationSeconds))
        lease["spec"]["renewTime"] = .string(now.micro)
        return lease
    }
}
