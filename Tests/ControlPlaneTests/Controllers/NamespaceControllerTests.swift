import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct NamespaceControllerTests {
    private let cluster: RunningControllers
    init() async throws {
        let server = try await TestServer(namespaces: ["default", "team"])
        let resources = server.registry.all.filter { $0.type.verbs.contains("list") }.map(\.type.path)
        cluster = try await RunningControllers(server) { client, informers, _ in
            [
                NamespaceDeletion(client: client, informers: informers, resources: resources, log: quiet),
                ServiceAccounts(client: client, informers: informers, log: quiet),
            ]
        }
    }

    private func conditions() async throws -> [String: JSON] {
        let namespace = try await cluster.get(.namespaces, "team")
        return Dictionary(
            (namespace?["status"]["conditions"].items ?? []).map { ($0["type"].stringValue, $0) },
            uniquingKeysWith: { first, _ in first })
    }

    private func isGone() async throws -> Bool {
        try await eventually { try await cluster.get(.namespaces, "team") == nil }
    }

    @Test func everyNamespaceGetsItsServiceAccount() async throws {
        let has = { (namespace: String) in
            try await eventually { try await cluster.list(.serviceAccounts, namespace).map(\.name) == ["default"] }
        }
        #expect(try await has("default"))
        try await cluster.admin.create(.namespaces, ["metadata": ["name": "late"]])
        #expect(try await has("late"))
        try await cluster.deleteNow(.serviceAccounts, "default")
        #expect(try await has("default"))
    }

    @Test func itsContentGoesFirst() async throws {
        for name in ["a", "b"] {
            try await cluster.admin.create(.configMaps, namespace: "team", ["metadata": ["name": .string(name)]])
        }
        try await cluster.admin.create(.pods, namespace: "team", Self.pod("p"))
        try await cluster.admin.create(
            .services, namespace: "team", ["metadata": ["name": "web"], "spec": ["ports": [["port": 80]]]])
        try await cluster.admin.create(.configMaps, namespace: "default", ["metadata": ["name": "stays"]])
        try await cluster.deleteNow(.namespaces, "team")
        #expect(try await isGone())
        for resource in [ResourcePath.configMaps, .pods, .services, .serviceAccounts] {
            #expect(try await cluster.list(resource, "team").isEmpty)
        }
        #expect(try await cluster.get(.configMaps, "stays") != nil)
    }

    @Test func whatHoldsItIsInItsConditions() async throws {
        try await cluster.admin.create(
            .configMaps, namespace: "team", ["metadata": ["name": "held", "finalizers": ["test/hold"]]])
        try await cluster.deleteNow(.namespaces, "team")
        #expect(try await eventually { try await self.conditions()["NamespaceContentRemaining"]?["status"] == "True" })
        let conditions = try await conditions()
        #expect(conditions["NamespaceContentRemaining"]?["reason"] == "SomeResourcesRemain")
        #expect(
            conditions["NamespaceContentRemaining"]?["message"]
                == "Some resources are remaining: configmaps. has 1 resource instances")
        #expect(
            conditions["NamespaceFinalizersRemaining"]?["message"]
                == "Some content in the namespace has finalizers remaining: test/hold in 1 resource instances")
        #expect(conditions["NamespaceDeletionContentFailure"]?["status"] == "False")
        #expect(conditions["NamespaceDeletionDiscoveryFailure"]?["reason"] == "ResourcesDiscovered")
        try await cluster.admin.patch(.configMaps, namespace: "team", name: "held", ["metadata": ["finalizers": []]])
        #expect(try await isGone())
    }

    @Test func itWaitsForPodsToEnd() async throws {
        var pod = Self.pod("p")
        pod["spec"]["nodeName"] = "a"
        try await cluster.admin.create(.pods, namespace: "team", pod)
        try await cluster.deleteNow(.namespaces, "team")
        #expect(
            try await eventually {
                try await conditions()["NamespaceContentRemaining"]?["message"]
                    == "Some resources are remaining: pods. has 1 resource instances"
            })
        #expect(try await cluster.list(.pods, "team").first?.isDeleting == true)
        // Its kubelet has stopped it.
        try await cluster.admin.delete(.pods, namespace: "team", name: "p", options: ["gracePeriodSeconds": 0])
        #expect(try await isGone())
        // The name can be used again.
        try await cluster.admin.create(.namespaces, ["metadata": ["name": "team"]])
    }

    private static func pod(_ name: String) -> JSON {
        var pod = Sample.pod(name)
        pod["metadata"]["namespace"] = .null
        return pod
    }
}
