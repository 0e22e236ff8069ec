/// How our keys are laid out in etcd: as Kubernetes lays them out, so that people and tools find what they know.
///
/// `pods/default/web` is `/registry/pods/default/web`. Resources of built-in groups go without their group, some under
/// names from Kubernetes' early days; custom ones as `/registry/<group>/<resource>/…`. Values are our canonical JSON.
struct EtcdKeys: Sendable {
    /// Without a slash at its end.
    let prefix: String

    /// Where nothing of the API lies: what this cluster is, and marks in the stream of changes.
    static let own = "swiftlet"
    /// Which servers there are; no resource either.
    static let presence = "masterleases"
    /// As in Kubernetes: not below the prefix, because compaction is for everybody.
    static let compaction = "compact_rev_key"

    var identity: String { "\(prefix)/\(Self.own)/cluster" }
    var settings: String { "\(prefix)/\(Self.own)/settings" }
    var mark: String { "\(prefix)/\(Self.own)/mark" }
    /// What all our keys begin with.
    var root: String { prefix + "/" }

    /// A key, or the beginning of keys down to a namespace, as it is in etcd.
    func path(_ key: String) -> String {
        guard let slash = key.utf8.firstIndex(of: UInt8(ascii: "/")) else { return root + key }
        return root + Self.folder(key[..<slash]) + key[slash...]
    }

    /// The key of a path below the prefix; nil for what is not the API's.
    func key(_ path: String) -> String? {
        guard path.utf8.starts(with: root.utf8) else { return nil }
        let rest = path.dropFirst(root.count)
        guard let slash = rest.utf8.firstIndex(of: UInt8(ascii: "/")) else { return nil }
        let first = rest[..<slash]
        if first == Self.own || first == Self.presence { return nil }
        if let resource = Self.resources[String(first)] { return resource + rest[slash...] }
        let tail = rest[rest.index(after: slash)...]
        // Two folders deep: services of old, and groups.
        guard first == "services" || first.utf8.contains(UInt8(ascii: ".")) else { return String(rest) }
        guard let next = tail.utf8.firstIndex(of: UInt8(ascii: "/")) else { return nil }
        let second = tail[..<next]
        if first == "services" {
            return Self.resources["services/\(second)"].map { $0 + tail[next...] }
        }
        return "\(second).\(first)" + tail[next...]
    }

    private static func folder(_ resource: Substring) -> String {
        if let known = folders[String(resource)] { return known }
        guard let dot = resource.utf8.firstIndex(of: UInt8(ascii: ".")) else { return String(resource) }
        return "\(resource[resource.index(after: dot)...])/\(resource[..<dot])"
    }

    /// Folders whose name is not the resource's with its group.
    private static let renamed: [(resource: String, folder: String)] = [
        ("nodes", "minions"), ("services", "services/specs"), ("endpoints", "services/endpoints"),
        ("replicationcontrollers", "controllers"), ("ingresses.networking.k8s.io", "ingress"),
    ]
    private static let builtin: [String: [String]] = [
        "apps": ["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"],
        "autoscaling": ["horizontalpodautoscalers"],
        "batch": ["cronjobs", "jobs"],
        "certificates.k8s.io": ["certificatesigningrequests"],
        "coordination.k8s.io": ["leases"],
        "discovery.k8s.io": ["endpointslices"],
        "flowcontrol.apiserver.k8s.io": ["flowschemas", "prioritylevelconfigurations"],
        "networking.k8s.io": ["ingressclasses", "ipaddresses", "networkpolicies", "servicecidrs"],
        "node.k8s.io": ["runtimeclasses"],
        "policy": ["poddisruptionbudgets"],
        "rbac.authorization.k8s.io": ["clusterrolebindings", "clusterroles", "rolebindings", "roles"],
        "scheduling.k8s.io": ["priorityclasses"],
        "storage.k8s.io": ["csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments"],
        "admissionregistration.k8s.io": [
            "mutatingwebhookconfigurations", "validatingadmissionpolicies", "validatingadmissionpolicybindings",
            "validatingwebhookconfigurations",
        ],
    ]
    private static let pairs =
        renamed + builtin.flatMap { group, names in names.map { ("\($0).\(group)", $0) } }
    private static let folders = Dictionary(
        pairs.map { ($0.resource, $0.folder) }, uniquingKeysWith: { first, _ in first })
    private static let resources = Dictionary(
        pairs.map { ($0.folder, $0.resource) }, uniquingKeysWith: { first, _ in first })
}
