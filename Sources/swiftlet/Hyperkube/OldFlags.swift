import KubeAPI

/// The flags of the original's components, as their command lines of 2015 had them.
enum OldFlags {
    static let components: [String: [String: OldFlag]] = [
        "apiserver": common.merging(apiserver) { $1 }, "controller-manager": common.merging(controllers) { $1 },
        "scheduler": common.merging(scheduler) { $1 }, "kubelet": common.merging(kubelet) { $1 },
        "proxy": common.merging(proxy) { $1 },
    ]

    private static func merged(_ parts: [String: OldFlag]...) -> [String: OldFlag] {
        parts.reduce(into: [:]) { all, part in all.merge(part) { $1 } }
    }

    // MARK: values

    /// The original took an address of the range; we the range.
    private static let range: @Sendable (String) -> String? = { CIDR($0)?.description }

    /// `127.0.0.1:8080`, `http://127.0.0.1:8080`; of several servers the first.
    private static let master: @Sendable (String) -> String? = { text in
        guard let first = text.split(separator: ",").first.map(String.init) else { return nil }
        return first.contains("://") ? first : "http://" + first
    }

    /// Verbosity to the least level that is logged.
    private static let level: @Sendable (String) -> String? = { text in
        Int(text).map { $0 >= 6 ? "trace" : $0 >= 4 ? "debug" : "info" }
    }

    // MARK: tables

    private static let elsewhere = "another part of the system decides that now"
    private static let noCloud = "there are no cloud providers"
    private static let always = "it is always so"

    private static let common = merged(
        ["v": .ours("log-level", level)],
        OldFlag.nothing(
            "the log goes to standard error",
            "*logtostderr *alsologtostderr stderrthreshold log-dir vmodule log-backtrace-at log-flush-frequency"),
        OldFlag.nothing("requests are not held back", "kube-api-qps kube-api-burst"),
        OldFlag.nothing(noCloud, "cloud-provider cloud-config"),
        OldFlag.nothing("there are no profiles", "*profiling *chaos-chance *google-json-key"))

    private static let apiserver = merged(
        [
            "port": .ours("insecure-port"), "portal-net": .ours("service-cidr", range),
            "service-cluster-ip-range": .ours("service-cidr", range),
            "service-node-ports": .ours("service-node-port-range"),
            "public-address-override": .ours("advertise-address"),
        ],
        OldFlag.nothing("the port without credentials stays on 127.0.0.1", "address insecure-bind-address"),
        OldFlag.nothing("a cluster has no name here", "cluster-name"),
        OldFlag.nothing("nodes register themselves", "machines minions"),
        OldFlag.nothing("the store is the embedded one", "etcd-servers etcd-config etcd-prefix"),
        OldFlag.nothing("admission is built in", "admission-control admission-control-config-file"),
        OldFlag.nothing(
            "requests are authenticated by certificates of the cluster's CA and authorized by role",
            """
            authorization-mode authorization-policy-file token-auth-file basic-auth-file client-ca-file tls-cert-file
            tls-private-key-file cert-dir service-account-key-file *service-account-lookup
            """),
        OldFlag.nothing(
            "kubelets are called at the port that they tell, with the cluster's certificates",
            """
            *kubelet-https kubelet-port kubelet-certificate-authority kubelet-client-certificate kubelet-client-key
            kubelet-timeout ssh-user ssh-keyfile
            """),
        OldFlag.nothing(always, "*allow-privileged *enable-logs-support *enable-swagger-ui *watch-cache"),
        OldFlag.nothing(
            elsewhere,
            """
            api-prefix api-rate api-burst cors-allowed-origins external-hostname long-running-request-regexp
            master-service-namespace max-requests-inflight min-request-timeout read-only-port runtime-config
            storage-version storage-versions *health-check-minions minion-port
            """))

