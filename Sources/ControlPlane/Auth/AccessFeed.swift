import KubeAPI

/// Tells the authorizer of every change of roles, bindings and pods' nodes, before whoever made it is answered.
final class AccessFeed: Sendable {
    private enum Subject: Sendable {
        case rbac(RBACIndex.Kind)
        /// `nodeField`: where the node's name stands among the facts of pods.
        case pods(nodeField: Int)
    }

    private let authorizer: Authorizer
    /// By what keys begin with, without the slash.
    private let subjects: [Substring: Subject]
    private let served: [(resource: ServedResource, subject: Subject)]

    /// Takes in what the store commits from now on. To be made before the caches: whoever sees in a watch that a pod is
    /// his may read at once what it names.
    init(_ authorizer: Authorizer, _ resources: [ServedResource], _ store: any Store) {
        self.authorizer = authorizer
        let kinds: [ResourcePath: RBACIndex.Kind] = [
            .roles: .role, .roleBindings: .roleBinding, .clusterRoles: .clusterRole,
            .clusterRoleBindings: .clusterRoleBinding,
        ]
        var subjects: [Substring: Subject] = [:]
        var served: [(resource: ServedResource, subject: Subject)] = []
        for resource in resources {
            let subject: Subject
            if let kind = kinds[resource.type.path] {
                subject = .rbac(kind)
            } else if resource.type.path == .pods, let field = resource.fieldPaths.firstIndex(of: "spec.nodeName") {
                subject = .pods(nodeField: field)
            } else {
                continue
            }
            subjects[resource.cache.prefix.dropLast()] = subject
            served.append((resource, subject))
        }
        self.subjects = subjects
        self.served = served
        store.addSink { [weak self] update in self?.publish(update) }
    }

    /// Takes in what the caches hold: once, when they are loaded.
    func load() {
        for (resource, subject) in served {
            resource.cache.snapshot().objects.forEach { object in
                take(subject, object.key, object.facts) { object.tree }
                return true
            }
        }
    }

    private func publish(_ update: StoreUpdate) {
        switch update {
        case .changes(let events, _):
            for event in events {
                guard let (subject, key) = concern(of: event.key) else { continue }
                guard let value = event.value else {
                    remove(subject, key)
                    continue
                }
                // The store's content was checked when written.
                take(subject, key, event.facts) { try? JSON.parse(value) }
            }
        case .reset(let records, _):
            // The caches hear of it behind us: they still have what was there.
            let keys = Set(records.map(\.key))
            for (resource, subject) in served {
                resource.cache.snapshot().objects.forEach { object in
                    if !keys.contains(resource.cache.prefix + object.key) { remove(subject, object.key) }
                    return true
                }
            }
            for record in records {
                guard let (subject, key) = concern(of: record.key) else { continue }
                take(subject, key, nil) { try? JSON.parse(record.value) }  // as above
            }
        }
    }

    /// Whose key it is, and the rest of it behind the slash; nil where it concerns nobody's rights.
    private func concern(of key: String) -> (Subject, String)? {
        guard let slash = key.utf8.firstIndex(of: UInt8(ascii: "/")), let subject = subjects[key[..<slash]] else {
            return nil
        }
        return (subject, String(key[key.index(after: slash)...]))
    }

    private func take(_ subject: Subject, _ key: String, _ facts: ObjectFacts?, _ object: () -> JSON?) {
        switch subject {
        case .rbac(let kind):
            if let object = object() { authorizer.rbac.apply(kind, key: key, object) }
        case .pods(let field):
            let node = facts.map { field < $0.fields.count ? $0.fields[field] : "" }
            authorizer.graph.apply(
                key: key, node: node ?? object()?["spec"]["nodeName"].stringValue ?? "", pod: object)
        }
    }

    private func remove(_ subject: Subject, _ key: String) {
        switch subject {
        case .rbac(let kind): authorizer.rbac.apply(kind, key: key, nil)
        case .pods: authorizer.graph.remove(key: key)
        }
    }
}
