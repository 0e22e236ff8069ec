import KubeAPI

/// A deployment's status, in Kubernetes' words.
enum DeploymentStatus {
    static let timedOut = "ProgressDeadlineExceeded"
    static let available = "NewReplicaSetAvailable"

    // MARK: conditions

    static func condition(_ status: JSON, _ type: String) -> JSON? {
        status["conditions"].items.first { $0["type"].string == type }
    }

    static func make(_ type: String, _ status: String, _ reason: String, _ message: String) -> JSON {
        let now = JSON.string(Timestamp.now().rfc3339)
        return [
            "type": .string(type), "status": .string(status), "reason": .string(reason), "message": .string(message),
            "lastUpdateTime": now, "lastTransitionTime": now,
        ]
    }

    /// Puts the condition in, unless one with its status and reason is there; the time of the last transition stays
    /// where the status does.
    static func set(_ status: inout JSON, _ condition: JSON) {
        var condition = condition
        if let before = Self.condition(status, condition["type"].stringValue), before["status"] == condition["status"] {
            if before["reason"] == condition["reason"] { return }
            condition["lastTransitionTime"] = before["lastTransitionTime"]
        }
        remove(&status, condition["type"].stringValue)
        status["conditions"].append(condition)
    }

    static func remove(_ status: inout JSON, _ type: String) {
        let rest = status["conditions"].items.filter { $0["type"].string != type }
        status["conditions"] = rest.isEmpty ? .null : .array(rest)
    }

    // MARK: counters

    /// The counters, and whether enough pods are available.
    static func counted(_ rollout: Rollout) -> JSON {
        let deployment = rollout.deployment
        let sets = rollout.all
        let available = sets.map(\.availableReplicas).sum
        var status = deployment.status
        status["observedGeneration"] = .positive(deployment.json.generation)
        status["replicas"] = .positive(sets.map(\.observedReplicas).sum)
        status["updatedReplicas"] = .positive(rollout.new?.observedReplicas ?? 0)
        status["readyReplicas"] = .positive(sets.map(\.readyReplicas).sum)
        status["availableReplicas"] = .positive(available)
        status["unavailableReplicas"] = .positive(sets.map(\.replicas).sum - available)
        status["terminatingReplicas"] = .int(Int64(sets.map { $0.status["terminatingReplicas"].int ?? 0 }.sum))
        if available >= deployment.replicas - deployment.maxUnavailable {
            set(&status, make("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."))
        } else {
            set(
                &status,
                make(
                    "Available", "False", "MinimumReplicasUnavailable",
                    "Deployment does not have minimum availability."))
        }
        return status
    }

    // MARK: progress

    static func isComplete(_ deployment: Deployment, _ status: JSON) -> Bool {
        let wanted = deployment.replicas
        return (status["updatedReplicas"].int ?? 0) == wanted && (status["replicas"].int ?? 0) == wanted
            && (status["availableReplicas"].int ?? 0) == wanted
            && (status["observedGeneration"].int ?? 0) >= deployment.json.generation
    }

    /// The status with what it says of the rollout's progress and of failures to make pods.
    static func progressed(_ rollout: Rollout) -> JSON {
        let deployment = rollout.deployment
        var status = counted(rollout)
        if deployment.progressDeadline == nil { remove(&status, "Progressing") }
        let before = condition(deployment.status, "Progressing")
        // A rollout that is done stays so; pods that fail later are another matter.
        let wasComplete =
            (status["replicas"].int ?? 0) == (status["updatedReplicas"].int ?? 0)
            && before?["reason"].string == available
        if deployment.progressDeadline != nil, !wasComplete {
            let subject = rollout.new.map { "ReplicaSet \"\($0.name)\"" } ?? "Deployment \"\(deployment.name)\""
            if isComplete(deployment, status) {
                set(&status, make("Progressing", "True", available, "\(subject) has successfully progressed."))
            } else if isProgressing(deployment, status) {
                var condition = make("Progressing", "True", "ReplicaSetUpdated", "\(subject) is progressing.")
                if let before {
                    // Each step renews the time that the deadline counts from.
                    if before["status"] == "True" { condition["lastTransitionTime"] = before["lastTransitionTime"] }
                    remove(&status, "Progressing")
                }
                set(&status, condition)
            } else if isTimedOut(deployment, status) {
                set(&status, make("Progressing", "False", timedOut, "\(subject) has timed out progressing."))
            }
        }
        if let failure = replicaFailure(rollout) { set(&status, failure) } else { remove(&status, "ReplicaFailure") }
        return status
    }

    private static func isProgressing(_ deployment: Deployment, _ status: JSON) -> Bool {
        let before = deployment.status
        func old(_ status: JSON) -> Int { (status["replicas"].int ?? 0) - (status["updatedReplicas"].int ?? 0) }
        func grows(_ field: String) -> Bool { (status[field].int ?? 0) > (before[field].int ?? 0) }
        return grows("updatedReplicas") || old(status) < old(before) || grows("readyReplicas")
            || grows("availableReplicas")
    }

    private static func isTimedOut(_ deployment: Deployment, _ status: JSON) -> Bool {
        guard let deadline = deployment.progressDeadline, let condition = condition(status, "Progressing") else {
            return false
        }
        switch condition["reason"].stringValue {
        case available: return false
        case timedOut: return true
        default:
            guard let since = Timestamp(condition["lastUpdateTime"]) else { return false }
            return since + deadline < .now()
        }
    }

    /// How long until a rollout that stands still is late; nil where none runs or it is late already.
    static func timeToDeadline(_ deployment: Deployment, _ status: JSON) -> Duration? {
        guard !deployment.isPaused, !deployment.isDeleting, let deadline = deployment.progressDeadline,
            let condition = condition(status, "Progressing"), !isComplete(deployment, status),
            ![timedOut, available].contains(condition["reason"].stringValue),
            let since = Timestamp(condition["lastUpdateTime"])
        else { return nil }
        // The time is kept in whole seconds: one more, so that it is over for certain.
        return max(.zero, since + deadline - .now()) + .seconds(1)
    }

    /// What keeps the new set, or else an old one, from making pods.
    private static func replicaFailure(_ rollout: Rollout) -> JSON? {
        let sets = (rollout.new.map { [$0] } ?? []) + rollout.old
        guard let found = sets.lazy.compactMap({ condition($0.status, "ReplicaFailure") }).first else { return nil }
        return [
            "type": "ReplicaFailure", "status": found["status"], "reason": found["reason"],
            "message": found["message"], "lastUpdateTime": found["lastTransitionTime"],
            "lastTransitionTime": found["lastTransitionTime"],
        ]
    }
}
