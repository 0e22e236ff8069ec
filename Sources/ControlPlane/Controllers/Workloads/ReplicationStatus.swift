import KubeAPI

/// What the status of a ReplicationController or a ReplicaSet says of its pods.
enum ReplicationStatus {
    /// `soonest` is when the next pod becomes available by time alone.
    static func make(_ set: ReplicaSet, _ claimed: [JSON], failure: ScalingFailure?, countsTerminating: Bool) -> (
        status: JSON, soonest: Duration?
    ) {
        let labels = set.template["metadata"]["labels"].object ?? JSONObject()
        let active = claimed.map(Pod.init).filter(\.isActive)
        let now = Timestamp.now()
        let waits = active.compactMap { $0.timeToAvailability(after: .seconds(set.minReadySeconds), now) }
        let fullyLabeled = active.count { pod in
            let own = pod.json["metadata"]["labels"]
            return labels.allSatisfy { own[$0.key] == $0.value }
        }
        var status = set.status
        status["replicas"] = .int(Int64(active.count))
        status["fullyLabeledReplicas"] = .positive(fullyLabeled)
        status["readyReplicas"] = .positive(waits.count)
        status["availableReplicas"] = .positive(waits.count { $0 == .zero })
        status["observedGeneration"] = .positive(set.json.generation)
        status["conditions"] = conditions(set.status["conditions"], failure)
        if countsTerminating {
            status["terminatingReplicas"] = .int(
                Int64(claimed.count { $0.isDeleting && !Pod($0).isTerminal }))
        }
        return (status, waits.filter { $0 > .zero }.min())
    }

    private static func conditions(_ old: JSON, _ failure: ScalingFailure?) -> JSON {
        var conditions = old.items.filter { $0["type"].string != "ReplicaFailure" }
        if let failure {
            let before = old.items.first { $0["type"].string == "ReplicaFailure" }
            let message = JSON.string("\(failure.cause)")
            if let before, before["reason"].string == failure.reason, before["message"] == message {
                conditions.append(before)
            } else {
                conditions.append([
                    "type": "ReplicaFailure", "status": "True", "reason": .string(failure.reason), "message": message,
                    "lastTransitionTime": .string(Timestamp.now().rfc3339),
                ])
            }
        }
        return conditions.isEmpty ? .null : .array(conditions)
    }
}

extension JSON {
    /// Counters of 0 are left out, as Kubernetes' types omit them.
    static func positive(_ count: Int) -> JSON { count > 0 ? .int(Int64(count)) : .null }
}
