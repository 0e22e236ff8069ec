import KubeAPI

/// How the node reads a pod: the API's object, or a static pod's manifest brought to the same form.
extension Pod {
    static let configSource = "kubernetes.io/config.source"
    static let configHash = "kubernetes.io/config.hash"
    static let configSeen = "kubernetes.io/config.seen"
    static let configMirror = "kubernetes.io/config.mirror"

    /// `name_namespace(uid)`: how Kubernetes' messages name a pod.
    var fullName: String { "\(name)_\(namespace)(\(uid))" }

    /// Comes from a manifest on this node. Its mirror has the same annotations, and one more.
    var isStatic: Bool { annotations[Self.configSource] == "file" && !isMirror }

    /// Seconds between the stop signal and SIGKILL: the deletion's, else the spec's.
    var graceSeconds: Int { max(0, terminationGracePeriodSeconds) }

    /// The name inside the pod: `spec.hostname`, else the pod's name cut to what a host name may be.
    var hostname: String {
        if let hostname = spec["hostname"].string, !hostname.isEmpty { return hostname }
        var name = name.prefix(63)
        while name.hasSuffix("-") || name.hasSuffix(".") { name.removeLast() }
        return String(name)
    }

    /// Init containers that end before the others begin.
    var plainInitContainers: [Container] { initContainers.filter { !$0.isSidecar } }
    var sidecars: [Container] { initContainers.filter(\.isSidecar) }
    var allContainers: [Container] { initContainers + containers + ephemeralContainers }

    func isInitContainer(_ name: String) -> Bool { initContainers.contains { $0.name == name } }
    func isEphemeral(_ name: String) -> Bool { ephemeralContainers.contains { $0.name == name } }

    /// Nothing else on the node is as important: static pods, and those of priority system-node-critical.
    var isNodeCritical: Bool { isStatic || priority >= 2_000_001_000 }

    /// The class of service: as the API server found it, else by Kubernetes' rules.
    var qos: QOSClass {
        switch qosClass.isEmpty ? computedQOSClass : qosClass {
        case "Guaranteed": .guaranteed
        case "BestEffort": .besteffort
        default: .burstable
        }
    }

    /// `Guaranteed`, `Burstable` or `BestEffort`.
    var computedQOSClass: String {
        var hasAny = false
        var isGuaranteed = true
        for container in initContainers + containers {
            for resource in ["cpu", "memory"] {
                let limit = container.limits[resource].flatMap { $0.isZero ? nil : $0 }
                // A request that is not given equals the limit (defaulting).
                let request = container.requests[resource].flatMap { $0.isZero ? nil : $0 } ?? limit
                if limit != nil || request != nil { hasAny = true }
                if limit == nil || request != limit { isGuaranteed = false }
            }
        }
        return !hasAny ? "BestEffort" : isGuaranteed ? "Guaranteed" : "Burstable"
    }
}

extension Optional where Wrapped == String {
    /// Nil for an empty string too.
    var nonEmpty: String? { flatMap { $0.isEmpty ? nil : $0 } }
}

extension String {
    /// Nil for an empty string.
    var nonEmpty: String? { isEmpty ? nil : self }
}
