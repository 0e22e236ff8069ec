import KubeAPI
import Logging
import Synchronization

/// Empties namespaces that are being deleted, says in their conditions what they wait for, and lets them go.
final class NamespaceDeletion: Controller {
    private let client: any APIClient
    private let informers: SharedInformers
    private let resources: [ResourcePath]
    private let log: Logger
    private let queue = WorkQueue<String>()
    private static let patience = Backoff(first: .milliseconds(250), limit: .seconds(15))
    private let pauses = Mutex<[String: Backoff]>([:])

    init(client: any APIClient, informers: SharedInformers, resources: [ResourcePath], log: Logger) {
        self.client = client
        self.informers = informers
        self.resources = resources.filter(\.isNamespaced)
        self.log = log
    }

    func run() async {
        informers.namespaces.onEvent { [queue] event in
            if event.object.isDeleting { queue.add(event.object.name) }
        }
        // A namespace waits for its pods: the last one that goes lets it go at once.
        informers.pods.onEvent { [self] event in
            guard case .deleted(let pod) = event, informers.namespaces.get(pod.namespace)?.isDeleting == true else {
                return
            }
            queue.add(pod.namespace)
        }
        await informers.namespaces.waitForSync()
        await queue.run(workers: 2) { [self] name in try await empty(name) }
    }

    private func empty(_ name: String) async throws {
        guard let namespace = informers.namespaces.get(name), namespace.isDeleting,
            namespace["spec"]["finalizers"].items.contains("kubernetes")
        else { return }
        var remaining: [String: Int] = [:]
        var finalizers: [String: Int] = [:]
        var failures: [String] = []
        // Pods last: what makes them (controllers) goes first, so that none come back.
        for resource in resources.filter({ $0 != .pods && $0 != .events }) + [.pods, .events] {
            do {
                try await deleteAll(resource, name, &remaining, &finalizers)
            } catch {
                failures.append("\(resource): \(error)")
            }
        }
        if remaining.isEmpty, failures.isEmpty {
            var updated = namespace
            updated["spec"]["finalizers"] = .array(namespace["spec"]["finalizers"].items.filter { $0 != "kubernetes" })
            do {
                try await client.update(.namespaces, subresource: "finalize", updated)
            } catch let error as StatusError where error.isNotFound {}
            pauses.withLock { _ = $0.removeValue(forKey: name) }
            return
        }
        try await report(namespace, remaining, finalizers, failures)
        // What goes does so without telling us, but for pods; what is stuck is looked at ever more seldom.
        queue.add(name, after: pauses.withLock { $0[name, default: Self.patience].next() })
    }

    private func deleteAll(
        _ resource: ResourcePath, _ namespace: String, _ remaining: inout [String: Int],
        _ finalizers: inout [String: Int]
    ) async throws {
        let items = try await client.list(resource, namespace: namespace)["items"].items
        guard !items.isEmpty else { return }
        for item in items where !item.isDeleting {
            do {
                try await client.delete(
                    resource, namespace: namespace, name: item.name, options: ["propagationPolicy": "Background"])
            } catch let error as StatusError where error.isNotFound || error.isConflict {
                continue
            }
        }
        let left = try await client.list(resource, namespace: namespace)["items"].items
        guard !left.isEmpty else { return }
        // Kubernetes writes the dot for the core group, too.
        remaining["\(resource.resource).\(resource.group)"] = left.count
        for item in left { for finalizer in item.finalizers { finalizers[finalizer, default: 0] += 1 } }
    }

    /// The conditions that Kubernetes has, so that a person sees what holds the namespace.
    private func report(
        _ namespace: JSON, _ remaining: [String: Int], _ finalizers: [String: Int], _ failures: [String]
    ) async throws {
        func list(_ counts: [String: Int], _ phrase: (String, Int) -> String) -> String {
            counts.sorted { $0.key < $1.key }.map { phrase($0.key, $0.value) }.joined(separator: ", ")
        }
        let conditions: [(type: String, isTrue: Bool, reason: String, message: String)] = [
            (
                "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
                "All resources successfully discovered"
            ),
            (
                "NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
                "All legacy kube types successfully parsed"
            ),
            (
                "NamespaceDeletionContentFailure", !failures.isEmpty,
                failures.isEmpty ? "ContentDeleted" : "ContentDeletionFailed",
                failures.isEmpty
                    ? "All content successfully deleted, may be waiting on finalization"
                    : "Failed to delete all resource types, \(failures.count) remaining: \(failures.joined(separator: ", "))"
            ),
            (
                "NamespaceContentRemaining", !remaining.isEmpty,
                remaining.isEmpty ? "ContentRemoved" : "SomeResourcesRemain",
                remaining.isEmpty
                    ? "All content successfully removed"
                    : "Some resources are remaining: " + list(remaining) { "\($0) has \($1) resource instances" }
            ),
            (
                "NamespaceFinalizersRemaining", !finalizers.isEmpty,
                finalizers.isEmpty ? "ContentHasNoFinalizers" : "SomeFinalizersRemain",
                finalizers.isEmpty
                    ? "All content-preserving finalizers finished"
                    : "Some content in the namespace has finalizers remaining: "
                        + list(finalizers) { "\($0) in \($1) resource instances" }
            ),
        ]
        var updated = namespace
        let old = namespace["status"]["conditions"].items
        updated["status"]["conditions"] = .array(
            conditions.map { condition in
                let status = condition.isTrue ? "True" : "False"
                let before = old.first { $0["type"].string == condition.type }
                return [
                    "type": .string(condition.type), "status": .string(status), "reason": .string(condition.reason),
                    "message": .string(condition.message),
                    "lastTransitionTime": before?["status"].string == status
                        ? before?["lastTransitionTime"] ?? .null : .string(Timestamp.now().rfc3339),
                ]
            })
        guard updated["status"] != namespace["status"] else { return }
        do {
            try await client.update(.namespaces, subresource: "status", updated)
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
    }
}
