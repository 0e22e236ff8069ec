import KubeAPI
import Synchronization

/// Which node's pods name which objects: what a node may read. Fed by the store with every pod that is bound or gone.
final class NodeGraph: Sendable {
    enum Kind: Hashable, Sendable { case pod, secret, configMap, serviceAccount, claim }

    struct Reference: Hashable, Sendable {
        let kind: Kind
        /// `namespace/name`
        let key: String
    }

    private struct Known {
        let node: String
        let references: [Reference]
    }
    private struct State {
        var pods: [String: Known] = [:]
        /// By node, how many of its pods name the object.
        var counts: [String: [Reference: Int]] = [:]

        mutating func remove(_ key: String) {
            guard let known = pods.removeValue(forKey: key) else { return }
            for reference in known.references {
                guard let count = counts[known.node]?[reference] else { continue }
                counts[known.node]?[reference] = count > 1 ? count - 1 : nil
            }
            if counts[known.node]?.isEmpty == true { counts[known.node] = nil }
        }

        mutating func insert(_ key: String, _ known: Known) {
            remove(key)
            pods[key] = known
            for reference in known.references { counts[known.node, default: [:]][reference, default: 0] += 1 }
        }
    }

    private let state = Mutex(State())

    /// Whether a pod of the node names the object.
    func relates(_ node: String, to kind: Kind, _ key: String) -> Bool {
        state.withLock { $0.counts[node]?[Reference(kind: kind, key: key)] != nil }
    }

    /// Takes in a pod's state. What a bound pod names hardly changes, so that it is read once; `node` is told by what is
    /// kept beside the bytes.
    func apply(key: String, node: String, pod: () -> JSON?) {
        if node.isEmpty || state.withLock({ $0.pods[key]?.node == node }) { return }
        guard let pod = pod() else { return }
        let known = Known(
            node: node, references: [Reference(kind: .pod, key: key)] + Self.references(of: pod))
        state.withLock { $0.insert(key, known) }
    }

    func remove(key: String) { state.withLock { $0.remove(key) } }

    // MARK: - What a pod names

    /// A mirror pod gives its node a look at nothing: nodes make them themselves.
    static func references(of pod: JSON) -> [Reference] {
        guard pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].isNull else { return [] }
        let spec = pod["spec"]
        let namespace = pod.namespace
        var found: Set<Reference> = []
        func add(_ kind: Kind, _ name: JSON) {
            if let name = name.string, !name.isEmpty {
                found.insert(Reference(kind: kind, key: "\(namespace)/\(name)"))
            }
        }
        add(.serviceAccount, spec["serviceAccountName"])
        for secret in spec["imagePullSecrets"].items { add(.secret, secret["name"]) }
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            for container in spec[list].items {
                for source in container["envFrom"].items {
                    add(.configMap, source["configMapRef"]["name"])
                    add(.secret, source["secretRef"]["name"])
                }
                for variable in container["env"].items {
                    add(.configMap, variable["valueFrom"]["configMapKeyRef"]["name"])
                    add(.secret, variable["valueFrom"]["secretKeyRef"]["name"])
                }
            }
        }
        for volume in spec["volumes"].items {
            add(.configMap, volume["configMap"]["name"])
            add(.secret, volume["secret"]["secretName"])
            add(.claim, volume["persistentVolumeClaim"]["claimName"])
            if volume["ephemeral"].isObject { add(.claim, .string("\(pod.name)-\(volume["name"].stringValue)")) }
            for source in volume["projected"]["sources"].items {
                add(.configMap, source["configMap"]["name"])
                add(.secret, source["secret"]["name"])
            }
            for (driver, field) in secretFields { add(.secret, volume[driver][field]["name"]) }
        }
        return Array(found)
    }

    /// Volumes of other systems that name a Secret.
    private static let secretFields: [(String, String)] = [
        ("cephfs", "secretRef"), ("cinder", "secretRef"), ("csi", "nodePublishSecretRef"), ("flexVolume", "secretRef"),
        ("iscsi", "secretRef"), ("rbd", "secretRef"), ("scaleIO", "secretRef"), ("storageos", "secretRef"),
    ]
}
