import KubeAPI

/// What a pod's sandbox is to be, after the pod's spec.
enum SandboxSpecMaker {
    /// Kernel settings of the pod's own namespaces that can't harm others (kubernetes pkg/kubelet/sysctl).
    static let safeSysctls: Set<String> = [
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    ]

    /// - Parameters:
    ///   - nodeHostname: pods on the node's network have the node's name.
    ///   - pidsLimit: processes and threads that the pod may have.
    static func make(pod: Pod, nodeHostname: String, startTime: Timestamp, number: Int, pidsLimit: Int? = nil)
        -> SandboxSpec
    {
        var sysctls: [String: String] = [:]
        for item in pod.spec["securityContext"]["sysctls"].items {
            // Both spellings are valid: net/ipv4/x and net.ipv4.x.
            let name = String(item["name"].stringValue.map { $0 == "/" ? "." : $0 })
            sysctls[name] = item["value"].stringValue
        }
        var resources = PodResources.limits(of: pod)
        resources.pidsLimit = pidsLimit
        return SandboxSpec(
            podUID: pod.uid, namespace: pod.namespace, name: pod.name,
            hostname: pod.hostNetwork ? nodeHostname : hostname(of: pod), hostNetwork: pod.hostNetwork,
            hostPID: pod.hostPID, hostIPC: pod.hostIPC, shareProcessNamespace: pod.shareProcessNamespace, qos: pod.qos,
            sysctls: sysctls, resources: resources,
            annotation: [
                "pod": record(of: pod), "startTime": .string(startTime.nano), "sandboxNumber": .int(Int64(number)),
            ])
    }

    /// `setHostnameAsFQDN` takes effect with the cluster's DNS only; without one the short name is the full one.
    private static func hostname(of pod: Pod) -> String { String(pod.hostname.prefix(64)) }

    /// The pod as it is kept: so much that it can be looked after without the API.
    private static func record(of pod: Pod) -> JSON {
        var json = pod.json
        json["metadata"]["managedFields"] = .null
        // What the API was told is told again.
        json["status"] = ["qosClass": .string(pod.qosClass)]
        return json
    }
}
