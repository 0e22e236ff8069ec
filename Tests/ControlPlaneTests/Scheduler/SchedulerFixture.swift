import KubeAPI

@testable import ControlPlane

/// Objects as the scheduler is given them.
enum Sample {
    static func node(
        _ name: String, cpu: String = "4", memory: String = "8Gi", pods: Int = 110, labels: [String: String] = [:],
        taints: [JSON] = [], unschedulable: Bool = false, others: [String: String] = [:]
    ) -> JSON {
        var allocatable: JSON = ["cpu": .string(cpu), "memory": .string(memory), "pods": .string(String(pods))]
        for (resource, amount) in others { allocatable[resource] = .string(amount) }
        var spec: JSON = [:]
        if !taints.isEmpty { spec["taints"] = .array(taints) }
        if unschedulable { spec["unschedulable"] = true }
        return [
            "apiVersion": "v1", "kind": "Node",
            "metadata": ["name": .string(name), "uid": .string("node-\(name)"), "labels": JSON(labels)], "spec": spec,
            "status": ["allocatable": allocatable, "conditions": [["type": "Ready", "status": "True"]]],
        ]
    }

    static func pod(
        _ name: String, cpu: String? = nil, memory: String? = nil, spec: JSON = [:], labels: [String: String] = [:]
    ) -> JSON {
        var spec = spec
        if spec["containers"].isNull {
            var requests: JSON = [:]
            requests["cpu"] = JSON(cpu)
            requests["memory"] = JSON(memory)
            spec["containers"] = [["name": "c", "image": "i", "resources": ["requests": requests]]]
        }
        return [
            "apiVersion": "v1", "kind": "Pod",
            "metadata": [
                "name": .string(name), "namespace": "default", "uid": .string("pod-\(name)"), "labels": JSON(labels),
            ],
            "spec": spec,
        ]
    }

    static func taint(_ key: String, _ value: String = "", effect: String = "NoSchedule") -> JSON {
        ["key": .string(key), "value": value.isEmpty ? .null : .string(value), "effect": .string(effect)]
    }

    static func demand(_ pod: JSON) -> PodDemand { PodDemand(Pod(pod)) }

    static func table(_ nodes: [JSON]) -> NodeTable {
        var table = NodeTable()
        for node in nodes { _ = table.update(Node(node)) }
        return table
    }
}
