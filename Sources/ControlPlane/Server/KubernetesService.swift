import KubeAPI
import Logging

/// Keeps the service `default/kubernetes` and its endpoints right: the way from pods to this server. Whoever changes or
/// deletes them finds them again at once.
struct KubernetesService: Sendable {
    let client: any APIClient
    /// The first address of the service range.
    let clusterIP: IPAddress
    let endpoint: IPAddress
    let port: Int
    let log: Logger

    private static let name = "kubernetes"
    private static let namespace = "default"
    private static let resources: [ResourcePath] = [.services, .endpoints, .endpointSlices]

    /// Watches the three objects until the task is cancelled.
    func run() async {
        let (changes, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let informers = Self.resources.map {
            Informer(
                client, $0, namespace: Self.namespace, fieldSelector: "metadata.name=\(Self.name)", log: log)
        }
        for informer in informers { informer.onEvent { _ in signal.yield() } }
        await withTaskGroup(of: Void.self) { group in
            for informer in informers { group.addTask { await informer.run() } }
            group.addTask {
                var backoff = Backoff(first: .milliseconds(50), limit: .seconds(10))
                for await _ in changes {
                    do {
                        try await reconcile()
                        backoff.reset()
                    } catch {
                        if Task.isCancelled { return }
                        log.warning(
                            "cannot keep service", metadata: ["service": "default/kubernetes", "err": "\(error)"])
                        try? await Task.sleep(for: backoff.next())  // cancellation ends the stream, too
                        signal.yield()
                    }
                }
            }
            await group.waitForAll()
        }
    }

    /// Makes the objects as they should be, where they are not.
    func reconcile() async throws {
        try await removeForeign()
        try await ensure(.services, service) { current, wanted in
            // The rest of the spec is defaults and what an administrator may have chosen.
            for field in ["ports", "type"] { current["spec"][field] = wanted["spec"][field] }
            for field in ["selector", "externalName"] where !current["spec"][field].isNull {
                current["spec"][field] = .null
            }
        }
        try await ensure(.endpoints, endpoints) { current, wanted in current["subsets"] = wanted["subsets"] }
        try await ensure(.endpointSlices, slice) { current, wanted in
            for field in ["endpoints", "ports"] { current[field] = wanted[field] }
        }
    }

    /// A service keeps its address for life: one with another than ours, from before the service range was changed, has
    /// to go.
    private func removeForeign() async throws {
        do {
            let current = try await client.get(.services, namespace: Self.namespace, name: Self.name)
            if current["spec"]["clusterIP"].string == "\(clusterIP)" { return }
            log.notice(
                "replacing service default/kubernetes, whose address is not that of the service range",
                metadata: ["old": "\(current["spec"]["clusterIP"].stringValue)", "new": "\(clusterIP)"])
            try await client.delete(.services, namespace: Self.namespace, name: Self.name)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }

    private func ensure(
        _ resource: ResourcePath, _ wanted: JSON, _ adjust: (inout JSON, JSON) -> Void
    ) async throws {
        do {
            let current = try await client.get(resource, namespace: Self.namespace, name: Self.name)
            var object = current
            for (key, value) in wanted["metadata"]["labels"].object ?? JSONObject() {
                object["metadata"]["labels"][key] = value
            }
            adjust(&object, wanted)
            if object != current { try await client.update(resource, object) }
        } catch let error as StatusError where error.isNotFound {
            try await client.create(resource, namespace: Self.namespace, wanted)
        }
    }

    private func object(_ resource: ResourcePath, labels: JSON) -> JSON {
        [
            "kind": .string(resource.kind), "apiVersion": .string(resource.apiVersion),
            "metadata": ["name": .string(Self.name), "namespace": .string(Self.namespace), "labels": labels],
        ]
    }

    private var service: JSON {
        var service = object(.services, labels: ["component": "apiserver", "provider": "kubernetes"])
        service["spec"] = [
            "type": "ClusterIP", "clusterIP": .string("\(clusterIP)"), "clusterIPs": [.string("\(clusterIP)")],
            "ports": [["name": "https", "port": 443, "protocol": "TCP", "targetPort": .int(Int64(port))]],
            "sessionAffinity": "None",
        ]
        return service
    }

    private var portJSON: JSON { ["name": "https", "port": .int(Int64(port)), "protocol": "TCP"] }

    /// Not mirrored: its slice is made here.
    private var endpoints: JSON {
        var endpoints = object(.endpoints, labels: ["endpointslice.kubernetes.io/skip-mirror": "true"])
        endpoints["subsets"] = [["addresses": [["ip": .string("\(endpoint)")]], "ports": [portJSON]]]
        return endpoints
    }

    private var slice: JSON {
        var slice = object(.endpointSlices, labels: ["kubernetes.io/service-name": "kubernetes"])
        slice["addressType"] = endpoint.isIPv4 ? "IPv4" : "IPv6"
        slice["endpoints"] = [["addresses": [.string("\(endpoint)")], "conditions": ["ready": true]]]
        slice["ports"] = [portJSON]
        return slice
    }
}
