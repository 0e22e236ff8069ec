import KubeAPI

/// A ConfigMap or Secret that a pod names.
struct ObjectReference: Sendable, Hashable {
    let resource: ResourcePath
    let namespace: String
    let name: String

    /// `configmap "y" not found`
    var notFound: String { "\(resource == .secrets ? "secret" : "configmap") \"\(name)\" not found" }

    /// Everything that the pod names in environments and volumes, and for pulls.
    static func all(of pod: Pod) -> Set<ObjectReference> {
        var found: Set<ObjectReference> = []
        func add(_ resource: ResourcePath, _ name: String?) {
            guard let name, !name.isEmpty else { return }
            found.insert(ObjectReference(resource: resource, namespace: pod.namespace, name: name))
        }
        for container in pod.allContainers { addEnvironment(container, add) }
        for name in PullSecrets.names(pod) { add(.secrets, name) }
        for volume in pod.volumes {
            add(.configMaps, volume.json["configMap"]["name"].string)
            add(.secrets, volume.json["secret"]["secretName"].string)
            for source in volume.json["projected"]["sources"].items {
                add(.configMaps, source["configMap"]["name"].string)
                add(.secrets, source["secret"]["name"].string)
            }
        }
        return found
    }

    /// What the environment of one container names.
    static func environment(of container: Container, in namespace: String) -> Set<ObjectReference> {
        var found: Set<ObjectReference> = []
        addEnvironment(container) { resource, name in
            guard let name, !name.isEmpty else { return }
            found.insert(ObjectReference(resource: resource, namespace: namespace, name: name))
        }
        return found
    }

    private static func addEnvironment(_ container: Container, _ add: (ResourcePath, String?) -> Void) {
        for source in container.envFrom {
            add(.configMaps, source["configMapRef"]["name"].string)
            add(.secrets, source["secretRef"]["name"].string)
        }
        for variable in container.env {
            add(.configMaps, variable["valueFrom"]["configMapKeyRef"]["name"].string)
            add(.secrets, variable["valueFrom"]["secretKeyRef"]["name"].string)
        }
    }
}
