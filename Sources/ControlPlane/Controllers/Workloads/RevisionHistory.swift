import KubeAPI

/// The states that a daemon set's template has had, kept as ControllerRevisions: what its pods are compared with, and
/// what `kubectl rollout undo` goes back to.
struct RevisionHistory: Sendable {
    /// On revisions and on the pods that were made of them.
    static let hashLabel = "controller-revision-hash"

    let client: any APIClient
    let informers: SharedInformers
    private let owned: OwnedObjects

    init(client: any APIClient, informers: SharedInformers) {
        self.client = client
        self.informers = informers
        owned = OwnedObjects(client: client, owners: .daemonSets, owned: .controllerRevisions)
    }

    /// A patch that puts the template back.
    static func data(_ template: JSON) -> JSON {
        var template = template
        template["$patch"] = "replace"
        return ["spec": ["template": template]]
    }

    /// The revision of the present template, made where there is none, and all others.
    func current(of set: DaemonSet) async throws -> (current: JSON, old: [JSON]) {
        let all = try await owned.claim(
            set.json, LabelSelector(set.spec["selector"]),
            among: informers.revisionsByController.candidates(for: set.json))
        let data = Self.data(set.template)
        let newestFirst = all.sorted { Self.number($0) > Self.number($1) }
        let found = newestFirst.first { $0["data"] == data }
        let old = newestFirst.filter { $0.uid != found?.uid }
        let number = (old.map(Self.number).max() ?? 0) + 1
        guard var current = found else { return (try await make(set, data, number), old) }
        if Self.number(current) < number {
            current["revision"] = .int(Int64(number))
            current = try await client.update(.controllerRevisions, current)
        }
        return (current, old)
    }

    static func number(_ revision: JSON) -> Int { revision["revision"].int ?? 0 }

    private func make(_ set: DaemonSet, _ data: JSON, _ number: Int) async throws -> JSON {
        let hash = TemplateHash.make(set.template, collisions: set.collisionCount)
        var labels = set.template["metadata"]["labels"]
        labels[Self.hashLabel] = .string(hash)
        let name = "\(set.name)-\(hash)"
        do {
            return try await client.create(
                .controllerRevisions, namespace: set.namespace,
                [
                    "metadata": [
                        "name": .string(name), "namespace": .string(set.namespace), "labels": labels,
                        "annotations": set.json["metadata"]["annotations"],
                        "ownerReferences": [set.json.ownerReference()],
                    ], "data": data, "revision": .int(Int64(number)),
                ])
        } catch let error as StatusError where error.isAlreadyExists {
            // Ours, made a moment ago and not seen yet; else the name must change.
            let found = try await client.get(.controllerRevisions, namespace: set.namespace, name: name)
            if found["data"] == data, found.controllerReference.map(set.json.isReferred) == true { return found }
            var object = set.json
            object["status"]["collisionCount"] = .int(Int64((set.collisionCount ?? 0) + 1))
            try await client.update(.daemonSets, subresource: "status", object)
            throw error
        }
    }

    /// Deletes the oldest beyond the limit, those of pods that still run excepted.
    func cleanUp(_ set: DaemonSet, old: [JSON], pods: [JSON]) async throws {
        var excess = old.count - set.revisionHistoryLimit
        guard excess > 0 else { return }
        let live = Set(pods.compactMap { $0.labels[Self.hashLabel] })
        for revision in old.sorted(by: { Self.number($0) < Self.number($1) }) where excess > 0 {
            if let hash = revision.labels[Self.hashLabel], live.contains(hash) { continue }
            do {
                try await client.delete(.controllerRevisions, namespace: set.namespace, name: revision.name)
            } catch let error as StatusError where error.isNotFound {
                continue
            }
            excess -= 1
        }
    }
}
