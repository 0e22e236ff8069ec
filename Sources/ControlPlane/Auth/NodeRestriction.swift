import KubeAPI

/// What a node may write beyond what its rules let through: only about itself and its own pods (Kubernetes' admission
/// plug-in NodeRestriction). It needs the objects, which authorization does not have.
enum NodeRestriction {
    /// The node that makes the request; nil for everybody else.
    private static func node(_ user: UserInfo) -> String? {
        guard user.name.hasPrefix(UserInfo.nodePrefix), user.groups.contains(UserInfo.nodesGroup), !user.isMaster else {
            return nil
        }
        return String(user.name.dropFirst(UserInfo.nodePrefix.count))
    }

    private static func isOn(_ pod: JSON, _ node: String) -> Bool { pod["spec"]["nodeName"].string == node }

    static func checkCreate(_ object: JSON, _ user: UserInfo, _ resource: ServedResource) throws(StatusError) {
        guard let node = node(user) else { return }
        switch resource.qualifiedName {
        case "nodes" where object.name != node:
            throw refused(object, resource, node, "is not allowed to modify node \"\(object.name)\"")
        case "leases.coordination.k8s.io" where object.name != node:
            throw refused(
                object, resource, node, "can only access node lease with the same name as the requesting node")
        case "pods":
            if object["metadata"]["annotations"]["kubernetes.io/config.mirror"].isNull {
                throw refused(
                    object, resource, node,
                    "can only create mirror pods: pod does not have \"kubernetes.io/config.mirror\" annotation")
            }
            if !isOn(object, node) {
                throw refused(object, resource, node, "can only create pods with spec.nodeName set to itself")
            }
        default: break
        }
    }

    static func checkUpdate(
        _ object: JSON, old: JSON, _ user: UserInfo, _ resource: ServedResource, _ subresource: String
    ) throws(StatusError) {
        guard let node = node(user) else { return }
        switch resource.qualifiedName {
        case "nodes" where old.name != node:
            throw refused(object, resource, node, "is not allowed to modify node \"\(old.name)\"")
        case "pods" where !isOn(old, node):
            throw refused(
                object, resource, node, "can only update pod status for pods with spec.nodeName set to itself")
        default: break
        }
    }

    static func checkDelete(_ object: JSON, _ user: UserInfo, _ resource: ServedResource) throws(StatusError) {
        guard let node = node(user), resource.qualifiedName == "pods", !isOn(object, node) else { return }
        throw refused(object, resource, node, "can only delete pods with spec.nodeName set to itself")
    }

    /// A node asks for tokens of the pods that it runs, no others. `reference` is what the token is to be bound to.
    static func checkToken(
        _ reference: JSON, _ account: JSON, _ user: UserInfo, _ registry: Registry
    ) throws(StatusError) {
        guard let node = node(user) else { return }
        func refused(_ why: String) -> StatusError {
            .forbidden(
                "serviceaccounts \"\(account.name)\" is forbidden: \(why)", "serviceaccounts", name: account.name)
        }
        guard reference["kind"].string == "Pod", reference["apiVersion"].string == "v1",
            let name = reference["name"].string, !name.isEmpty
        else { throw refused("node requested token not bound to a pod") }
        if reference["uid"].stringValue.isEmpty {
            throw refused("node requested token with a pod binding without a uid")
        }
        let pod = registry.find("", "v1", "pods")?.cache.get("\(account.namespace)/\(name)")?.tree
        // One that is not there is found missing later.
        guard let pod else { return }
        if !isOn(pod, node) { throw refused("node requested token bound to a pod scheduled on a different node") }
    }

    private static func refused(_ object: JSON, _ resource: ServedResource, _ node: String, _ why: String)
        -> StatusError
    {
        .forbidden(resource, name: object.name, "node \"\(node)\" \(why)")
    }
}
