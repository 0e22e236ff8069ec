extension Schema {
    /// Fills in what clients may leave out: the facts' defaults and those of `SchemaDefaults`. Idempotent.
    public func applyDefaults(_ value: inout JSON) {
        guard value.isObject else { return }
        for field in fields {
            let member = value[field.name]
            if member.isNull {
                // `default` of a field that is not omitted when empty stands for Go's zero value.
                if !field.defaultValue.isNull, field.shape == .single { value[field.name] = field.defaultValue }
            }
        }
        SchemaDefaults.byType[typeName]?(&value)
        guard case .object(let object) = value else { return }
        for (name, member) in object {
            guard let field = field(name), let schema = schema(of: field) else { continue }
            switch field.shape {
            case .single where member.isObject:
                guard schema.hasDefaults else { continue }
                schema.applyDefaults(&value[name])
            case .list:
                guard schema.hasDefaults, case .array(var elements) = member else { continue }
                value[name] = .null
                for index in elements.indices { schema.applyDefaults(&elements[index]) }
                value[name] = .array(elements)
            default:
                continue
            }
        }
    }

    /// Whether anything in or below the type has a default, so that defaulting skips the rest.
    var hasDefaults: Bool { SchemaDefaults.typesWithDefaults.contains(typeName) }
}

/// The defaults of Kubernetes' types that their tags don't hold (`SetDefaults_…`).
enum SchemaDefaults {
    typealias Rule = @Sendable (inout JSON) -> Void

    private static func setting(_ pairs: KeyValuePairs<String, JSON>) -> Rule {
        let pairs = pairs.map { ($0.key, $0.value) }
        return { value in
            for (key, fallback) in pairs where value[key].isNull { value[key] = fallback }
        }
    }

    static let byType: [String: Rule] = [
        "core/v1.PodSpec": podSpec,
        "core/v1.Container": container,
        "core/v1.ContainerPort": setting(["protocol": "TCP"]),
        "core/v1.Probe": setting([
            "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
        ]),
        "core/v1.HTTPGetAction": setting(["path": "/", "scheme": "HTTP"]),
        "core/v1.ObjectFieldSelector": setting(["apiVersion": "v1"]),
        "core/v1.Volume": volume,
        "core/v1.ConfigMapVolumeSource": setting(["defaultMode": 420]),
        "core/v1.SecretVolumeSource": setting(["defaultMode": 420]),
        "core/v1.ProjectedVolumeSource": setting(["defaultMode": 420]),
        "core/v1.DownwardAPIVolumeSource": setting(["defaultMode": 420]),
        "core/v1.ServiceAccountTokenProjection": setting(["expirationSeconds": 3600]),
        "core/v1.HostPathVolumeSource": { if $0["type"].isNull { $0["type"] = "" } },
        "core/v1.ServiceSpec": serviceSpec,
        "core/v1.ReplicationControllerSpec": setting(["replicas": 1]),
        "core/v1.ReplicationController": replicationController,
        "core/v1.EndpointPort": setting(["protocol": "TCP"]),
        "discovery/v1.EndpointPort": setting(["name": "", "protocol": "TCP"]),
        "core/v1.Secret": setting(["type": "Opaque"]),
        "core/v1.Namespace": namespace,
        "core/v1.NodeSpec": { _ in },
    ]

    /// Types with a rule or a default of their own, and all types that hold one of those.
    static let typesWithDefaults: Set<String> = {
        let table = SchemaTable.shared
        var found = Set(byType.keys)
        for name in table.typeNames where table[name]?.fields.contains(where: { !$0.defaultValue.isNull }) == true {
            found.insert(name)
        }
        var isGrowing = true
        while isGrowing {
            isGrowing = false
            for name in table.typeNames where !found.contains(name) {
                let holds = table[name]?.fields.contains { field in
                    if case .object(let inner) = field.form { return found.contains(inner) }
                    return false
                }
                if holds == true {
                    found.insert(name)
                    isGrowing = true
                }
            }
        }
        return found
    }()