    private static let controllers = merged(
        ["master": .ours("master", master), "address": .ours("bind-address")],
        OldFlag.nothing("health is told on --secure-port", "port"),
        OldFlag.nothing("a cluster has no name here", "cluster-name"),
        OldFlag.nothing(
            "nodes register themselves",
            """
            machines minions *sync-nodes minion-regexp node-sync-period node-milli-cpu node-memory register-retry-count
            *register-nodes
            """),
        OldFlag.nothing(
            "changes are seen as they come",
            "resource-quota-sync-period namespace-sync-period pvclaimbinder-sync-period"),
        OldFlag.nothing(
            "Kubernetes' defaults hold",
            """
            pod-eviction-timeout deleting-pods-qps deleting-pods-burst node-monitor-grace-period
            node-startup-grace-period node-monitor-period concurrent-endpoint-syncs concurrent-rc-syncs
            terminated-pod-gc-threshold
            """),
        OldFlag.nothing(always, "*allocate-node-cidrs"),
        OldFlag.nothing(elsewhere, "service-account-private-key-file root-ca-file service-cluster-ip-range"))

    private static let scheduler = merged(
        ["master": .ours("master", master), "address": .ours("bind-address")],
        OldFlag.nothing("health is told on --secure-port", "port"),
        OldFlag.nothing("there is one way of choosing nodes", "algorithm-provider policy-config-file"),
        OldFlag.nothing("bindings are not held back", "bind-pods-qps bind-pods-burst"))

    private static let kubelet = merged(
        [
            "api-servers": .ours("master", master), "config": .ours("manifests"),
            "hostname-override": .ours("node-name"), "port": .ours("kubelet-port"), "root-dir": .ours("data-dir"),
        ],
        OldFlag.nothing("the node's port is served on all addresses", "address"),
        OldFlag.nothing(always, "*enable-server *enable-debugging-handlers *register-node *allow-privileged"),
        OldFlag.nothing("the node's supervisor is built in", "pod-infra-container-image"),
        OldFlag.nothing(
            "there is one container runtime",
            """
            container-runtime docker docker-endpoint docker-exec-handler docker-root docker-only rkt-path rkt-stage1-image
            """),
        OldFlag.nothing(
            "pods have routed links of their own",
            "network-plugin network-plugin-dir network-container-image *configure-cbr0 host-network-sources"),
        OldFlag.nothing("names are answered at the tenth address of the service range", "cluster-dns"),
        OldFlag.nothing(
            "the node tells its health on its port", "read-only-port cadvisor-port healthz-port healthz-bind-address"),
        OldFlag.nothing(
            "changes are seen as they come",
            "sync-frequency file-check-frequency http-check-frequency node-status-update-frequency"),
        OldFlag.nothing("manifests come from a folder", "manifest-url manifest-url-header"),
        OldFlag.nothing(
            elsewhere,
            """
            auth-path cert-dir cgroup-root resource-container system-container oom-score-adj *runonce *containerized
            *really-crash-for-testing low-diskspace-threshold-mb image-gc-high-threshold image-gc-low-threshold
            maximum-dead-containers maximum-dead-containers-per-container minimum-container-ttl-duration
            master-service-namespace registry-qps registry-burst event-qps event-burst
            streaming-connection-idle-timeout etcd-servers *cpu-cfs-quota
            """))

    private static let proxy = merged(
        [
            "master": .ours("master", master), "hostname-override": .ours("node-name"),
            "proxy-mode": .ours("proxy-mode") { $0 == "iptables" || $0.isEmpty ? "auto" : $0 },
            "portal-net": .ours("service-cidr", range),
        ],
        OldFlag.nothing("services are carried on their own addresses", "bind-address proxy-port-range"),
        OldFlag.nothing("health is told on --healthz-bind-address", "healthz-port"),
        OldFlag.nothing(
            elsewhere,
            """
            oom-score-adj resource-container iptables-sync-period iptables-min-sync-period udp-timeout *cleanup-iptables
            config-sync-period etcd-servers
            """))
}
