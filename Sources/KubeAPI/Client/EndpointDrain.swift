/// Lets connections to a pod end before the pod is told to: what the node agent asks of a service proxy on the same node.
public protocol EndpointDrain: Sendable {
    /// Returns when no new connection will come to a pod that is being deleted, as far as this node sends them, and the
    /// open ones have had a little time to end; at the latest after `limit`. A pod that no service has as an endpoint
    /// is not waited for.
    func drain(podUID: String, addresses: [String], limit: Duration) async
}