    private static let podSpec: Rule = { spec in
        if spec["restartPolicy"].isNull { spec["restartPolicy"] = "Always" }
        if spec["terminationGracePeriodSeconds"].isNull { spec["terminationGracePeriodSeconds"] = 30 }
        if spec["dnsPolicy"].isNull { spec["dnsPolicy"] = "ClusterFirst" }
        if spec["securityContext"].isNull { spec["securityContext"] = .emptyObject }
        if spec["schedulerName"].isNull { spec["schedulerName"] = "default-scheduler" }
        if spec["enableServiceLinks"].isNull { spec["enableServiceLinks"] = true }
        // On the host's network a container's port is the host's port.
        guard spec["hostNetwork"].bool == true else { return }
        for list in ["containers", "initContainers"] {
            for (index, container) in spec[list].items.enumerated() {
                for (position, port) in container["ports"].items.enumerated() where (port["hostPort"].int ?? 0) == 0 {
                    spec[list][index]["ports"][position]["hostPort"] = port["containerPort"]
                }
            }
        }
    }

    private static let container: Rule = { container in
        if container["imagePullPolicy"].isNull {
            container["imagePullPolicy"] = .string(pullPolicy(image: container["image"].stringValue))
        }
        if container["terminationMessagePath"].isNull { container["terminationMessagePath"] = "/dev/termination-log" }
        if container["terminationMessagePolicy"].isNull { container["terminationMessagePolicy"] = "File" }
        if container["resources"].isNull { container["resources"] = .emptyObject }
        // What is limited is asked for, unless the container says otherwise.
        for (name, limit) in container["resources"]["limits"].object ?? JSONObject()
        where container["resources"]["requests"][name].isNull {
            container["resources"]["requests"][name] = limit
        }
    }

    /// `Always` for the tag `latest`, named or implied; else `IfNotPresent`.
    static func pullPolicy(image: String) -> String {
        if image.contains("@") { return "IfNotPresent" }
        let last = image.split(separator: "/").last ?? ""
        let tag = last.split(separator: ":").dropFirst().last ?? "latest"
        return tag == "latest" ? "Always" : "IfNotPresent"
    }

    private static let volume: Rule = { volume in
        // A volume without a source is an emptyDir.
        if (volume.object?.count ?? 0) <= 1, !volume["name"].isNull { volume["emptyDir"] = .emptyObject }
    }

    private static let serviceSpec: Rule = { spec in
        if spec["type"].isNull { spec["type"] = "ClusterIP" }
        if spec["sessionAffinity"].isNull { spec["sessionAffinity"] = "None" }
        if spec["sessionAffinity"].string == "ClientIP", spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].isNull {
            spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] = 10800
        }
        let type = spec["type"].stringValue
        if type != "ExternalName", spec["internalTrafficPolicy"].isNull { spec["internalTrafficPolicy"] = "Cluster" }
        if type == "NodePort" || type == "LoadBalancer", spec["externalTrafficPolicy"].isNull {
            spec["externalTrafficPolicy"] = "Cluster"
        }
        if type == "LoadBalancer", spec["allocateLoadBalancerNodePorts"].isNull {
            spec["allocateLoadBalancerNodePorts"] = true
        }
        for (index, port) in spec["ports"].items.enumerated() {
            if port["protocol"].isNull { spec["ports"][index]["protocol"] = "TCP" }
            let target = port["targetPort"]
            if target.isNull || target.int == 0 || target.string == "" {
                spec["ports"][index]["targetPort"] = port["port"]
            }
        }
    }

    private static let replicationController: Rule = { controller in
        let labels = controller["spec"]["template"]["metadata"]["labels"]
        guard labels.isObject else { return }
        if controller["spec"]["selector"].object?.isEmpty ?? true { controller["spec"]["selector"] = labels }
        if controller["metadata"]["labels"].object?.isEmpty ?? true { controller["metadata"]["labels"] = labels }
    }

    private static let namespace: Rule = { namespace in
        // The label lets selectors find a namespace by its name.
        if !namespace.name.isEmpty {
            namespace["metadata"]["labels"]["kubernetes.io/metadata.name"] = .string(namespace.name)
        }
    }
}
