import KubeAPI

/// Leases: who holds one proves it by the resource version it has seen.
struct LeaseStrategy: Strategy {
    var allowsUnconditionalUpdate: Bool { false }
    var allowsCreateOnUpdate: Bool { true }

    func validate(_ object: JSON) -> [FieldError] {
        let spec = object["spec"]
        var errors: [FieldError] = []
        if let seconds = spec["leaseDurationSeconds"].int, seconds <= 0 {
            errors.append(.invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0"))
        }
        errors += FieldError.nonNegative("spec.leaseTransitions", spec["leaseTransitions"])
        if let preferred = spec["preferredHolder"].string, !preferred.isEmpty, spec["strategy"].stringValue.isEmpty {
            errors.append(.forbidden("spec.preferredHolder", "may not be specified unless `strategy` is specified"))
        }
        return errors
    }
}
