import KubeAPI

/// Endpoints: subsets of addresses with their ports.
struct EndpointsStrategy: Strategy {
    static let lastChange = "endpoints.kubernetes.io/last-change-trigger-time"
    var allowsCreateOnUpdate: Bool { true }

    func validate(_ object: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        if let text = object.annotations[Self.lastChange], !text.isEmpty, Timestamp(rfc3339: text) == nil {
            errors.append(
                .invalid(
                    "annotations[\(Self.lastChange)]", .string(text),
                    "must be a valid timestamp in RFC 3339 format"))
        }
        for (index, subset) in object["subsets"].items.enumerated() {
            errors += self.subset(subset, "subsets[\(index)]")
        }
        return errors
    }

    private func subset(_ subset: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        if subset["addresses"].items.isEmpty, subset["notReadyAddresses"].items.isEmpty {
            errors.append(.required(path, "must specify `addresses` or `notReadyAddresses`"))
        }
        for list in ["addresses", "notReadyAddresses"] {
            for (index, address) in subset[list].items.enumerated() {
                errors += self.address(address, "\(path).\(list)[\(index)]")
            }
        }
        let ports = subset["ports"].items
        for (index, port) in ports.enumerated() {
            errors += self.port(port, "\(path).ports[\(index)]", needsName: ports.count > 1)
        }
        return errors
    }

    private func address(_ address: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        // One that is missing is the schema's.
        if let ip = address["ip"].string, !ip.isEmpty { errors += AddressRules.nonSpecial(ip, "\(path).ip") }
        if let name = address["hostname"].string, !name.isEmpty {
            errors += NameValidation.dns1123Label(name).map { .invalid("\(path).hostname", .string(name), $0) }
        }
        if let name = address["nodeName"].string {
            errors += NameValidation.dns1123Subdomain(name).map { .invalid("\(path).nodeName", .string(name), $0) }
        }
        return errors
    }

    private func port(_ port: JSON, _ path: String, needsName: Bool) -> [FieldError] {
        var errors: [FieldError] = []
        let name = port["name"].stringValue
        if !name.isEmpty {
            errors += NameValidation.dns1123Label(name).map { .invalid("\(path).name", .string(name), $0) }
        } else if needsName {
            errors.append(.required("\(path).name"))
        }
        if let number = port["port"].int, number != 0 {
            errors += ServicePortValidation.number(number, "\(path).port")
        }
        return errors + EndpointPortRules.protocols(port, path)
    }
}

/// What both kinds of endpoints ask of a port.
enum EndpointPortRules {
    static func protocols(_ port: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        let proto = port["protocol"]
        if proto.stringValue.isEmpty {
            errors.append(.required("\(path).protocol"))
        } else if !ServicePortValidation.protocols.contains(proto.stringValue) {
            errors.append(.notSupported("\(path).protocol", proto, ServicePortValidation.protocols))
        }
        if let name = port["appProtocol"].string {
            errors += NameValidation.qualifiedName(name).map { .invalid("\(path).appProtocol", .string(name), $0) }
        }
        return errors
    }
}
