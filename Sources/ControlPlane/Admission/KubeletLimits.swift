import KubeAPI

/// What a kubelet may not write even of its own objects: what would let it steer pods to itself or show it what it must
/// not see (the finer part of Kubernetes' NodeRestriction; whose objects it may touch at all is authorization's).
enum KubeletLimits {
    private static let mirror = "kubernetes.io/config.mirror"

    /// The node as which the user has authenticated; nil for everybody else.
    private static func nodeName(_ user: UserInfo) -> String? {
        guard user.groups.contains(UserInfo.nodesGroup), user.name.hasPrefix(UserInfo.nodePrefix), !user.isMaster else {
            return nil
        }
        return String(user.name.dropFirst(UserInfo.nodePrefix.count))
    }

    private static func refuse(_ object: JSON, _ resource: String, _ why: String?) throws(StatusError) {
        guard let why else { return }
        throw .forbidden("\(resource) \"\(object.name)\" is forbidden: \(why)", resource, name: object.name)
    }

    /// A pod that a node makes reports one of its static pods.
    static func checkCreate(pod: JSON, _ context: WriteContext) throws(StatusError) {
        guard let node = nodeName(context.user), pod.annotations[mirror] != nil else { return }
        try refuse(pod, "pods", mirrorPod(node, pod, context.registry))
    }

    static func checkStatus(pod: JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        guard let node = nodeName(context.user), pod.labels != old.labels else { return }
        try refuse(pod, "pods", "node \"\(node)\" cannot update labels through pod status")
    }

    /// `old` is null for a node that registers.
    static func check(node: JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        guard let name = nodeName(context.user) else { return }
        try refuse(node, "nodes", self.node(name, node, old))
    }

    // MARK: pods

    private static func mirrorPod(_ node: String, _ pod: JSON, _ registry: Registry) -> String? {
        if let why = mirrorOwner(node, pod.ownerReferences, registry) { return why }
        // A static pod would otherwise give its node a look at anything.
        let spec = pod["spec"]
        if !spec["serviceAccountName"].stringValue.isEmpty || !spec["serviceAccount"].stringValue.isEmpty {
            return "node \"\(node)\" can not create pods that reference a service account"
        }
        for (kind, fields) in references where mentions(spec, fields) {
            return "node \"\(node)\" can not create pods that reference \(kind)"
        }
        return nil
    }

    private static let references: KeyValuePairs<String, Set<String>> = [
        "secrets": ["secret", "secretKeyRef", "secretRef", "imagePullSecrets"],
        "configmaps": ["configMap", "configMapKeyRef", "configMapRef"],
        "persistentvolumeclaims": ["persistentVolumeClaim"],
        "clustertrustbundles": ["clusterTrustBundle"],
    ]

    /// Whether a field of one of these names is anywhere in the value. Field names of pods mean the same everywhere;
    /// the maps in them have keys that users choose, and a false alarm there only keeps a static pod unseen.
    private static func mentions(_ value: JSON, _ fields: Set<String>) -> Bool {
        switch value {
        case .object(let object):
            object.contains { (fields.contains($0.key) && !$0.value.isNull) || mentions($0.value, fields) }
        case .array(let elements): elements.contains { mentions($0, fields) }
        default: false
        }
    }

    private static func mirrorOwner(_ node: String, _ owners: [JSON], _ registry: Registry) -> String? {
        guard owners.count < 2 else {
            return "node \"\(node)\" can only create pods with a single owner reference set to itself"
        }
        guard let owner = owners.first, owner["apiVersion"].string == "v1", owner["kind"].string == "Node",
            owner["name"].string == node
        else { return "node \"\(node)\" can only create pods with an owner reference set to itself" }
        if owner["controller"].bool != true {
            return "node \"\(node)\" can only create pods with a controller owner reference set to itself"
        }
        if owner["blockOwnerDeletion"].bool == true {
            return "node \"\(node)\" must not set blockOwnerDeletion on an owner reference"
        }
        let uid = registry.find("", "v1", "nodes")?.cache.get(node)?.tree.uid ?? ""
        let named = owner["uid"].stringValue
        return named == uid ? nil : "node \(node) UID mismatch: expected \(named) got \(uid)"
    }

    // MARK: nodes

    private static func node(_ node: String, _ object: JSON, _ old: JSON) -> String? {
        if !old.isNull, object["spec"]["taints"].items != old["spec"]["taints"].items {
            return "node \"\(node)\" is not allowed to modify taints"
        }
        let (now, before) = (object.labels, old.labels)
        let changed = Set(now.keys).union(before.keys).filter { now[$0] != before[$0] }
        let forbidden = changed.filter { !mayLabel($0) }.sorted()
        guard !forbidden.isEmpty else { return nil }
        let list = forbidden.joined(separator: ", ")
        return old.isNull
            ? "node \"\(node)\" is not allowed to set the following labels: \(list)"
            : "is not allowed to modify labels: \(list)"
    }

    private static let kubeletLabels: Set<String> = [
        "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type", "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/region", "topology.kubernetes.io/zone",
        "beta.kubernetes.io/arch", "beta.kubernetes.io/os",
    ]

    /// A node must not steer pods to itself by labels that others trust.
    private static func mayLabel(_ key: String) -> Bool {
        guard let slash = key.firstIndex(of: "/") else { return true }
        let domain = key[..<slash]
        func isIn(_ parent: String) -> Bool { domain == parent || domain.hasSuffix("." + parent) }
        if isIn("node-restriction.kubernetes.io") { return false }
        guard isIn("kubernetes.io") || isIn("k8s.io") else { return true }
        return kubeletLabels.contains(key) || isIn("kubelet.kubernetes.io") || isIn("node.kubernetes.io")
    }
}
