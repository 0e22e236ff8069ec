import KubeAPI

/// The credentials that a pod's pull secrets hold.
struct PullSecrets: Sendable {
    let pod: Pod
    /// Nil on a node without an API.
    let objects: ReferencedObjects?

    static func names(_ pod: Pod) -> [String] {
        pod.spec["imagePullSecrets"].items.compactMap { $0["name"].string }.filter { !$0.isEmpty }
    }

    /// The credentials, and the names of the secrets that can't be read: a pull goes on without these, as in Kubernetes.
    func keyring() async -> (PullKeyring, missing: [String]) {
        var keyring = PullKeyring()
        var missing: [String] = []
        for name in Self.names(pod) {
            do {
                let reference = ObjectReference(resource: .secrets, namespace: pod.namespace, name: name)
                guard let secret = try await objects?.get(reference) else {
                    missing.append(name)
                    continue
                }
                try keyring.add(secret: secret)
            } catch {
                missing.append(name)
            }
        }
        return (keyring, missing)
    }
}
