import KubeAPI

struct ReplicaSetStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        object["status"] = ["replicas": 0]
    }

    func validate(_ object: JSON) -> [FieldError] {
        let spec = object["spec"]
        var errors = WorkloadRules.nonNegative(spec, "spec", ["replicas", "minReadySeconds"])
        // Kubernetes says deployment here, too.
        errors += WorkloadRules.selector(spec, kind: "deployment")
        return errors + PodTemplateValidation.alwaysRunning(spec["template"], "spec.template", owner: "ReplicaSet")
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        if subresource == "status" { return Self.status(object["status"]) }
        return WorkloadRules.immutable(object["spec"], old["spec"], "spec", ["selector"])
    }

    /// Of replication controllers as well.
    static func status(_ status: JSON) -> [FieldError] {
        let parts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"]
        return WorkloadRules.nonNegative(
            status, "status", ["replicas"] + parts + ["observedGeneration", "terminatingReplicas"])
            + parts.flatMap { WorkloadRules.atMost(status, $0, "replicas", "status.replicas") }
            + WorkloadRules.atMost(status, "availableReplicas", "readyReplicas", "readyReplicas")
    }
}
