import KubeAPI

/// Whether a pod that was bound to this node may run on it: the kubelet's own look at what the scheduler decided.
struct NodeAdmission {
    /// Why not, as `status.reason` and message.
    struct Rejection: Equatable {
        let reason: String
        let message: String
    }

    let allocatable: [String: Quantity]
    let maxPods: Int
    /// Nil where the node's labels are not known: selectors are then not looked at.
    let labels: [String: String]?

    /// - Parameter others: what the pods that are here hold of the node.
    func check(_ pod: Pod, others: NodeShares) -> Rejection? {
        // Who is here already stays; static pods run whatever else there is.
        guard !pod.isStatic else { return nil }
        if let rejection = checkResources(pod, others) { return rejection }
        if let rejection = checkPorts(pod, others) { return rejection }
        if let labels, !pod.nodeSelector.allSatisfy({ labels[$0.key] == $0.value }) {
            return Rejection(
                reason: "NodeAffinity",
                message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector")
        }
        for sysctl in pod.spec["securityContext"]["sysctls"].items {
            let name = sysctl["name"].stringValue
            guard SandboxSpecMaker.safeSysctls.contains(String(name.map { $0 == "/" ? "." : $0 })) else {
                return Rejection(reason: "SysctlForbidden", message: "forbidden sysctl: \"\(name)\" not allowlisted")
            }
        }
        return nil
    }

    private func checkResources(_ pod: Pod, _ others: NodeShares) -> Rejection? {
        if others.count + 1 > maxPods {
            return outOf("pods", requested: 1, used: Int64(others.count), capacity: Int64(maxPods))
        }
        let requests = pod.requests
        for (name, requested) in requests.sorted(by: { $0.key < $1.key }) where !requested.isZero {
            guard let capacity = allocatable[name] else {
                return outOf(name, requested: requested.value, used: 0, capacity: 0)
            }
            let used = others.used(name)
            guard used + requested > capacity else { continue }
            let number = { (quantity: Quantity) in name == "cpu" ? quantity.milliValue : quantity.value }
            return outOf(name, requested: number(requested), used: number(used), capacity: number(capacity))
        }
        return nil
    }

    private func outOf(_ name: String, requested: Int64, used: Int64, capacity: Int64) -> Rejection {
        Rejection(
            reason: "OutOf\(name)",
            message:
                "Node didn't have enough resource: \(name), requested: \(requested), used: \(used), capacity: \(capacity)"
        )
    }

    private func checkPorts(_ pod: Pod, _ others: NodeShares) -> Rejection? {
        guard pod.hostPorts.contains(where: others.isTaken) else { return nil }
        return Rejection(
            reason: "NodePorts",
            message: "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports")
    }
}
