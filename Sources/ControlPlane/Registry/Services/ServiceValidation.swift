import KubeAPI

/// What the schema can't say about services, in the words of Kubernetes.
enum ServiceValidation {
    private static let kubeletPort = 10250
    private static let maxAffinitySeconds = 86_400

    static func service(_ service: JSON) -> [FieldError] {
        let fields = ServiceFields(service)
        var errors = types(fields)
        errors += ServicePortValidation.ports(fields)
        errors += MetadataRules.labels(fields.spec["selector"], "spec.selector")
        errors += affinity(fields.spec)
        errors += clusterIPs(fields)
        for (index, address) in fields.spec["externalIPs"].items.enumerated() {
            errors += AddressRules.nonSpecial(address.stringValue, "spec.externalIPs[\(index)]")
        }
        errors += loadBalancer(service, fields)
        errors += traffic(fields)
        return errors
    }

    static func status(_ service: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        let ingresses = service["status"]["loadBalancer"]["ingress"].items
        if !ingresses.isEmpty, !ServiceFields(service).isLoadBalancer {
            errors.append(
                .forbidden("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'"))
        }
        for (index, ingress) in ingresses.enumerated() {
            let path = "status.loadBalancer.ingress[\(index)]"
            if let text = ingress["ip"].string, !text.isEmpty {
                errors += NameValidation.ipAddress(text).map { .invalid("\(path).ip", .string(text), $0) }
            }
            if let name = ingress["hostname"].string, !name.isEmpty {
                errors += NameValidation.dns1123Subdomain(name).map { .invalid("\(path).hostname", .string(name), $0) }
                if IPAddress(name) != nil {
                    errors.append(
                        .invalid("\(path).hostname", .string(name), "must be a DNS name, not an IP address"))
                }
            }
        }
        return errors
    }

    // MARK: type

