import KubeAPI

/// The API's picture of a static pod: a copy that cannot be changed there to any effect.
enum MirrorPod {
    static func make(of pod: Pod, node: JSON) -> JSON {
        var json = pod.json
        json["kind"] = "Pod"
        json["apiVersion"] = "v1"
        json["status"] = .null
        var metadata = json["metadata"]
        metadata["uid"] = .null
        metadata["creationTimestamp"] = .null
        metadata["annotations"][Pod.configMirror] = .string(pod.uid)
        if !node.uid.isEmpty {
            metadata["ownerReferences"] = [
                [
                    "apiVersion": "v1", "kind": "Node", "name": .string(node.name), "uid": .string(node.uid),
                    "controller": true,
                ]
            ]
        }
        json["metadata"] = metadata
        return json
    }

    /// Deletes the picture, and nothing else that may have its name by now.
    static func delete(_ mirror: Pod, _ client: any APIClient) async -> Result<Void, ReportError> {
        do {
            try await client.delete(
                .pods, namespace: mirror.namespace, name: mirror.name,
                options: ["gracePeriodSeconds": 0, "preconditions": ["uid": .string(mirror.uid)]])
            return .success(())
        } catch {
            return .failure(ReportError(error, conflictIsGone: true))
        }
    }

    /// Deletes the picture of a pod that is gone, however long it takes to reach the API.
    static func deleteEventually(_ mirror: Pod, _ client: any APIClient) async {
        var backoff = Backoff(first: .milliseconds(200), limit: .seconds(10))
        while !Task.isCancelled {
            switch await delete(mirror, client) {
            case .success, .failure(.gone), .failure(.refused): return
            case .failure(.unreachable): try? await Task.sleep(for: backoff.next())  // cancellation is seen by the loop
            }
        }
    }
}
