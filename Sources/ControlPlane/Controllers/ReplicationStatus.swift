import KubeAPI

/// What a ReplicationController's status says of its pods.
enum ReplicationStatus {
    /// `soonest` is when the next pod becomes available by time alone.
    static func make(_ controller: ReplicationController, _ active: [JSON], failure: ScalingFailure?) -> (
        status: JSON, soonest: Duration?
    ) {
        let labels = controller.template["metadata"]["labels"].object ?? JSONObject()
        let ready = active.filter { Pod($0).isReady }
        let (available, soonest) = available(ready, after: .seconds(controller.minReadySeconds))
        let fullyLabeled = active.count { pod in
            let own = pod["metadata"]["labels"]
            return labels.allSatisfy { own[$0.key] == $0.value }
        }
        var status = controller.status
        status["replicas"] = .int(Int64(active.count))
        status["fullyLabeledReplicas"] = positive(fullyLabeled)
        status["readyReplicas"] = positive(ready.count)
        status["availableReplicas"] = positive(available)
        status["observedGeneration"] = positive(controller.json.generation)
        status["conditions"] = conditions(controller.status["conditions"], failure)
        return (status, soonest)
    }

    /// How many have been ready for so long, and when the next one will have been.
    private static func available(_ ready: [JSON], after wait: Duration) -> (count: Int, soonest: Duration?) {
        guard wait > .zero else { return (ready.count, nil) }
        let now = Timestamp.now()
        var soonest: Duration?
        let available = ready.count { pod in
            guard let since = Pod(pod).condition("Ready")?["lastTransitionTime"].string,
                let time = Timestamp(rfc3339: since)
            else { return true }
            let left = wait - (now - time)
            if left > .zero { soonest = min(soonest ?? left, left) }
            return left <= .zero
        }
        return (available, soonest)
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

    /// Counters of 0 are left out, as Kubernetes' types omit them.
    private static func positive(_ count: Int) -> JSON { count > 0 ? .int(Int64(count)) : .null }
}
