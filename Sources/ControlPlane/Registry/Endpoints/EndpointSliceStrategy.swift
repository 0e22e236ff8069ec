import KubeAPI

/// EndpointSlices: addresses of one type, which can't change.
struct EndpointSliceStrategy: Strategy {
    static let maxEndpoints = 1000
    static let maxAddresses = 100
    static let maxPorts = 20_000
    static let maxHints = 8
    private static let types = ["FQDN", "IPv4", "IPv6"]

    var tracksGeneration: Bool { true }

    func validate(_ object: JSON) -> [FieldError] {
        let type = object["addressType"].stringValue
        var errors: [FieldError] = []
        if type.isEmpty {
            errors.append(.required("addressType"))
        } else if !Self.types.contains(type) {
            errors.append(.notSupported("addressType", .string(type), Self.types))
        }
        return errors + endpoints(object["endpoints"].items, type) + ports(object["ports"].items)
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        object["addressType"] == old["addressType"] ? [] : [.immutable("addressType", object["addressType"])]
    }

    private func endpoints(_ endpoints: [JSON], _ type: String) -> [FieldError] {
        guard endpoints.count <= Self.maxEndpoints else {
            return [.tooMany("endpoints", endpoints.count, limit: Self.maxEndpoints)]
        }
        var errors: [FieldError] = []
        for (index, endpoint) in endpoints.enumerated() {
            let path = "endpoints[\(index)]"
            let addresses = endpoint["addresses"].items.map(\.stringValue)
            if addresses.isEmpty {
                errors.append(.required("\(path).addresses", "must contain at least 1 address"))
            } else if addresses.count > Self.maxAddresses {
                errors.append(.tooMany("\(path).addresses", addresses.count, limit: Self.maxAddresses))
            }
            for (position, address) in addresses.enumerated() {
                errors += self.address(address, type, "\(path).addresses[\(position)]")
            }
            if let name = endpoint["nodeName"].string {
                errors += NameValidation.dns1123Subdomain(name).map { .invalid("\(path).nodeName", .string(name), $0) }
            }
            if let name = endpoint["hostname"].string {
                errors += NameValidation.dns1123Label(name).map { .invalid("\(path).hostname", .string(name), $0) }
            }
            let zones = endpoint["hints"]["forZones"].items
            if zones.count > Self.maxHints {
                errors.append(.tooMany("\(path).hints", zones.count, limit: Self.maxHints))
            }
        }
        return errors
    }

    private func address(_ text: String, _ type: String, _ path: String) -> [FieldError] {
        switch type {
        case "IPv4", "IPv6":
            guard let address = IPAddress(text), address.isIPv4 == (type == "IPv4") else {
                return [.invalid(path, .string(text), "must be a valid \(type) address")]
            }
            return AddressRules.nonSpecial(text, path)
        case "FQDN":
            var name = text
            if name.hasSuffix(".") { name.removeLast() }
            if name.isEmpty { return [.required(path)] }
            let failures = NameValidation.dns1123Subdomain(name)
            if failures.isEmpty, !name.contains(".") {
                return [
                    .invalid(path, .string(text), "should be a domain with at least two segments separated by dots")
                ]
            }
            return failures.map { .invalid(path, .string(text), $0) }
        default:
            return []
        }
    }

    private func ports(_ ports: [JSON]) -> [FieldError] {
        guard ports.count <= Self.maxPorts else { return [.tooMany("ports", ports.count, limit: Self.maxPorts)] }
        var errors: [FieldError] = []
        var names: Set<String> = []
        for (index, port) in ports.enumerated() {
            let path = "ports[\(index)]"
            let name = port["name"].stringValue
            if !name.isEmpty {
                errors += NameValidation.dns1123Label(name).map { .invalid("\(path).name", .string(name), $0) }
            }
            if !names.insert(name).inserted { errors.append(.duplicate("\(path).name", .string(name))) }
            errors += EndpointPortRules.protocols(port, path)
        }
        return errors
    }
}
