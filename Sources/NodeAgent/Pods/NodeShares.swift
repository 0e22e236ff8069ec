import KubeAPI

/// What a pod takes of the node, as admission counts it. Made once for each pod.
struct PodDemand: Sendable {
    let requests: [String: Quantity]
    let hostPorts: [(ip: String, port: Int, protocol: String)]

    init(_ pod: Pod) {
        requests = pod.requests
        hostPorts = pod.hostPorts
    }
}

/// What the pods of the node hold of it, kept as a sum: a pod is admitted at the same cost however many are here.
struct NodeShares: Sendable {
    private struct Port: Hashable {
        let number: Int
        let `protocol`: String
    }

    private var demands: [String: PodDemand] = [:]
    private var sums: [String: Quantity] = [:]
    /// The addresses on which each port is held, one for each holder.
    private var ports: [Port: [String]] = [:]

    var count: Int { demands.count }

    func used(_ resource: String) -> Quantity { sums[resource] ?? .zero }

    func isTaken(ip: String, port: Int, protocol: String) -> Bool {
        ports[Port(number: port, protocol: `protocol`)]?.contains { $0 == ip || $0 == "0.0.0.0" || ip == "0.0.0.0" }
            ?? false
    }

    /// Counts a pod; one that is counted already keeps what it has.
    mutating func take(_ uid: String, _ demand: PodDemand) {
        guard demands[uid] == nil else { return }
        demands[uid] = demand
        for (name, quantity) in demand.requests { sums[name, default: .zero] += quantity }
        for held in demand.hostPorts {
            ports[Port(number: held.port, protocol: held.protocol), default: []].append(held.ip)
        }
    }

    /// Gives back what a pod held; nothing where it is not counted.
    mutating func release(_ uid: String) {
        guard let demand = demands.removeValue(forKey: uid) else { return }
        for (name, quantity) in demand.requests { sums[name, default: .zero] -= quantity }
        for held in demand.hostPorts {
            let port = Port(number: held.port, protocol: held.protocol)
            guard let index = ports[port]?.firstIndex(of: held.ip) else { continue }
            ports[port]?.remove(at: index)
            if ports[port]?.isEmpty == true { ports[port] = nil }
        }
    }
}
