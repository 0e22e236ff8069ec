import KubeAPI

/// What every new pod gets, as Kubernetes' admission plug-ins give it: ServiceAccount, Priority,
/// DefaultTolerationSeconds.
enum PodAdmission {
    private static let tolerationSeconds: Int64 = 300
    private static let systemPriorities: [String: Int64] = [
        "system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000,
    ]

    static func apply(_ pod: inout JSON, _ registry: Registry) throws(StatusError) {
        try ServiceAccountAdmission.apply(&pod, registry)
        // A mirror pod reports what runs already; nothing of it is changed.
        if pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].isNull { try setPriority(&pod) }
        tolerate(&pod)
    }

    private static func setPriority(_ pod: inout JSON) throws(StatusError) {
        let name = pod["spec"]["priorityClassName"].stringValue
        var priority: Int64 = 0
        if !name.isEmpty {
            guard let known = systemPriorities[name] else {
                throw forbidden(pod, "no PriorityClass with name \(name) was found")
            }
            priority = known
        }
        if let asked = pod["spec"]["priority"].int, asked != Int(priority) {
            throw forbidden(
                pod,
                "the integer value of priority (\(asked)) must not be provided in pod spec; priority admission "
                    + "controller computed \(priority) from the given PriorityClass name")
        }
        pod["spec"]["priority"] = .int(priority)
        if pod["spec"]["preemptionPolicy"].isNull { pod["spec"]["preemptionPolicy"] = "PreemptLowerPriority" }
    }

    private static func forbidden(_ pod: JSON, _ why: String) -> StatusError {
        .forbidden("pods \"\(pod.name)\" is forbidden: \(why)", "pods", name: pod.name)
    }

    /// A pod bears a silent node for five minutes unless it says otherwise.
    private static func tolerate(_ pod: inout JSON) {
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let isTolerated = pod["spec"]["tolerations"].items.contains { toleration in
                let covered = toleration["key"].stringValue
                let effect = toleration["effect"].stringValue
                return (covered.isEmpty || covered == key) && (effect.isEmpty || effect == "NoExecute")
            }
            if isTolerated { continue }
            pod["spec"]["tolerations"].append([
                "key": .string(key), "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": .int(tolerationSeconds),
            ])
        }
    }
}
