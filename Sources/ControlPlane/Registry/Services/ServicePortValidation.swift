import KubeAPI

/// The ports of a service.
enum ServicePortValidation {
    static let protocols = ["SCTP", "TCP", "UDP"]

    static func ports(_ fields: ServiceFields) -> [FieldError] {
        var errors: [FieldError] = []
        var names: Set<String> = []
        for (index, port) in fields.ports.enumerated() {
            errors += self.port(port, "spec.ports[\(index)]", needsName: fields.ports.count > 1, &names)
        }
        if fields.type == "ClusterIP" {
            for (index, port) in fields.ports.enumerated() where (port["nodePort"].int ?? 0) != 0 {
                errors.append(
                    .forbidden("spec.ports[\(index)].nodePort", "may not be used when `type` is 'ClusterIP'"))
            }
        }
        return errors + duplicates(fields)
    }

    private static func port(
        _ port: JSON, _ path: String, needsName: Bool, _ names: inout Set<String>
    ) -> [FieldError] {
        var errors: [FieldError] = []
        let name = port["name"].stringValue
        if name.isEmpty {
            if needsName { errors.append(.required("\(path).name")) }
        } else {
            errors += NameValidation.dns1123Label(name).map { .invalid("\(path).name", .string(name), $0) }
            if !names.insert(name).inserted { errors.append(.duplicate("\(path).name", .string(name))) }
        }
        // One that is missing is the schema's.
        if let number = port["port"].int, number != 0 { errors += self.number(number, "\(path).port") }
        let proto = port["protocol"].stringValue
        if proto.isEmpty {
            errors.append(.required("\(path).protocol"))
        } else if !protocols.contains(proto) {
            errors.append(.notSupported("\(path).protocol", .string(proto), protocols))
        }
        if let target = port["targetPort"].string {
            errors += NameValidation.portName(target).map { .invalid("\(path).targetPort", .string(target), $0) }
        } else if let target = port["targetPort"].int, target != 0 || port["port"].int != 0 {
            errors += number(target, "\(path).targetPort")
        }
        if let appProtocol = port["appProtocol"].string {
            errors += NameValidation.qualifiedName(appProtocol).map {
                .invalid("\(path).appProtocol", .string(appProtocol), $0)
            }
        }
        return errors
    }

    static func number(_ number: Int, _ path: String) -> [FieldError] {
        NameValidation.portNumber(number).map { .invalid(path, .int(Int64(number)), $0) }
    }

    /// Node ports and ports are unique for each protocol.
    private static func duplicates(_ fields: ServiceFields) -> [FieldError] {
        var errors: [FieldError] = []
        var nodePorts: Set<String> = []
        for (index, port) in fields.ports.enumerated() {
            guard let number = port["nodePort"].int, number != 0 else { continue }
            if !nodePorts.insert("\(port["protocol"].stringValue)/\(number)").inserted {
                errors.append(.duplicate("spec.ports[\(index)].nodePort", port["nodePort"]))
            }
        }
        var ports: Set<String> = []
        for (index, port) in fields.ports.enumerated() {
            let number = port["port"].int ?? 0
            let proto = port["protocol"].stringValue
            guard !ports.insert("\(proto)/\(number)").inserted else { continue }
            // The key as Go prints it.
            errors.append(
                FieldError(
                    .duplicate, "spec.ports[\(index)]",
                    "Duplicate value: core.ServicePort{Name:\"\", Protocol:\"\(proto)\", AppProtocol:(*string)(nil), "
                        + "Port:\(number), TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:\"\"}, NodePort:0}"))
        }
        return errors
    }
}
