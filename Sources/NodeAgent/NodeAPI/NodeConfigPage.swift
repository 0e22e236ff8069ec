import KubeAPI

/// The node's `/configz`: how it is set up, by the names of kubelet.config.k8s.io/v1beta1. What that knows and we have no
/// setting for is absent.
enum NodeConfigPage {
    static func json(_ config: KubeletConfig) -> JSON {
        var kubelet: JSON = [
            "staticPodPath": .string(config.manifests),
            "address": .string(config.nodeIPs.contains(where: \.isIPv6) ? "::" : "0.0.0.0"),
            "port": .int(Int64(config.port)),
            "authentication": [
                "x509": .emptyObject,
                "webhook": ["enabled": true, "cacheTTL": .string(Self.text(NodeAuthorizer.identityTTL))],
                "anonymous": ["enabled": false],
            ],
            "authorization": [
                "mode": "Webhook",
                "webhook": [
                    "cacheAuthorizedTTL": .string(Self.text(NodeAuthorizer.allowedTTL)),
                    "cacheUnauthorizedTTL": .string(Self.text(NodeAuthorizer.deniedTTL)),
                ],
            ],
            "clusterDomain": .string(config.clusterDomain), "clusterDNS": JSON(config.clusterDNS),
            "maxPods": .int(Int64(config.maxPods)), "resolvConf": .string(config.resolvConf),
        ]
        if let limit = config.podPidsLimit { kubelet["podPidsLimit"] = .int(Int64(limit)) }
        if !config.podCIDRs.isEmpty {
            kubelet["podCIDR"] = .string(config.podCIDRs.map(\.description).joined(separator: ","))
        }
        return ["kubeletconfig": kubelet]
    }

    private static func text(_ duration: Duration) -> String { duration.goDescription }
}
