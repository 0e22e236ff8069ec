import KubeAPI

/// What a kubelet may write beyond what authorization can see in a request's path: its own node, lease, mirror pods and
/// the status of the pods bound to it (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction).
enum NodeRestriction {
    enum Operation: Sendable { case create, update, delete }

    private static let leaseNamespace = "kube-node-lease"
    private static let mirror = "kubernetes.io/config.mirror"

    /// Throws where the user is a node that must not do this. `object` is what is written (null for a deletion), `old`
    /// what is there (null for a creation); for a subresource that is posted, `object` is the parent.
    static func check(
        _ user: UserInfo, _ operation: Operation, _ resource: ServedResource, subresource: String, namespace: String,
        name: String, object: JSON, old: JSON, _ registry: Registry
    ) throws(StatusError) {
        guard let node = nodeName(user) else { return }
        let name = name.isEmpty ? object.name : name
        let why: String?
        switch resource.qualifiedName {
        case "pods": why = pod(node, operation, subresource, object, old, registry)
        case "nodes": why = self.node(node, operation, name, object, old)
        case "leases.coordination.k8s.io":
            why =
                namespace != leaseNamespace
                ? "can only access leases in the \"\(leaseNamespace)\" system namespace"
                : name != node ? "can only access node lease with the same name as the requesting node" : nil
        default: why = nil
        }
        guard let why else { return }
        throw .forbidden(
            "\(resource.qualifiedName) \"\(name)\" is forbidden: \(why)", resource.resource, group: resource.group,
            name: name)
    }

    /// The node as which the user has authenticated; empty for a node without a name, nil for all others.
    private static func nodeName(_ user: UserInfo) -> String? {
        guard user.groups.contains(UserInfo.nodesGroup), user.name.hasPrefix(UserInfo.nodePrefix) else { return nil }
        return String(user.name.dropFirst(UserInfo.nodePrefix.count))
    }

    // MARK: pods

    private static func pod(
        _ node: String, _ operation: Operation, _ subresource: String, _ object: JSON, _ old: JSON, _ registry: Registry
    ) -> String? {
        switch (subresource, operation) {
        case ("", .create): return mirrorPod(node, object, registry)
        case ("", .delete):
            return old["spec"]["nodeName"].string == node
                ? nil : "node \"\(node)\" can only delete pods with spec.nodeName set to itself"
        case ("", .update):
            return "unexpected operation \"UPDATE\", node \"\(node)\" can only create and delete mirror pods"
        case ("status", .update):
            guard old["spec"]["nodeName"].string == node else {
                return "node \"\(node)\" can only update pod status for pods with spec.nodeName set to itself"
            }
            return object.labels == old.labels ? nil : "node \"\(node)\" cannot update labels through pod status"
        case ("eviction", .create):
            let pod = old.isNull ? object : old
            return pod["spec"]["nodeName"].string == node
                ? nil : "node \(node) can only evict pods with spec.nodeName set to itself"
        default:
            return "unexpected pod subresource \"\(subresource)\", only 'status' and 'eviction' are allowed"
        }
    }

    private static func mirrorPod(_ node: String, _ pod: JSON, _ registry: Registry) -> String? {
        guard pod.annotations[mirror] != nil else {
            return "pod does not have \"\(mirror)\" annotation, node \"\(node)\" can only create mirror pods"
        }
        guard pod["spec"]["nodeName"].string == node else {
            return "node \"\(node)\" can only create pods with spec.nodeName set to itself"
        }
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

    private static func node(
        _ node: String, _ operation: Operation, _ name: String, _ object: JSON, _ old: JSON
    ) -> String? {
        guard name == node else { return "node \"\(node)\" is not allowed to modify node \"\(name)\"" }
        guard operation != .delete else { return nil }
        if operation == .update, object["spec"]["taints"].items != old["spec"]["taints"].items {
            return "node \"\(node)\" is not allowed to modify taints"
        }
        let (now, before) = (object.labels, old.labels)
        let changed = Set(now.keys).union(before.keys).filter { now[$0] != before[$0] }
        let forbidden = changed.filter { !mayLabel($0) }.sorted()
        guard !forbidden.isEmpty else { return nil }
        let list = forbidden.joined(separator: ", ")
        return operation == .create
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
