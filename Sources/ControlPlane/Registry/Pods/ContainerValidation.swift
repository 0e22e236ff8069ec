import KubeAPI

/// What the schema can't say about one container, in the words of Kubernetes.
enum ContainerValidation {
    static func container(
        _ container: JSON, _ path: String, volumes: Set<String>, isHostNetwork: Bool, _ errors: inout [FieldError]
    ) {
        let name = container["name"].stringValue
        if name.isEmpty {
            errors.append(.required("\(path).name"))
        } else {
            errors += NameValidation.dns1123Label(name).map { .invalid("\(path).name", .string(name), $0) }
        }
        let image = container["image"].stringValue
        if image.isEmpty {
            errors.append(.required("\(path).image"))
        } else if image.first?.isWhitespace == true || image.last?.isWhitespace == true {
            errors.append(
                .invalid("\(path).image", .string(image), "must not have leading or trailing whitespace"))
        }
        PodValidation.enumeration(
            container["terminationMessagePolicy"], "\(path).terminationMessagePolicy",
            ["File", "FallbackToLogsOnError"],
            &errors)
        PodValidation.enumeration(
            container["imagePullPolicy"], "\(path).imagePullPolicy", ["Always", "IfNotPresent", "Never"], &errors)
        ports(container["ports"], "\(path).ports", isHostNetwork, &errors)
        environment(container["env"], "\(path).env", &errors)
        mounts(container["volumeMounts"], "\(path).volumeMounts", volumes, &errors)
        resources(container["resources"], "\(path).resources", &errors)
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] where container[probe].isObject {
            handler(container[probe], "\(path).\(probe)", &errors)
            for count in [
                "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold",
            ] {
                if let value = container[probe][count].int, value < 0 {
                    errors.append(
                        .invalid(
                            "\(path).\(probe).\(count)", container[probe][count], "must be greater than or equal to 0"))
                }
            }
            if probe != "readinessProbe", let successes = container[probe]["successThreshold"].int, successes != 1 {
                errors.append(
                    .invalid("\(path).\(probe).successThreshold", container[probe]["successThreshold"], "must be 1"))
            }
        }
        let grace = container["readinessProbe"]["terminationGracePeriodSeconds"]
        if !grace.isNull {
            errors.append(
                .invalid(
                    "\(path).readinessProbe.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes"
                ))
        }
        for hook in ["postStart", "preStop"] where container["lifecycle"][hook].isObject {
            handler(container["lifecycle"][hook], "\(path).lifecycle.\(hook)", &errors)
        }
        let security = container["securityContext"]
        if security["privileged"].bool == true && security["allowPrivilegeEscalation"].bool == false {
            errors.append(
                .invalid(
                    "\(path).securityContext", security,
                    "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"))
        }
        for field in ["runAsUser", "runAsGroup"] {
            if let id = security[field].int, !(0...2_147_483_647).contains(id) {
                errors.append(
                    .invalid(
                        "\(path).securityContext.\(field)", security[field],
                        "must be between 0 and 2147483647, inclusive"))
            }
        }
    }

    private static func ports(_ ports: JSON, _ path: String, _ isHostNetwork: Bool, _ errors: inout [FieldError]) {
        var names = Set<String>()
        var hostPorts = Set<String>()
        for (index, port) in ports.items.enumerated() {
            let path = "\(path)[\(index)]"
            if let name = port["name"].string, !name.isEmpty {
                errors += NameValidation.portName(name).map { .invalid("\(path).name", .string(name), $0) }
                if !names.insert(name).inserted { errors.append(.duplicate("\(path).name", .string(name))) }
            }
            if port["containerPort"].isNull {
                errors.append(.required("\(path).containerPort"))
            } else {
                number(port["containerPort"], "\(path).containerPort", &errors)
            }
            if let hostPort = port["hostPort"].int, hostPort != 0 {
                number(port["hostPort"], "\(path).hostPort", &errors)
                if isHostNetwork && hostPort != port["containerPort"].int {
                    errors.append(
                        .invalid(
                            "\(path).hostPort", port["hostPort"],
                            "must match `containerPort` when `hostNetwork` is true"))
                }
                let key = "\(port["protocol"].stringValue)/\(port["hostIP"].stringValue)/\(hostPort)"
                if !hostPorts.insert(key).inserted { errors.append(.duplicate("\(path).hostPort", .string(key))) }
            }
            if let address = port["hostIP"].string, !address.isEmpty, IPAddress(address) == nil {
                errors.append(
                    .invalid(
                        "\(path).hostIP", .string(address),
                        "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"))
            }
            PodValidation.enumeration(port["protocol"], "\(path).protocol", ["TCP", "UDP", "SCTP"], &errors)
        }
    }

    static func number(_ port: JSON, _ path: String, _ errors: inout [FieldError]) {
        guard let value = port.int else { return }
        if !(1...65535).contains(value) {
            errors.append(.invalid(path, port, "must be between 1 and 65535, inclusive"))
        }
    }

    private static func environment(_ variables: JSON, _ path: String, _ errors: inout [FieldError]) {
        for (index, variable) in variables.items.enumerated() {
            let path = "\(path)[\(index)]"
            let name = variable["name"].stringValue
            if name.isEmpty {
                errors.append(.required("\(path).name"))
            } else {
                errors += NameValidation.environmentName(name).map { .invalid("\(path).name", .string(name), $0) }
            }
            guard variable["valueFrom"].isObject else { continue }
            if !variable["value"].stringValue.isEmpty {
                errors.append(
                    .invalid("\(path).valueFrom", .string(""), "may not be specified when `value` is not empty"))
            }
            let sources = variable["valueFrom"].object?.names ?? []
            if sources.isEmpty {
                errors.append(
                    .invalid(
                        "\(path).valueFrom", .string(""),
                        "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"))
            } else if sources.count > 1 {
                errors.append(
                    .invalid("\(path).valueFrom", .string(""), "may not have more than one field specified at a time"))
            }
            for source in ["configMapKeyRef", "secretKeyRef"] where variable["valueFrom"][source].isObject {
                if variable["valueFrom"][source]["key"].stringValue.isEmpty {
                    errors.append(.required("\(path).valueFrom.\(source).key"))
                }
            }
        }
    }

    private static func mounts(
        _ mounts: JSON, _ path: String, _ volumes: Set<String>, _ errors: inout [FieldError]
    ) {
        var targets = Set<String>()
        for (index, mount) in mounts.items.enumerated() {
            let path = "\(path)[\(index)]"
            let name = mount["name"].stringValue
            if name.isEmpty {
                errors.append(.required("\(path).name"))
            } else if !volumes.contains(name) {
                errors.append(FieldError(.notFound, "\(path).name", "Not found: \"\(name)\""))
            }
            let target = mount["mountPath"].stringValue
            if target.isEmpty { errors.append(.required("\(path).mountPath")) }
            if !targets.insert(target).inserted {
                errors.append(.invalid("\(path).mountPath", .string(target), "must be unique"))
            }
            if let subPath = mount["subPath"].string, !subPath.isEmpty {
                if subPath.hasPrefix("/") {
                    errors.append(.invalid("\(path).subPath", .string(subPath), "must be a relative path"))
                } else if subPath.split(separator: "/").contains("..") {
                    errors.append(.invalid("\(path).subPath", .string(subPath), "must not contain '..'"))
                }
            }
        }
    }

    private static func resources(_ resources: JSON, _ path: String, _ errors: inout [FieldError]) {
        for part in ["limits", "requests"] {
            for (name, value) in resources[part].object ?? JSONObject() {
                guard let quantity = Quantity(value) else {
                    errors.append(.invalid("\(path).\(part)[\(name)]", value, Quantity.formatError))
                    continue
                }
                if quantity.sign < 0 {
                    errors.append(.invalid("\(path).\(part)[\(name)]", value, "must be greater than or equal to 0"))
                }
                if !isKnown(name) {
                    errors.append(
                        .invalid(
                            "\(path).\(part)[\(name)]", .string(name),
                            "must be a standard resource type or fully qualified"))
                }
            }
        }
        for (name, value) in resources["requests"].object ?? JSONObject() {
            guard let request = Quantity(value), let limit = Quantity(resources["limits"][name]), limit < request else {
                continue
            }
            errors.append(
                .invalid(
                    "\(path).requests", .string(request.description),
                    "must be less than or equal to \(name) limit of \(limit)"))
        }
    }

    private static func isKnown(_ name: String) -> Bool {
        ["cpu", "memory", "ephemeral-storage"].contains(name) || name.hasPrefix("hugepages-") || name.contains("/")
    }

    private static func handler(_ handler: JSON, _ path: String, _ errors: inout [FieldError]) {
        let kinds = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"].filter { handler[$0].isObject }
        if kinds.isEmpty { errors.append(.required(path, "must specify a handler type")) }
        for extra in kinds.dropFirst() {
            errors.append(.forbidden("\(path).\(extra)", "may not specify more than 1 handler type"))
        }
        if handler["exec"].isObject, handler["exec"]["command"].items.isEmpty {
            errors.append(.required("\(path).exec.command"))
        }
        for kind in ["httpGet", "tcpSocket"] where handler[kind].isObject {
            if let port = handler[kind]["port"].string {
                errors += NameValidation.portName(port).map { .invalid("\(path).\(kind).port", .string(port), $0) }
            } else {
                if handler[kind]["port"].isNull { errors.append(.required("\(path).\(kind).port")) }
                number(handler[kind]["port"], "\(path).\(kind).port", &errors)
            }
        }
    }
}
