import KubeAPI
import Synchronization

/// What the node's parts know of the node itself.
final class NodeView: Sendable {
    struct State: Sendable {
        /// The API's object; null before it is there, and on a node without an API.
        var node: JSON = .null
        /// Pods get addresses.
        var isNetworkReady = false
        /// Why not.
        var networkProblem = "the node has no pod range yet"
    }

    let name: String
    /// The node's addresses, the main one first.
    let hostIPs: [String]
    /// What `hostname` says on the node.
    let hostname: String
    let capacity: [String: Quantity]
    private let state = Mutex(State())

    init(name: String, hostIPs: [String], hostname: String, capacity: [String: Quantity]) {
        self.name = name
        self.hostIPs = hostIPs
        self.hostname = hostname
        self.capacity = capacity
    }

    var current: State { state.withLock { $0 } }
    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// What pods may use in all.
    var allocatable: [String: Quantity] { capacity }
    var memoryCapacity: Int64 { capacity["memory"]?.value ?? 0 }
    /// What node selectors look at.
    var labels: [String: String] { current.node.labels }
}
