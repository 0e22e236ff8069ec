import KubeAPI

/// What of a service may not change.
enum ServiceUpdateValidation {
    static func errors(_ new: ServiceFields, _ old: ServiceFields) -> [FieldError] {
        var errors = addresses(new, old) + families(new, old)
        if old.isLoadBalancer, new.isLoadBalancer,
            old.spec["loadBalancerClass"] != new.spec["loadBalancerClass"]
        {
            errors.append(
                .invalid("spec.loadBalancerClass", new.spec["loadBalancerClass"], "may not change once set"))
        }
        if old.needsHealthCheck, new.needsHealthCheck, old.healthCheckNodePort != new.healthCheckNodePort {
            errors.append(.forbidden("spec.healthCheckNodePort", "field is immutable"))
        }
        return errors
    }

    private static func addresses(_ new: ServiceFields, _ old: ServiceFields) -> [FieldError] {
        guard !new.isExternalName, !old.isExternalName, !(new.isHeadless && old.isHeadless) else { return [] }
        let now = new.clusterIPs
        let then = old.clusterIPs
        let path = "spec.clusterIPs"
        var errors: [FieldError] = []
        if now.count == then.count {
            for index in then.indices where now[index] != then[index] {
                errors.append(.invalid("\(path)[\(index)]", strings: now, "may not change once set"))
            }
            return errors
        }
        if now.isEmpty { return [.invalid("\(path)[0]", strings: now, "primary clusterIP can not be unset")] }
        if let first = then.first, first != now[0] {
            errors.append(.invalid("\(path)[0]", strings: now, "may not change once set"))
        }
        if now.count < then.count, now.count == 1, new.ipFamilyPolicy != "SingleStack" {
            errors.append(policy(new, "clusterIP"))
        }
        return errors
    }

    private static func families(_ new: ServiceFields, _ old: ServiceFields) -> [FieldError] {
        guard !new.isExternalName, !old.isExternalName, !new.isHeadless, !old.isHeadless else { return [] }
        let now = new.ipFamilies
        let then = old.ipFamilies
        let path = "spec.ipFamilies[0]"
        var errors: [FieldError] = []
        if now.count == then.count {
            return zip(now, then).filter { $0 != $1 }.map { _ in
                .invalid(path, strings: now, "may not change once set")
            }
        }
        if now.count < then.count, new.clusterIPs.isEmpty {
            errors.append(.invalid(path, strings: now, "primary ipFamily can not be unset"))
        }
        if let first = now.first, let before = then.first, first != before {
            errors.append(.invalid(path, strings: new.clusterIPs, "may not change once set"))
        }
        if now.count < then.count, now.count == 1, new.ipFamilyPolicy != "SingleStack" {
            errors.append(policy(new, "ipFamily"))
        }
        return errors
    }

    private static func policy(_ new: ServiceFields, _ what: String) -> FieldError {
        .invalid(
            "spec.ipFamilyPolicy", new.ipFamilyPolicy.isEmpty ? .null : .string(new.ipFamilyPolicy),
            "must be set to 'SingleStack' when releasing the secondary \(what)")
    }
}
