import KubeAPI

struct DaemonSetStrategy: Strategy {
    /// Counts the changes of the template; what older clients know pods' states by.
    static let templateGeneration = "deprecated.daemonset.template.generation"

    var tracksGeneration: Bool { true }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        object["metadata"]["annotations"][Self.templateGeneration] = "1"
        object["status"] = [
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        ]
    }

    func prepareForUpdate(_ object: inout JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        keepOtherHalf(&object, old: old, context)
        let before = old["metadata"]["annotations"][Self.templateGeneration].string.flatMap { Int($0) } ?? 0
        let isOther = object["spec"]["template"] != old["spec"]["template"]
        object["metadata"]["annotations"][Self.templateGeneration] = .string(String(isOther ? before + 1 : before))
    }

    func validate(_ object: JSON) -> [FieldError] {
        let spec = object["spec"]
        var errors = WorkloadRules.selector(spec, kind: "daemonset")
        errors += PodTemplateValidation.alwaysRunning(spec["template"], "spec.template", owner: "DaemonSet")
        errors += WorkloadRules.nonNegative(spec, "spec", ["minReadySeconds", "revisionHistoryLimit"])
        guard spec["updateStrategy"]["type"].string == "RollingUpdate" else { return errors }
        let path = "spec.updateStrategy.rollingUpdate"
        let rolling = spec["updateStrategy"]["rollingUpdate"]
        for field in ["maxUnavailable", "maxSurge"] {
            errors += WorkloadRules.bound(rolling[field], "\(path).\(field)")
            errors += WorkloadRules.atMostAll(rolling[field], "\(path).\(field)")
        }
        switch (WorkloadRules.isZero(rolling["maxUnavailable"]), WorkloadRules.isZero(rolling["maxSurge"])) {
        case (false, false):
            errors.append(
                .invalid("\(path).maxSurge", rolling["maxSurge"], "may not be set when maxUnavailable is non-zero"))
        case (true, true): errors.append(.required("\(path).maxUnavailable", "cannot be 0 when maxSurge is 0"))
        default: break
        }
        return errors
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        guard subresource == "status" else {
            return WorkloadRules.immutable(object["spec"], old["spec"], "spec", ["selector"])
        }
        let counters = [
            "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
            "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount",
        ]
        return WorkloadRules.nonNegative(object["status"], "status", counters)
            + WorkloadRules.collisions(object["status"], old["status"])
    }
}
