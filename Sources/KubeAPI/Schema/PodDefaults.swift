/// Defaults of pods. Templates get those of `spec` alone: what follows from other fields is filled in when a pod is
/// made of them.
enum PodDefaults {
    static let pod: SchemaDefaults.Rule = { pod in
        guard pod["spec"].isObject else { return }
        if pod["spec"]["enableServiceLinks"].isNull { pod["spec"]["enableServiceLinks"] = true }
        let isHostNetwork = pod["spec"]["hostNetwork"].bool == true
        for list in ["initContainers", "containers"] {
            for index in pod["spec"][list].items.indices {
                requestLimits(&pod["spec"][list][index])
                if isHostNetwork { publishPorts(&pod["spec"][list][index]) }
            }
        }
    }

    static let spec: SchemaDefaults.Rule = { spec in
        spec.setDefault("restartPolicy", "Always")
        spec.setDefault("terminationGracePeriodSeconds", 30)
        spec.setDefault("dnsPolicy", "ClusterFirst")
        spec.setDefault("securityContext", .emptyObject)
        spec.setDefault("schedulerName", "default-scheduler")
        // The second name is the older one; both are written.
        if !spec["serviceAccountName"].isUnset {
            spec["serviceAccount"] = spec["serviceAccountName"]
        } else if !spec["serviceAccount"].isUnset {
            spec["serviceAccountName"] = spec["serviceAccount"]
        }
    }

    /// What is limited is asked for, unless the container says otherwise.
    private static func requestLimits(_ container: inout JSON) {
        guard let limits = container["resources"]["limits"].object else { return }
        for (name, limit) in limits where container["resources"]["requests"][name].isNull {
            container["resources"]["requests"][name] = limit
        }
    }

    /// On the host's network a container's port is the host's port.
    private static func publishPorts(_ container: inout JSON) {
        for index in container["ports"].items.indices where (container["ports"][index]["hostPort"].int ?? 0) == 0 {
            container["ports"][index]["hostPort"] = container["ports"][index]["containerPort"]
        }
    }

    /// `Always` for the tag `latest`, named or implied; else `IfNotPresent`.
    static func pullPolicy(image: String) -> String {
        guard !image.isEmpty else { return "IfNotPresent" }
        let parts = image.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts[0].split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        guard let colon = path.lastIndex(of: ":") else { return parts.count > 1 ? "IfNotPresent" : "Always" }
        return path[path.index(after: colon)...] == "latest" ? "Always" : "IfNotPresent"
    }
}
