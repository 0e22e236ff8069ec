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
        guard let node = node(user), resource.qualifiedName == "pods", !isOn(old, node) else { return }
        throw refused(object, resource, node, "can only update pod status for pods with spec.nodeName set to itself")
    }

    static func checkDelete(_ object: JSON, _ user: UserInfo, _ resource: ServedResource) throws(StatusError) {
        guard let node = node(user), resource.qualifiedName == "pods", !isOn(object, node) else { return }
        throw refused(object, resource, node, "can only delete pods with spec.nodeName set to itself")
    }

    private static func refused(_ object: JSON, _ resource: ServedResource, _ node: String, _ why: String)
        -> StatusError
    {
        .forbidden(resource, name: object.name, "node \"\(node)\" \(why)")
    }
}
