import KubeAPI

struct DeploymentStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        object["status"] = .emptyObject
    }

    func validate(_ object: JSON) -> [FieldError] {
        let spec = object["spec"]
        var errors = WorkloadRules.nonNegative(spec, "spec", ["replicas"])
        errors += WorkloadRules.selector(spec, kind: "deployment")
        // Kubernetes' check of the template is the replica set's, name included.
        errors += PodTemplateValidation.alwaysRunning(spec["template"], "spec.template", owner: "ReplicaSet")
        errors += Self.strategy(spec["strategy"], "spec.strategy")
        errors += WorkloadRules.nonNegative(
            spec, "spec", ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"])
        if let deadline = spec["progressDeadlineSeconds"].int, deadline <= (spec["minReadySeconds"].int ?? 0) {
            errors.append(
                .invalid(
                    "spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"],
                    "must be greater than minReadySeconds"))
        }
        return errors
    }

    private static func strategy(_ strategy: JSON, _ path: String) -> [FieldError] {
        let rolling = strategy["rollingUpdate"]
        if strategy["type"].string == "Recreate" {
            return rolling.isNull
                ? [] : [.forbidden("\(path).rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")]
        }
        let path = "\(path).rollingUpdate"
        var errors = WorkloadRules.bound(rolling["maxUnavailable"], "\(path).maxUnavailable")
        errors += WorkloadRules.bound(rolling["maxSurge"], "\(path).maxSurge")
        if WorkloadRules.isZero(rolling["maxUnavailable"]), WorkloadRules.isZero(rolling["maxSurge"]) {
            errors.append(
                .invalid("\(path).maxUnavailable", rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0"))
        }
        return errors + WorkloadRules.atMostAll(rolling["maxUnavailable"], "\(path).maxUnavailable")
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        if subresource == "status" { return Self.status(object["status"], old["status"]) }
        return WorkloadRules.immutable(object["spec"], old["spec"], "spec", ["selector"])
    }

    private static func status(_ status: JSON, _ old: JSON) -> [FieldError] {
        let parts = ["updatedReplicas", "readyReplicas", "availableReplicas"]
        return WorkloadRules.nonNegative(
            status, "status", ["observedGeneration", "replicas"] + parts + ["unavailableReplicas", "collisionCount"])
            + parts.flatMap { WorkloadRules.atMost(status, $0, "replicas", "status.replicas") }
            + WorkloadRules.atMost(status, "availableReplicas", "readyReplicas", "readyReplicas")
            + WorkloadRules.collisions(status, old)
    }
}