    private static func types(_ fields: ServiceFields) -> [FieldError] {
        var errors: [FieldError] = []
        if fields.ports.isEmpty, !fields.isHeadless, !fields.isExternalName { errors.append(.required("spec.ports")) }
        if fields.isLoadBalancer {
            for (index, port) in fields.ports.enumerated() where port["port"].int == kubeletPort {
                errors.append(
                    .invalid(
                        "spec.ports[\(index)]", port["port"],
                        "may not expose port \(kubeletPort) externally since it is used by kubelet"))
            }
        }
        if fields.usesNodePorts, fields.isHeadless {
            errors.append(
                .invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for \(fields.type) services"))
        }
        if fields.isExternalName {
            for field in ["clusterIPs", "ipFamilies"] where !fields.spec[field].items.isEmpty {
                errors.append(.forbidden("spec.\(field)", "may not be set for ExternalName services"))
            }
            if !fields.ipFamilyPolicy.isEmpty {
                errors.append(.forbidden("spec.ipFamilyPolicy", "may not be set for ExternalName services"))
            }
            var name = fields.spec["externalName"].stringValue
            if name.hasSuffix(".") { name.removeLast() }
            if name.isEmpty {
                errors.append(.required("spec.externalName"))
            } else {
                errors += NameValidation.dns1123Subdomain(name).map { .invalid("spec.externalName", .string(name), $0) }
            }
        }
        let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
        if !types.contains(fields.type) { errors.append(.notSupported("spec.type", .string(fields.type), types)) }
        return errors
    }

    private static func affinity(_ spec: JSON) -> [FieldError] {
        let affinity = spec["sessionAffinity"].stringValue
        let config = spec["sessionAffinityConfig"]
        switch affinity {
        case "":
            return [.required("spec.sessionAffinity")]
        case "None":
            return config.isNull
                ? [] : [.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None")]
        case "ClientIP":
            let path = "spec.sessionAffinityConfig"
            let timeout = config["clientIP"]["timeoutSeconds"]
            for (value, path) in [
                (config, path), (config["clientIP"], "\(path).clientIP"), (timeout, "\(path).clientIP.timeoutSeconds"),
            ] where value.isNull {
                return [.required(path, "when session affinity type is ClientIP")]
            }
            guard let seconds = timeout.int, (1...maxAffinitySeconds).contains(seconds) else {
                return [
                    .invalid(
                        "\(path).clientIP.timeoutSeconds", timeout,
                        "must be greater than 0 and less than \(maxAffinitySeconds)")
                ]
            }
            return []
        default:
            return [.notSupported("spec.sessionAffinity", .string(affinity), ["ClientIP", "None"])]
        }
    }

    // MARK: addresses

    /// `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy` among themselves.
    static func clusterIPs(_ fields: ServiceFields) -> [FieldError] {
        guard !fields.isExternalName else { return [] }
        let path = "spec.clusterIPs"
        let addresses = fields.clusterIPs
        var errors: [FieldError] = []
        if fields.clusterIP.isEmpty {
            if !addresses.isEmpty {
                errors.append(.invalid(path, strings: addresses, "must be empty when `clusterIP` is not specified"))
            }
        } else if let first = addresses.first {
            if first != fields.clusterIP {
                errors.append(.invalid(path, strings: addresses, "first value must match `clusterIP`"))
            }
        } else {
            errors.append(.required(path))
        }
        var seen: Set<String> = []
        for (index, family) in fields.ipFamilies.enumerated() {
            if !["IPv4", "IPv6"].contains(family) {
                errors.append(.notSupported("spec.ipFamilies[\(index)]", .string(family), ["IPv4", "IPv6"]))
            }
            if !seen.insert(family).inserted {
                errors.append(.duplicate("spec.ipFamilies[\(index)]", .string(family)))
            }
        }
        let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"]
        if !fields.ipFamilyPolicy.isEmpty, !policies.contains(fields.ipFamilyPolicy) {
            errors.append(.notSupported("spec.ipFamilyPolicy", .string(fields.ipFamilyPolicy), policies))
        }
        return errors + addressList(fields)
    }

    private static func addressList(_ fields: ServiceFields) -> [FieldError] {
        let path = "spec.clusterIPs"
        let addresses = fields.clusterIPs
        var errors: [FieldError] = []
        var isBroken = false
        for (index, text) in addresses.enumerated() {
            if index == 0, text == "None" {
                if addresses.count > 1 {
                    isBroken = true
                    errors.append(.invalid(path, strings: addresses, "'None' must be the first and only value"))
                }
            } else if IPAddress(text) == nil {
                isBroken = true
                errors += NameValidation.ipAddress(text).map { .invalid("\(path)[\(index)]", .string(text), $0) }
            }
        }
        if addresses.count > 2 {
            errors.append(.invalid(path, strings: addresses, "may only hold up to 2 values"))
        }
        guard !isBroken else { return errors }
        let parsed = addresses.compactMap { IPAddress($0) }
        if addresses.count > 1, Set(parsed.map(\.family)).count < parsed.count {
            errors.append(.invalid(path, strings: addresses, "may specify no more than one IP for each IP family"))
        }
        guard !fields.isHeadless else { return errors }
        for (index, (address, family)) in zip(parsed, fields.ipFamilies).enumerated() {
            if (family == "IPv4" && address.isIPv6) || (family == "IPv6" && address.isIPv4) {
                errors.append(
                    .invalid(
                        "\(path)[\(index)]", .string(addresses[index]),
                        "expected an \(family) value as indicated by `ipFamilies[\(index)]`"))
            }
        }
        return errors
    }

    // MARK: load balancers and traffic

    private static let onlyLoadBalancer = "may only be used when `type` is 'LoadBalancer'"

    private static func loadBalancer(_ service: JSON, _ fields: ServiceFields) -> [FieldError] {
        var errors: [FieldError] = []
        let annotation = "service.beta.kubernetes.io/load-balancer-source-ranges"
        let ranges = fields.spec["loadBalancerSourceRanges"].items.map(\.stringValue)
        if !ranges.isEmpty {
            let path = "spec.LoadBalancerSourceRanges"
            if !fields.isLoadBalancer { errors.append(.forbidden(path, onlyLoadBalancer)) }
            for (index, text) in ranges.enumerated() { errors += sourceRange(text, "\(path)[\(index)]") }
        } else if let text = service.annotations[annotation] {
            let path = "metadata.annotations[\(annotation)]"
            if !fields.isLoadBalancer { errors.append(.forbidden(path, onlyLoadBalancer)) }
            if !text.allSatisfy(\.isWhitespace) {
                for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                    errors += sourceRange(String(part), path)
                }
            }
        }
        let allocates = fields.spec["allocateLoadBalancerNodePorts"]
        if !allocates.isNull, !fields.isLoadBalancer {
            errors.append(.forbidden("spec.allocateLoadBalancerNodePorts", onlyLoadBalancer))
        } else if allocates.isNull, fields.isLoadBalancer {
            errors.append(.required("allocateLoadBalancerNodePorts"))
        }
        if let name = fields.spec["loadBalancerClass"].string {
            if fields.isLoadBalancer {
                errors += NameValidation.qualifiedName(name).map {
                    .invalid("spec.loadBalancerClass", .string(name), $0)
                }
            } else {
                errors.append(.forbidden("spec.loadBalancerClass", onlyLoadBalancer))
            }
        }
        return errors
    }

    /// Blanks around a range are allowed, for history's sake.
    private static func sourceRange(_ text: String, _ path: String) -> [FieldError] {
        let range = String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        return NameValidation.cidr(range).map { .invalid(path, .string(range), $0) }
    }

    private static func traffic(_ fields: ServiceFields) -> [FieldError] {
        var errors: [FieldError] = []
        let policies = ["Cluster", "Local"]
        let external = fields.spec["externalTrafficPolicy"]
        if !fields.isExternallyAccessible {
            if !fields.externalTrafficPolicy.isEmpty {
                errors.append(
                    .invalid(
                        "spec.externalTrafficPolicy", external, "may only be set for externally-accessible services"))
            }
        } else if fields.externalTrafficPolicy.isEmpty {
            errors.append(.required("spec.externalTrafficPolicy"))
        } else if !policies.contains(fields.externalTrafficPolicy) {
            errors.append(.notSupported("spec.externalTrafficPolicy", external, policies))
        }
        let port = fields.healthCheckNodePort
        if !fields.needsHealthCheck {
            if port != 0 {
                errors.append(
                    .invalid(
                        "spec.healthCheckNodePort", .int(Int64(port)),
                        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))
            }
        } else if port == 0 {
            errors.append(.required("spec.healthCheckNodePort"))
        } else {
            errors += NameValidation.portNumber(port).map {
                .invalid("spec.healthCheckNodePort", .int(Int64(port)), $0)
            }
        }
        let inner = fields.spec["internalTrafficPolicy"]
        if inner.isNull {
            if fields.usesNodePorts || fields.type == "ClusterIP" {
                errors.append(.required("spec.internalTrafficPolicy"))
            }
        } else if !policies.contains(inner.stringValue) {
            errors.append(.notSupported("spec.internalTrafficPolicy", inner, policies))
        }
        let distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"]
        if let distribution = fields.spec["trafficDistribution"].string, !distributions.contains(distribution) {
            errors.append(.notSupported("spec.trafficDistribution", .string(distribution), distributions))
        }
        return errors
    }
}
