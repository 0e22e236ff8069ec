import KubeAPI

/// The conditions that the kubelet owns; those of others are kept as they are.
enum PodConditions {
    /// - Parameters:
    ///   - known: what the API has, for the times of transitions and the conditions of others.
    ///   - hasNetwork: the sandbox is there, with its address.
    static func make(
        pod: Pod, phase: String, statuses: [String: ContainerStatus], known: [JSON], hasNetwork: Bool, now: Timestamp
    ) -> [JSON] {
        var conditions = [
            Condition("PodReadyToStartContainers", hasNetwork), initialized(pod, phase, statuses),
            ready(pod, phase, statuses, known), containersReady(pod, phase, statuses),
        ]
        // A pod that is here was bound, by whomever: static pods by nobody.
        conditions.append(Condition("PodScheduled", true))
        let generation = pod.json.generation
        var result = conditions.map { condition in
            let old = known.first { $0["type"].string == condition.type }
            var json: JSON = ["type": .string(condition.type)]
            if generation > 0 { json["observedGeneration"] = .int(Int64(generation)) }
            json["status"] = condition.isTrue ? "True" : "False"
            let isSame = old?["status"] == json["status"]
            json["lastTransitionTime"] =
                isSame ? old?["lastTransitionTime"] ?? .string(now.rfc3339) : .string(now.rfc3339)
            if !condition.reason.isEmpty { json["reason"] = .string(condition.reason) }
            if !condition.message.isEmpty { json["message"] = .string(condition.message) }
            return json
        }
        let owned = Set(conditions.map(\.type))
        result += known.filter { !owned.contains($0["type"].stringValue) }
        return result
    }

    private struct Condition {
        var type: String
        var isTrue: Bool
        var reason = ""
        var message = ""
        init(_ type: String, _ isTrue: Bool, reason: String = "", message: String = "") {
            self.type = type
            self.isTrue = isTrue
            self.reason = reason
            self.message = message
        }
    }

    private static func initialized(_ pod: Pod, _ phase: String, _ statuses: [String: ContainerStatus]) -> Condition {
        let type = "Initialized"
        if phase == "Succeeded" { return Condition(type, true, reason: "PodCompleted") }
        // Once a main container has run, initialization is history.
        let hasStarted = pod.containers.contains { container in
            guard let status = statuses[container.name] else { return false }
            return status.isRunning || status.terminated != nil || status.lastTerminated != nil
        }
        if hasStarted { return Condition(type, true) }
        let incomplete = pod.initContainers.filter { container in
            guard let status = statuses[container.name] else { return true }
            return container.isSidecar ? !status.isStarted : !status.isReady
        }
        guard !incomplete.isEmpty else { return Condition(type, true) }
        return Condition(
            type, false, reason: "ContainersNotInitialized",
            message: "containers with incomplete status: \(list(incomplete.map(\.name)))")
    }

    private static func containersReady(
        _ pod: Pod, _ phase: String, _ statuses: [String: ContainerStatus], type: String = "ContainersReady"
    ) -> Condition {
        if phase == "Succeeded" { return Condition(type, false, reason: "PodCompleted") }
        if phase == "Failed" { return Condition(type, false, reason: "PodFailed") }
        var unknown: [String] = []
        var unready: [String] = []
        for container in pod.sidecars + pod.containers {
            guard let status = statuses[container.name] else {
                unknown.append(container.name)
                continue
            }
            if !status.isReady { unready.append(container.name) }
        }
        guard !unknown.isEmpty || !unready.isEmpty else { return Condition(type, true) }
        var messages: [String] = []
        if !unknown.isEmpty { messages.append("containers with unknown status: \(list(unknown))") }
        if !unready.isEmpty { messages.append("containers with unready status: \(list(unready))") }
        return Condition(
            type, false, reason: "ContainersNotReady", message: messages.joined(separator: ", "))
    }

    private static func ready(
        _ pod: Pod, _ phase: String, _ statuses: [String: ContainerStatus], _ known: [JSON]
    ) -> Condition {
        let containers = containersReady(pod, phase, statuses, type: "Ready")
        guard containers.isTrue else { return containers }
        let missing = pod.spec["readinessGates"].items.map { $0["conditionType"].stringValue }.compactMap { gate in
            guard let condition = known.first(where: { $0["type"].string == gate }) else {
                return "corresponding condition of pod readiness gate \"\(gate)\" does not exist."
            }
            return condition["status"].string == "True"
                ? nil
                : "the status of pod readiness gate \"\(gate)\" is not \"True\", but \(condition["status"].stringValue)"
        }
        return missing.isEmpty
            ? containers
            : Condition("Ready", false, reason: "ReadinessGatesNotReady", message: missing.joined(separator: ", "))
    }

    /// `[a b]`, as Go prints a slice.
    private static func list(_ names: [String]) -> String { "[\(names.joined(separator: " "))]" }
}
