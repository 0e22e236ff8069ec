import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct NamespaceStrategyTests {
    private let server: TestServer
    init() async throws { server = try await TestServer(namespaces: ["default", "kube-system", "team"]) }

    private func finalize(_ name: String) async throws {
        var namespace = try await server.admin.get(.namespaces, name: name)
        namespace["spec"]["finalizers"] = []
        try await server.admin.update(.namespaces, subresource: "finalize", namespace)
    }

    @Test func aNamespaceBeginsActiveWithItsFinalizerAndItsName() async throws {
        let namespace = try await server.admin.create(
            .namespaces, ["metadata": ["name": "a"], "status": ["phase": "Terminating"]])
        #expect(namespace["spec"]["finalizers"] == ["kubernetes"])
        #expect(namespace["status"]["phase"] == "Active")
        #expect(namespace.labels["kubernetes.io/metadata.name"] == "a")
    }

    @Test func anUpdateDoesNotTouchFinalizersOrStatus() async throws {
        var namespace = try await server.admin.get(.namespaces, name: "team")
        namespace["spec"]["finalizers"] = []
        namespace["status"]["phase"] = "Terminating"
        namespace["metadata"]["labels"]["a"] = "b"
        let stored = try await server.admin.update(.namespaces, namespace)
        #expect(stored["spec"]["finalizers"] == ["kubernetes"] && stored["status"]["phase"] == "Active")
        #expect(stored.labels["a"] == "b")
    }

    @Test(arguments: ["default", "kube-system"]) func theClustersOwnNamespacesStay(_ name: String) async {
        let error = await refusal { try await server.admin.delete(.namespaces, name: name) }
        #expect(error?.code == 403)
        #expect(error?.message == "namespaces \"\(name)\" is forbidden: this namespace may not be deleted")
    }

    @Test func deletionWaitsForTheFinalizers() async throws {
        let going = try await server.admin.delete(.namespaces, name: "team")
        #expect(going["status"]["phase"] == "Terminating" && going.isDeleting)
        #expect(await refusal { try await server.admin.get(.namespaces, name: "team") } == nil)
        try await finalize("team")
        #expect(await refusal { try await server.admin.get(.namespaces, name: "team") }?.isNotFound == true)
    }

    @Test func nothingIsMadeInANamespaceThatGoes() async throws {
        try await server.admin.delete(.namespaces, name: "team")
        let error = await refusal {
            try await server.admin.create(.configMaps, namespace: "team", ["metadata": ["name": "x"]])
        }
        #expect(error?.code == 403)
        #expect(
            error?.message
                == "configmaps \"x\" is forbidden: unable to create new content in namespace team because it is being terminated"
        )
        #expect(
            error?.details["causes"] == [
                [
                    "reason": "NamespaceTerminating", "message": "namespace team is being terminated",
                    "field": "metadata.namespace",
                ]
            ])
    }

    @Test func nothingIsMadeInANamespaceThatIsNotThere() async {
        let error = await refusal {
            try await server.admin.create(.configMaps, namespace: "nowhere", ["metadata": ["name": "x"]])
        }
        #expect(error?.code == 404 && error?.message == "namespaces \"nowhere\" not found")
    }

    @Test func namesAreOneLabel() async {
        let error = await refusal { try await server.admin.create(.namespaces, ["metadata": ["name": "a.b"]]) }
        #expect(
            error?.message
                == #"Namespace "a.b" is invalid: metadata.name: Invalid value: "a.b": must not contain dots"#)
    }

    @Test func thePhaseFollowsTheDeletion() async throws {
        var namespace = try await server.admin.get(.namespaces, name: "team")
        namespace["status"]["phase"] = "Terminating"
        let error = await refusal { try await server.admin.update(.namespaces, subresource: "status", namespace) }
        #expect(
            error?.message
                == #"Namespace "team" is invalid: status.Phase: Invalid value: "Terminating": may only be 'Active' if `deletionTimestamp` is empty"#
        )
    }

    @Test func finalizersOfOthersAreQualifiedNames() async {
        let error = await refusal {
            try await server.admin.create(.namespaces, ["metadata": ["name": "a"], "spec": ["finalizers": ["mine"]]])
        }
        #expect(
            error?.message
                == #"Namespace "a" is invalid: spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified"#
        )
    }
}
