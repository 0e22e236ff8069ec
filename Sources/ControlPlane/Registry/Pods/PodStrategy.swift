import KubeAPI

/// Pods: their status begins with the server, their spec hardly changes, their end is graceful.
struct PodStrategy: Strategy {
    var tracksGeneration: Bool { true }
    var returnsDeleted: Bool { true }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        if !object["spec"]["ephemeralContainers"].items.isEmpty {
            throw .invalid(
                kind: "Pod", name: object.name, [.forbidden("spec.ephemeralContainers", "cannot be set on create")])
        }
        object["status"] = ["phase": "Pending"]
        if !object["spec"]["schedulingGates"].items.isEmpty {
            object["status"]["conditions"] = [
                [
                    "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates",
                ]
            ]
        }
        try PodAdmission.apply(&object, context.registry)
        try KubeletLimits.checkCreate(pod: object, context)
    }

    func applyDefaults(_ object: inout JSON) {
        if object["status"]["qosClass"].isNull { object["status"]["qosClass"] = .string(Self.qosClass(object["spec"])) }
    }

    func validate(_ object: JSON) -> [FieldError] { PodValidation.spec(object["spec"], "spec") }

    func prepareForUpdate(_ object: inout JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        if context.subresource == EphemeralContainers.subresource {
            return EphemeralContainers.keepAllElse(&object, old: old)
        }
        keepOtherHalf(&object, old: old, context)
        if context.subresource == "status" {
            // The kubelet reports; it does not give pods away.
            object["metadata"]["ownerReferences"] = old["metadata"]["ownerReferences"]
            object["status"]["qosClass"] = old["status"]["qosClass"]
            try KubeletLimits.checkStatus(pod: object, old: old, context)
        }
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        if subresource == EphemeralContainers.subresource {
            return EphemeralContainers.validateUpdate(object, old: old)
        }
        guard subresource.isEmpty, object["spec"] != old["spec"] else { return [] }
        var errors = tolerations(object["spec"]["tolerations"], old["spec"]["tolerations"])
        var candidate = object["spec"]
        let before = old["spec"]
        // What may change is made equal; whatever then differs may not.
        for list in ["containers", "initContainers"] {
            guard candidate[list].items.count == before[list].items.count else {
                errors.append(.forbidden("spec.\(list)", "pod updates may not add or remove containers"))
                return errors
            }
            for index in before[list].items.indices {
                candidate[list][index]["image"] = before[list][index]["image"]
            }
        }
        errors += activeDeadline(candidate["activeDeadlineSeconds"], before["activeDeadlineSeconds"])
        candidate["activeDeadlineSeconds"] = before["activeDeadlineSeconds"]
        candidate["tolerations"] = before["tolerations"]
        if candidate["terminationGracePeriodSeconds"].int == 1, (before["terminationGracePeriodSeconds"].int ?? 0) < 0 {
            candidate["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
        }
        // Gates may be taken away.
        let gates = Set(before["schedulingGates"].items.map { $0["name"].stringValue })
        if candidate["schedulingGates"].items.allSatisfy({ gates.contains($0["name"].stringValue) }) {
            candidate["schedulingGates"] = before["schedulingGates"]
        }
        if candidate != before {
            errors.append(
                .forbidden(
                    "spec",
                    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
                ))
        }
        return errors
    }

    private func tolerations(_ new: JSON, _ old: JSON) -> [FieldError] {
        for toleration in old.items where !new.items.contains(toleration) {
            var relaxed = toleration
            relaxed["tolerationSeconds"] = .null
            let remains = new.items.contains {
                var candidate = $0
                candidate["tolerationSeconds"] = .null
                return candidate == relaxed
            }
            if !remains {
                return [
                    .forbidden(
                        "spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")
                ]
            }
        }
        return []
    }

    private func activeDeadline(_ new: JSON, _ old: JSON) -> [FieldError] {
        guard let before = old.int else { return [] }
        guard let after = new.int else {
            return [
                .invalid("spec.activeDeadlineSeconds", .null, "must not update from a positive integer to nil value")
            ]
        }
        return after <= before
            ? []
            : [.invalid("spec.activeDeadlineSeconds", new, "must be less than or equal to previous value")]
    }

    /// Immediate where nobody has to stop anything: not bound, or ended.
    func gracePeriod(of object: JSON, requested: Int?) -> Int? {
        if object["spec"]["nodeName"].stringValue.isEmpty { return 0 }
        if ["Succeeded", "Failed"].contains(object["status"]["phase"].stringValue) { return 0 }
        let period = requested ?? object["spec"]["terminationGracePeriodSeconds"].int ?? 30
        return period < 0 ? 1 : period
    }

    /// The class by which the node treats the pod: by requests and limits of cpu and memory.
    static func qosClass(_ spec: JSON) -> String {
        var hasAny = false
        var isGuaranteed = true
        for container in spec["containers"].items + spec["initContainers"].items {
            let limits = container["resources"]["limits"]
            let requests = container["resources"]["requests"]
            for name in ["cpu", "memory"] {
                let limit = Quantity(limits[name]).flatMap { $0.isZero ? nil : $0 }
                let request = Quantity(requests[name]).flatMap { $0.isZero ? nil : $0 } ?? limit
                if limit != nil || request != nil { hasAny = true }
                if limit == nil || request != limit { isGuaranteed = false }
            }
        }
        if !hasAny { return "BestEffort" }
        return isGuaranteed ? "Guaranteed" : "Burstable"
    }
}
