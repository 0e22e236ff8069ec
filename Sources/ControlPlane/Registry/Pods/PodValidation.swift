import KubeAPI

/// What the schema can't say about a pod's spec, in the words of Kubernetes. Serves pods and templates.
enum PodValidation {
    static func spec(_ spec: JSON, _ path: String, isTemplate: Bool = false) -> [FieldError] {
        var errors: [FieldError] = []
        let volumes = volumes(spec["volumes"], "\(path).volumes", &errors)
        let isHostNetwork = spec["hostNetwork"].bool == true
        var names = Set<String>()
        if spec["containers"].items.isEmpty { errors.append(.required("\(path).containers")) }
        for list in ["initContainers", "containers"] {
            for (index, container) in spec[list].items.enumerated() {
                let path = "\(path).\(list)[\(index)]"
                let name = container["name"].stringValue
                if !name.isEmpty, !names.insert(name).inserted {
                    errors.append(.duplicate("\(path).name", .string(name)))
                }
                ContainerValidation.container(container, path, volumes: volumes, isHostNetwork: isHostNetwork, &errors)
            }
        }
        if isTemplate, !spec["ephemeralContainers"].items.isEmpty {
            errors.append(
                .forbidden("\(path).ephemeralContainers", "ephemeral containers not allowed in pod template"))
        } else {
            EphemeralContainers.validate(spec, "\(path).ephemeralContainers", names, volumes: volumes, &errors)
        }
        enumeration(spec["restartPolicy"], "\(path).restartPolicy", ["Always", "OnFailure", "Never"], &errors)
        enumeration(
            spec["dnsPolicy"], "\(path).dnsPolicy", ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
            &errors)
        if let seconds = spec["terminationGracePeriodSeconds"].int, seconds < 0 {
            errors.append(
                .invalid(
                    "\(path).terminationGracePeriodSeconds", spec["terminationGracePeriodSeconds"],
                    "must be greater than or equal to 0"))
        }
        if let seconds = spec["activeDeadlineSeconds"].int, !(1...2_147_483_647).contains(seconds) {
            errors.append(
                .invalid(
                    "\(path).activeDeadlineSeconds", spec["activeDeadlineSeconds"],
                    "must be between 1 and 2147483647, inclusive"))
        }
        for name in ["hostname", "subdomain"] {
            if let text = spec[name].string, !text.isEmpty {
                errors += NameValidation.dns1123Label(text).map { .invalid("\(path).\(name)", .string(text), $0) }
            }
        }
        for name in ["serviceAccountName", "nodeName", "priorityClassName"] {
            if let text = spec[name].string, !text.isEmpty {
                errors += NameValidation.dns1123Subdomain(text).map { .invalid("\(path).\(name)", .string(text), $0) }
            }
        }
        errors += MetadataRules.labels(spec["nodeSelector"], "\(path).nodeSelector")
        tolerations(spec["tolerations"], "\(path).tolerations", &errors)
        dns(spec, path, &errors)
        aliases(spec["hostAliases"], "\(path).hostAliases", &errors)
        if spec["hostPID"].bool == true && spec["shareProcessNamespace"].bool == true {
            errors.append(
                .invalid(
                    "\(path).shareProcessNamespace", true, "ShareProcessNamespace and HostPID cannot both be enabled"))
        }
        return errors
    }

    static func enumeration(_ value: JSON, _ path: String, _ supported: [String], _ errors: inout [FieldError]) {
        guard let text = value.string else { return }
        if !supported.contains(text) { errors.append(.notSupported(path, value, supported.sorted())) }
    }

    // MARK: - Volumes

    private static func volumes(_ volumes: JSON, _ path: String, _ errors: inout [FieldError]) -> Set<String> {
        var names = Set<String>()
        for (index, volume) in volumes.items.enumerated() {
            let path = "\(path)[\(index)]"
            let name = volume["name"].stringValue
            if name.isEmpty {
                errors.append(.required("\(path).name"))
            } else {
                errors += NameValidation.dns1123Label(name).map { .invalid("\(path).name", .string(name), $0) }
                if !names.insert(name).inserted { errors.append(.duplicate("\(path).name", .string(name))) }
            }
            let sources = volume.object?.names.filter { $0 != "name" } ?? []
            for extra in sources.dropFirst() {
                errors.append(.forbidden("\(path).\(extra)", "may not specify more than 1 volume type"))
            }
            if sources.isEmpty { errors.append(.required(path, "must specify a volume type")) }
            if volume["hostPath"].isObject { hostPath(volume["hostPath"], "\(path).hostPath", &errors) }
            if volume["configMap"].isObject, volume["configMap"]["name"].stringValue.isEmpty {
                errors.append(.required("\(path).configMap.name"))
            }
            if volume["secret"].isObject, volume["secret"]["secretName"].stringValue.isEmpty {
                errors.append(.required("\(path).secret.secretName"))
            }
            for source in ["configMap", "secret"] {
                keysToPaths(volume[source]["items"], "\(path).\(source).items", &errors)
                fileMode(volume[source]["defaultMode"], "\(path).\(source).defaultMode", &errors)
            }
            if let limit = volume["emptyDir"]["sizeLimit"].string, Quantity(limit).map({ $0.sign < 0 }) ?? true {
                errors.append(
                    .forbidden("\(path).emptyDir.sizeLimit", "SizeLimit field must be a valid resource quantity"))
            }
        }
        return names
    }

