import KubeAPI

/// The families of a service's addresses (`ipFamilies`, `ipFamilyPolicy`), as Kubernetes' allocator fills them in.
enum ServiceFamilies {
    /// - Parameter families: those of the cluster, one or both; the first is what services get unless they ask.
    static func assign(_ service: inout JSON, old: JSON?, families: [String]) throws(StatusError) {
        let fields = ServiceFields(service)
        let before = old.map(ServiceFields.init)
        guard !fields.isExternalName, !keepsBoth(fields, before) else { return }
        let isFree = fields.clusterIP == "None" && !fields.hasSelector
        if fields.ipFamilyPolicy.isEmpty {
            let inherited = before?.ipFamilyPolicy ?? ""
            // Endpoints of a headless service without a selector are made by others, who may have both families.
            service["spec"]["ipFamilyPolicy"] = .string(
                !inherited.isEmpty ? inherited : isFree ? "RequireDualStack" : "SingleStack")
        }
        try refuse(service, ServiceValidation.clusterIPs(ServiceFields(service)))
        if let before { try shrink(&service, before) }
        try refuse(service, conflicts(ServiceFields(service)))
        try infer(&service, families)
        if isFree { return fillBoth(&service, families[0]) }
        try require(&service, families)
    }

    /// A service that prefers both families is left as it is, unless its addresses or families change.
    private static func keepsBoth(_ fields: ServiceFields, _ before: ServiceFields?) -> Bool {
        guard let before, fields.ipFamilyPolicy == "PreferDualStack", before.type == fields.type else { return false }
        return ["", "PreferDualStack"].contains(before.ipFamilyPolicy) && before.clusterIPs == fields.clusterIPs
            && before.ipFamilies == fields.ipFamilies
    }

    /// Who asks for a single family and changes nothing else means that the second one goes.
    private static func shrink(_ service: inout JSON, _ before: ServiceFields) throws(StatusError) {
        let fields = ServiceFields(service)
        if fields.ipFamilyPolicy == "SingleStack" {
            if fields.clusterIPs == before.clusterIPs, fields.clusterIPs.count > 1 {
                service["spec"]["clusterIPs"] = JSON([fields.clusterIPs[0]])
            }
            if fields.ipFamilies == before.ipFamilies, fields.ipFamilies.count > 1 {
                service["spec"]["ipFamilies"] = JSON([fields.ipFamilies[0]])
            }
            return
        }
        var errors: [FieldError] = []
        func check(_ now: [String], _ then: [String], _ what: String) {
            guard !now.isEmpty, now.count < then.count else { return }
            errors.append(policy(fields, "must be 'SingleStack' to release the secondary \(what)"))
        }
        check(fields.clusterIPs, before.clusterIPs, "cluster IP")
        check(fields.ipFamilies, before.ipFamilies, "IP family")
        try refuse(service, errors)
    }

    private static func conflicts(_ fields: ServiceFields) -> [FieldError] {
        guard fields.ipFamilyPolicy == "SingleStack" else { return [] }
        let parts = [(fields.clusterIPs, "cluster IPs"), (fields.ipFamilies, "IP families")]
        return parts.filter { $0.0.count == 2 }.map {
            policy(fields, "must be 'RequireDualStack' or 'PreferDualStack' when multiple \($0.1) are specified")
        }
    }

    /// Families follow from addresses where they are not named.
    private static func infer(_ service: inout JSON, _ known: [String]) throws(StatusError) {
        let fields = ServiceFields(service)
        var families = fields.ipFamilies
        var errors: [FieldError] = []
        for (index, text) in fields.clusterIPs.enumerated() where text != "None" && index >= families.count {
            let own = IPAddress(text)?.isIPv6 == true ? "IPv6" : "IPv4"
            if known.contains(own) {
                families.append(own)
            } else {
                errors.append(
                    .invalid(
                        "spec.clusterIPs[\(index)]", strings: fields.clusterIPs,
                        "\(own) is not configured on this cluster"))
            }
        }
        try refuse(service, errors)
        if !families.isEmpty { service["spec"]["ipFamilies"] = JSON(families) }
    }

    private static func fillBoth(_ service: inout JSON, _ family: String) {
        var families = ServiceFields(service).ipFamilies
        if families.isEmpty { families = [family] }
        if families.count == 1, service["spec"]["ipFamilyPolicy"].string != "SingleStack" {
            families.append(families[0] == "IPv4" ? "IPv6" : "IPv4")
        }
        service["spec"]["ipFamilies"] = JSON(families)
    }

    /// What the cluster does not have can't be asked for.
    private static func require(_ service: inout JSON, _ known: [String]) throws(StatusError) {
        let fields = ServiceFields(service)
        var errors: [FieldError] = []
        if fields.ipFamilyPolicy == "RequireDualStack", known.count < 2 {
            errors.append(policy(fields, "this cluster is not configured for dual-stack services"))
        }
        for (index, wanted) in fields.ipFamilies.enumerated() where !known.contains(wanted) {
            errors.append(
                .invalid("spec.ipFamilies[\(index)]", .string(wanted), "not configured on this cluster"))
        }
        try refuse(service, errors)
        var families = fields.ipFamilies.isEmpty ? [known[0]] : fields.ipFamilies
        if fields.ipFamilyPolicy != "SingleStack", families.count == 1 {
            families += known.filter { $0 != families[0] }
        }
        service["spec"]["ipFamilies"] = JSON(families)
    }

    private static func policy(_ fields: ServiceFields, _ detail: String) -> FieldError {
        .invalid("spec.ipFamilyPolicy", .string(fields.ipFamilyPolicy), detail)
    }

    private static func refuse(_ service: JSON, _ errors: [FieldError]) throws(StatusError) {
        if !errors.isEmpty { throw .invalid(kind: "Service", name: service.name, errors) }
    }
}
