import KubeAPI

/// The pods of a daemon set: which nodes they fit, and what they look like.
struct DaemonPod: Sendable {
    private let set: DaemonSet
    private let constraints: NodeConstraints?
    private let tolerations: [Toleration]
    private let nodeName: String
    private let template: JSON

    /// `hash` names the revision of the set's template.
    init(_ set: DaemonSet, hash: String) {
        self.set = set
        var template = set.template
        let own = template["spec"]["tolerations"].items
        template["spec"]["tolerations"] = .array(own + Self.tolerations(template["spec"]).filter { !own.contains($0) })
        template["metadata"]["labels"][RevisionHistory.hashLabel] = .string(hash)
        if let generation = set.annotations[DaemonSetStrategy.templateGeneration] {
            template["metadata"]["labels"]["pod-template-generation"] = .string(generation)
        }
        self.template = template
        constraints = NodeConstraints(template["spec"])
        tolerations = template["spec"]["tolerations"].items.map(Toleration.init)
        nodeName = template["spec"]["nodeName"].stringValue
    }

    /// What every daemon's pod bears: it belongs to its node, whatever the node's state.
    private static func tolerations(_ spec: JSON) -> [JSON] {
        var taints = [
            ("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"),
            ("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule"),
        ]
        if spec["hostNetwork"].bool == true { taints.append(("network-unavailable", "NoSchedule")) }
        return taints.map { name, effect in
            ["key": .string("node.kubernetes.io/\(name)"), "operator": "Exists", "effect": .string(effect)]
        }
    }

    /// Whether a node is to get the pod, and whether one that it has may stay.
    func fits(_ node: JSON) -> (shouldRun: Bool, mayStay: Bool) {
        guard nodeName.isEmpty || nodeName == node.name else { return (false, false) }
        let taints = node["spec"]["taints"].items.map(Taint.init)
        let details = NodeDetails(name: node.name, labels: node.labels, taints: taints)
        guard constraints?.match(details) ?? true else { return (false, false) }
        let untolerated = taints.filter { $0.isHard && !$0.isTolerated(by: tolerations) }
        return (untolerated.isEmpty, !untolerated.contains { $0.effect == "NoExecute" })
    }

    /// The scheduler binds it, to that node alone.
    func make(for node: String) -> JSON {
        var pod = PodControl.pod(of: template, owner: set.json)
        pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = [
            "nodeSelectorTerms": [
                ["matchFields": [["key": "metadata.name", "operator": "In", "values": [.string(node)]]]]
            ]
        ]
        return pod
    }

    /// The node that a pod is on, or is meant for.
    static func node(of pod: Pod) -> String? {
        if !pod.nodeName.isEmpty { return pod.nodeName }
        let required = pod.spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        for term in required["nodeSelectorTerms"].items {
            for field in term["matchFields"].items where field["key"].string == "metadata.name" {
                return field["values"][0].string
            }
        }
        return nil
    }
}