    private static func hostPath(_ source: JSON, _ path: String, _ errors: inout [FieldError]) {
        let target = source["path"].stringValue
        if target.isEmpty { errors.append(.required("\(path).path")) }
        if target.split(separator: "/").contains("..") {
            errors.append(.invalid("\(path).path", .string(target), "must not contain '..'"))
        }
        enumeration(
            source["type"], "\(path).type",
            ["", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"],
            &errors)
    }

    private static func keysToPaths(_ items: JSON, _ path: String, _ errors: inout [FieldError]) {
        for (index, item) in items.items.enumerated() {
            if item["key"].stringValue.isEmpty { errors.append(.required("\(path)[\(index)].key")) }
            let target = item["path"].stringValue
            if target.isEmpty {
                errors.append(.required("\(path)[\(index)].path"))
            } else if target.hasPrefix("/") {
                errors.append(.invalid("\(path)[\(index)].path", .string(target), "must be a relative path"))
            } else if target.split(separator: "/").contains("..") {
                errors.append(.invalid("\(path)[\(index)].path", .string(target), "must not contain '..'"))
            }
            fileMode(item["mode"], "\(path)[\(index)].mode", &errors)
        }
    }

    private static func fileMode(_ mode: JSON, _ path: String, _ errors: inout [FieldError]) {
        if let value = mode.int, !(0...0o777).contains(value) {
            errors.append(.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive"))
        }
    }

    // MARK: - Scheduling, names

    private static func tolerations(_ tolerations: JSON, _ path: String, _ errors: inout [FieldError]) {
        for (index, toleration) in tolerations.items.enumerated() {
            let path = "\(path)[\(index)]"
            let key = toleration["key"].stringValue
            let op = toleration["operator"].stringValue
            if !key.isEmpty {
                errors += NameValidation.qualifiedName(key).map { .invalid("\(path).key", .string(key), $0) }
            } else if op != "Exists" {
                errors.append(
                    .invalid(
                        "\(path).operator", .string(op),
                        "operator must be Exists when `key` is empty, which means \"match all values and all keys\""))
            }
            switch op {
            case "", "Equal":
                let value = toleration["value"].stringValue
                errors += NameValidation.labelValue(value).map { .invalid("\(path).operator", .string(value), $0) }
            case "Exists":
                if !toleration["value"].stringValue.isEmpty {
                    errors.append(
                        .invalid("\(path).operator", toleration, "value must be empty when `operator` is 'Exists'"))
                }
            default:
                errors.append(.notSupported("\(path).operator", .string(op), ["Equal", "Exists"]))
            }
            let effect = toleration["effect"].stringValue
            if !effect.isEmpty {
                enumeration(
                    toleration["effect"], "\(path).effect", ["NoSchedule", "PreferNoSchedule", "NoExecute"], &errors)
            }
            if toleration["tolerationSeconds"].int != nil && effect != "NoExecute" {
                errors.append(
                    .invalid(
                        "\(path).effect", .string(effect), "effect must be 'NoExecute' when `tolerationSeconds` is set")
                )
            }
        }
    }

    private static func dns(_ spec: JSON, _ path: String, _ errors: inout [FieldError]) {
        let servers = spec["dnsConfig"]["nameservers"].items
        if spec["dnsPolicy"].string == "None" && servers.isEmpty {
            errors.append(
                .required(
                    spec["dnsConfig"].isNull ? "\(path).dnsConfig" : "\(path).dnsConfig.nameservers",
                    "must provide at least one DNS nameserver when `dnsPolicy` is None"))
        }
        for (index, server) in servers.enumerated() where IPAddress(server.stringValue) == nil {
            errors.append(
                .invalid(
                    "\(path).dnsConfig.nameservers[\(index)]", server,
                    "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"))
        }
    }

    private static func aliases(_ aliases: JSON, _ path: String, _ errors: inout [FieldError]) {
        for (index, alias) in aliases.items.enumerated() {
            if IPAddress(alias["ip"].stringValue) == nil {
                errors.append(
                    .invalid(
                        "\(path)[\(index)].ip", alias["ip"],
                        "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"))
            }
            for (position, name) in alias["hostnames"].items.enumerated() {
                errors += NameValidation.dns1123Subdomain(name.stringValue).map {
                    .invalid("\(path)[\(index)].hostnames[\(position)]", name, $0)
                }
            }
        }
    }
}
