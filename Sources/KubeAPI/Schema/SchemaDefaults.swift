/// The defaults that the types' tags don't hold: what Kubernetes' `SetDefaults_…` functions do, by type. A rule runs
/// before those of the types inside.
enum SchemaDefaults {
    typealias Rule = @Sendable (inout JSON) -> Void

    static let byType: [String: Rule] = [
        "apps/v1.DaemonSet": WorkloadDefaults.daemonSet,
        "apps/v1.Deployment": WorkloadDefaults.deployment,
        "apps/v1.ReplicaSet": WorkloadDefaults.replicaSet,
        "authentication/v1.TokenRequestSpec": setting(["expirationSeconds": 3600]),
        "batch/v1.Job": WorkloadDefaults.job,
        "batch/v1.PodFailurePolicyOnPodConditionsPattern": WorkloadDefaults.failureCondition,
        "core/v1.Container": container,
        "core/v1.EphemeralContainer": container,
        "core/v1.ConfigMapVolumeSource": setting(["defaultMode": 420]),
        "core/v1.DownwardAPIVolumeSource": setting(["defaultMode": 420]),
        "core/v1.Endpoints": endpoints,
        "core/v1.HTTPGetAction": setting(["path": "/", "scheme": "HTTP"]),
        "core/v1.HostPathVolumeSource": { if $0["type"].isNull { $0["type"] = "" } },
        "core/v1.Namespace": namespace,
        "core/v1.NodeStatus": nodeStatus,
        "core/v1.ObjectFieldSelector": setting(["apiVersion": "v1"]),
        "core/v1.PersistentVolumeClaimSpec": setting(["volumeMode": "Filesystem"]),
        "core/v1.Pod": PodDefaults.pod,
        "core/v1.PodSpec": PodDefaults.spec,
        "core/v1.Probe": probe,
        "core/v1.ProjectedVolumeSource": setting(["defaultMode": 420]),
        "core/v1.ReplicationController": replicationController,
        "core/v1.Secret": setting(["type": "Opaque"]),
        "core/v1.SecretVolumeSource": setting(["defaultMode": 420]),
        "core/v1.Service": service,
        "core/v1.ServiceAccountTokenProjection": setting(["expirationSeconds": 3600]),
        "core/v1.Volume": volume,
        "discovery/v1.EndpointPort": endpointPort,
        "rbac/v1.ClusterRoleBinding": BuiltinAccess.bindingDefaults,
        "rbac/v1.RoleBinding": BuiltinAccess.bindingDefaults,
    ]

    private static func setting(_ pairs: KeyValuePairs<String, JSON>) -> Rule {
        let pairs = pairs.map { ($0.key, $0.value) }
        return { value in
            for (name, fallback) in pairs { value.setDefault(name, fallback) }
        }
    }

    // MARK: containers and volumes

    private static let container: Rule = { container in
        container.setDefault("imagePullPolicy", .string(PodDefaults.pullPolicy(image: container["image"].stringValue)))
        container.setDefault("terminationMessagePath", "/dev/termination-log")
        container.setDefault("terminationMessagePolicy", "File")
        // Not a pointer in Go: always written.
        container.setDefault("resources", .emptyObject)
    }

    private static let probe: Rule = { probe in
        // Zero counts as left out here.
        for (name, fallback): (String, Int64) in [
            ("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3),
        ] where (probe[name].int ?? 0) == 0 {
            probe[name] = .int(fallback)
        }
    }

    private static let volume: Rule = { volume in
        // A volume without a source is an emptyDir.
        let hasSource = volume.object?.contains { $0.key != "name" && !$0.value.isNull } ?? true
        if !hasSource { volume["emptyDir"] = .emptyObject }
    }

    // MARK: services and their endpoints

    private static let service: Rule = { service in
        service.setDefault("spec", .emptyObject)
        var spec = service["spec"]
        guard spec.isObject else { return }
        service["spec"] = .null
        spec.setDefault("sessionAffinity", "None")
        if spec["sessionAffinity"].string == "None" {
            spec["sessionAffinityConfig"] = .null
        } else if spec["sessionAffinity"].string == "ClientIP",
            spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].isNull
        {
            spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] = 10800
        }
        spec.setDefault("type", "ClusterIP")
        for index in spec["ports"].items.indices {
            spec["ports"][index].setDefault("protocol", "TCP")
            let target = spec["ports"][index]["targetPort"]
            if target.isUnset || target.int == 0 { spec["ports"][index]["targetPort"] = spec["ports"][index]["port"] }
        }
        let type = spec["type"].stringValue
        let hasVirtualAddress = type == "ClusterIP" || type == "NodePort" || type == "LoadBalancer"
        if hasVirtualAddress { spec.setDefault("internalTrafficPolicy", "Cluster") }
        if hasVirtualAddress, type != "ClusterIP" || !spec["externalIPs"].items.isEmpty {
            spec.setDefault("externalTrafficPolicy", "Cluster")
        }
        if type == "LoadBalancer" { spec.setDefault("allocateLoadBalancerNodePorts", true) }
        service["spec"] = spec
        service["status"].setDefault("loadBalancer", .emptyObject)
        for (index, ingress) in service["status"]["loadBalancer"]["ingress"].items.enumerated()
        where !ingress["ip"].isUnset {
            service["status"]["loadBalancer"]["ingress"][index].setDefault("ipMode", "VIP")
        }
    }

    private static let endpoints: Rule = { endpoints in
        for subset in endpoints["subsets"].items.indices {
            for port in endpoints["subsets"][subset]["ports"].items.indices {
                endpoints["subsets"][subset]["ports"][port].setDefault("protocol", "TCP")
            }
        }
    }

    private static let endpointPort: Rule = { port in
        // Both are pointers: an empty name is a name.
        if port["name"].isNull { port["name"] = "" }
        if port["protocol"].isNull { port["protocol"] = "TCP" }
    }

    // MARK: other kinds

    private static let replicationController: Rule = { controller in
        controller.setDefault("spec", .emptyObject)
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
        namespace.setDefault("spec", .emptyObject)
        namespace["status"].setDefault("phase", "Active")
    }

    private static let nodeStatus: Rule = { status in
        if status["allocatable"].isNull, status["capacity"].isObject { status["allocatable"] = status["capacity"] }
    }
}
