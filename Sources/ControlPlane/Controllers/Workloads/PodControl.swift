import KubeAPI

/// Makes and removes pods for a controller, and tells of it by events.
struct PodControl: Sendable {
    /// Pods created or deleted in one round; more come in the next.
    static let burstLimit = 500

    let client: any APIClient
    let recorder: EventRecorder
    let expectations: Expectations

    /// A pod of the owner's, made of a template.
    static func pod(of template: JSON, owner: JSON) -> JSON {
        var metadata: JSON = [
            "generateName": .string(owner.name + "-"), "namespace": .string(owner.namespace),
            "ownerReferences": [owner.ownerReference()],
        ]
        for field in ["labels", "annotations", "finalizers"] { metadata[field] = template["metadata"][field] }
        return ["apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]]
    }

    /// Batches of 1, 2, 4, …: where the first creation fails (a quota, a bad template), the others are not tried.
    func create(_ pods: [JSON], _ owner: JSON, _ key: String) async -> (made: Int, failure: ScalingFailure?) {
        var rest = pods[...]
        var batch = 1
        var made = 0
        while !rest.isEmpty {
            let next = rest.prefix(batch)
            expectations.expectCreations(key, next.count)
            let failures = await withTaskGroup(of: (any Error)?.self) { group in
                for pod in next { group.addTask { await self.createOne(pod, owner, key) } }
                return await group.reduce(into: [any Error]()) { if let error = $1 { $0.append(error) } }
            }
            made += next.count - failures.count
            if let failure = failures.first {
                // A namespace that goes takes its controllers along: nothing to report, nothing to try again.
                return (made, failure.isNamespaceGoing ? nil : ScalingFailure(reason: "FailedCreate", cause: failure))
            }
            rest = rest.dropFirst(next.count)
            batch *= 2
        }
        return (made, nil)
    }

    private func createOne(_ pod: JSON, _ owner: JSON, _ key: String) async -> (any Error)? {
        do {
            let created = try await client.create(.pods, namespace: owner.namespace, pod)
            expectations.created(key, created.uid)
            recorder.record(
                object: owner, type: .normal, reason: "SuccessfulCreate", message: "Created pod: \(created.name)")
            return nil
        } catch {
            expectations.creationFailed(key)
            if !error.isNamespaceGoing {
                recorder.record(
                    object: owner, type: .warning, reason: "FailedCreate", message: "Error creating: \(error)")
            }
            return error
        }
    }

    /// Those that are gone already count as removed.
    func delete(_ pods: [JSON], _ owner: JSON, _ key: String) async -> (removed: Int, failure: ScalingFailure?) {
        expectations.expectDeletions(key, Set(pods.map(\.uid)))
        let failures = await withTaskGroup(of: (any Error)?.self) { group in
            for pod in pods { group.addTask { await self.deleteOne(pod, owner, key) } }
            return await group.reduce(into: [any Error]()) { if let error = $1 { $0.append(error) } }
        }
        return (
            pods.count - failures.count, failures.first.map { ScalingFailure(reason: "FailedDelete", cause: $0) }
        )
    }

    private func deleteOne(_ pod: JSON, _ owner: JSON, _ key: String) async -> (any Error)? {
        do {
            try await client.delete(
                .pods, namespace: pod.namespace, name: pod.name, options: ["preconditions": ["uid": .string(pod.uid)]])
            recorder.record(
                object: owner, type: .normal, reason: "SuccessfulDelete", message: "Deleted pod: \(pod.name)")
            return nil
        } catch {
            expectations.observedDeletion(key, pod.uid)
            if let status = error as? StatusError, status.isNotFound || status.isConflict { return nil }
            recorder.record(object: owner, type: .warning, reason: "FailedDelete", message: "Error deleting: \(error)")
            return error
        }
    }
}

/// Why pods could not be made or removed.
struct ScalingFailure: Sendable {
    /// `FailedCreate`, `FailedDelete`
    let reason: String
    let cause: any Error
}

extension Error {
    /// The namespace is being deleted: nothing can be made in it any more.
    var isNamespaceGoing: Bool {
        (self as? StatusError)?.details["causes"].items.contains { $0["reason"].string == "NamespaceTerminating" }
            ?? false
    }
}
