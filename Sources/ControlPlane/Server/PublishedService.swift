import KubeAPI
import Logging

/// A port of a service that runs on the node itself.
struct PublishedPort: Sendable {
    let name: String
    let proto: String
    /// At the service's address.
    let port: Int
    /// At the node's.
    let target: Int
}

/// Keeps a service of our own and its endpoints right: `default/kubernetes`, the way from pods to this server, and
/// `kube-system/kube-dns`. Whoever changes or deletes them finds them again at once.
struct PublishedService: Sendable {
    let client: any APIClient
    let namespace: String
    let name: String
    let labels: [String: String]
    let clusterIP: IPAddress
    /// This server's.
    let endpoint: IPAddress
    /// Those of all servers there are, this one's among them.
    let endpoints: @Sendable () async throws -> [String]
    let ports: [PublishedPort]
    let log: Logger

    /// How often a server says that it is there, where there may be others.
    private static let announcement = Duration.seconds(10)

    private static let resources: [ResourcePath] = [.services, .endpoints, .endpointSlices]

    /// The API at the first address of the service range.
    static func kubernetes(
        client: any APIClient, store: any Store, clusterIP: IPAddress, endpoint: IPAddress, port: Int, log: Logger
    ) -> PublishedService {
        PublishedService(
            client: client, namespace: "default", name: "kubernetes",
            labels: ["component": "apiserver", "provider": "kubernetes"], clusterIP: clusterIP, endpoint: endpoint,
            endpoints: { try await store.announce("\(endpoint)", as: "kubernetes") },
            ports: [PublishedPort(name: "https", proto: "TCP", port: 443, target: port)], log: log)
    }

    /// The cluster's DNS, under the name and labels that tools look for.
    static func dns(
        client: any APIClient, store: any Store, _ dns: ClusterDNS, endpoint: IPAddress, log: Logger
    ) -> PublishedService {
        PublishedService(
            client: client, namespace: "kube-system", name: "kube-dns",
            labels: [
                "k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS",
            ], clusterIP: dns.address, endpoint: endpoint,
            endpoints: { try await store.announce("\(endpoint)", as: "kube-dns") },
            ports: [
                PublishedPort(name: "dns", proto: "UDP", port: 53, target: dns.port),
                PublishedPort(name: "dns-tcp", proto: "TCP", port: 53, target: dns.port),
            ], log: log)
    }

    /// Makes the three objects and watches them until the task is cancelled. `isShared`: other servers come and go.
    func run(isShared: Bool) async {
        let (changes, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let informers = Self.resources.map {
            Informer(
                client, $0, namespace: namespace, fieldSelector: "metadata.name=\(name)", log: log)
        }
        for informer in informers { informer.onEvent { _ in signal.yield() } }
        // Where there is nothing yet, nothing is reported.
        signal.yield()
        await withTaskGroup(of: Void.self) { group in
            for informer in informers { group.addTask { await informer.run() } }
            if isShared {
                group.addTask {
                    while !Task.isCancelled {
                        try? await Task.sleep(for: Self.announcement)  // cancellation is seen by the loop's condition
                        signal.yield()
                    }
                }
            }
            group.addTask {
                var backoff = Backoff(first: .milliseconds(50), limit: .seconds(10))
                for await _ in changes {
                    do {
                        try await reconcile()
                        backoff.reset()
                    } catch {
                        if Task.isCancelled { return }
                        log.warning(
                            "cannot keep service", metadata: ["service": "\(namespace)/\(name)", "err": "\(error)"])
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
        let family = endpoint.family
        let addresses = try await endpoints().compactMap { IPAddress($0) }.filter { $0.family == family }
        try await ensure(.endpoints, endpointsObject(addresses)) { current, wanted in
            current["subsets"] = wanted["subsets"]
        }
        try await ensure(.endpointSlices, slice(addresses)) { current, wanted in
            for field in ["endpoints", "ports"] { current[field] = wanted[field] }
        }
    }

    /// A service keeps its address for life: one with another than ours, from before the service range was changed, has
    /// to go.
    private func removeForeign() async throws {
        do {
            let current = try await client.get(.services, namespace: namespace, name: name)
            if current["spec"]["clusterIP"].string == "\(clusterIP)" { return }
            log.notice(
                "replacing a service whose address is not the one of the service range",
                metadata: [
                    "service": "\(namespace)/\(name)", "old": "\(current["spec"]["clusterIP"].stringValue)",
                    "new": "\(clusterIP)",
                ])
            try await client.delete(.services, namespace: namespace, name: name)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }

    private func ensure(
        _ resource: ResourcePath, _ wanted: JSON, _ adjust: (inout JSON, JSON) -> Void
    ) async throws {
        do {
            let current = try await client.get(resource, namespace: namespace, name: name)
            var object = current
            for (key, value) in wanted["metadata"]["labels"].object ?? JSONObject() {
                object["metadata"]["labels"][key] = value
            }
            adjust(&object, wanted)
            if object != current { try await client.update(resource, object) }
        } catch let error as StatusError where error.isNotFound {
            try await client.create(resource, namespace: namespace, wanted)
        }
    }

    private func object(_ resource: ResourcePath, labels: JSON) -> JSON {
        [
            "kind": .string(resource.kind), "apiVersion": .string(resource.apiVersion),
            "metadata": ["name": .string(name), "namespace": .string(namespace), "labels": labels],
        ]
    }

    private var service: JSON {
        var service = object(.services, labels: JSON(labels))
        service["spec"] = [
            "type": "ClusterIP", "clusterIP": .string("\(clusterIP)"), "clusterIPs": [.string("\(clusterIP)")],
            "ports": .array(
                ports.map {
                    [
                        "name": .string($0.name), "port": .int(Int64($0.port)), "protocol": .string($0.proto),
                        "targetPort": .int(Int64($0.target)),
                    ]
                }),
            "sessionAffinity": "None",
        ]
        return service
    }

    private var portsJSON: JSON {
        .array(
            ports.map {
                ["name": .string($0.name), "port": .int(Int64($0.target)), "protocol": .string($0.proto)]
            })
    }

    /// Not mirrored: its slice is made here.
    private func endpointsObject(_ addresses: [IPAddress]) -> JSON {
        var endpoints = object(.endpoints, labels: ["endpointslice.kubernetes.io/skip-mirror": "true"])
        endpoints["subsets"] = [
            ["addresses": .array(addresses.map { ["ip": .string("\($0)")] }), "ports": portsJSON]
        ]
        return endpoints
    }

    private func slice(_ addresses: [IPAddress]) -> JSON {
        var slice = object(.endpointSlices, labels: ["kubernetes.io/service-name": .string(name)])
        slice["addressType"] = endpoint.isIPv4 ? "IPv4" : "IPv6"
        slice["endpoints"] = .array(
            addresses.map { ["addresses": [.string("\($0)")], "conditions": ["ready": true]] })
        slice["ports"] = portsJSON
        return slice
    }
}
