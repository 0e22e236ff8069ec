import KubeAPI

/// Replication controllers. What they own goes with them unless the client asks for orphans; Kubernetes' v1 orphans by
/// default, but kubectl and every current client say what they want.
struct ReplicationControllerStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        object["status"] = ["replicas": 0]
    }

    func validate(_ object: JSON) -> [FieldError] {
        let spec = object["spec"]
        var errors = FieldError.nonNegative("spec.minReadySeconds", spec["minReadySeconds"])
        let selector = spec["selector"].stringMap
        if selector.isEmpty { errors.append(.required("spec.selector")) }
        errors += FieldError.nonNegative("spec.replicas", spec["replicas"])
        let template = spec["template"]
        guard template.isObject else { return errors + [.required("spec.template")] }
        let labels = template["metadata"]["labels"].stringMap
        if !selector.allSatisfy({ labels[$0.key] == $0.value }) {
            errors.append(
                .invalid(
                    "spec.template.metadata.labels", JSON(labels), "`selector` does not match template `labels`"))
        }
        return errors + PodTemplateValidation.alwaysRunning(template, "spec.template", owner: "ReplicationController")
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        subresource == "status" ? ReplicaSetStrategy.status(object["status"]) : []
    }
}
