import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct GarbageCollectorTests {
    private let cluster: RunningControllers
    init() async throws {
        let server = try await TestServer()
        let resources = server.registry.all.filter { $0.type.verbs.contains("list") }.map(\.type.path)
        cluster = try await RunningControllers(server) { client, informers, _ in
            [GarbageCollector(client: client, informers: informers, resources: resources, log: quiet)]
        }
    }

    private func reference(_ owner: JSON, blocks: Bool = true) -> JSON {
        [
            "apiVersion": .string(owner.apiVersion), "kind": .string(owner.kind), "name": .string(owner.name),
            "uid": .string(owner.uid), "blockOwnerDeletion": .bool(blocks),
        ]
    }

    @discardableResult
    private func make(_ name: String, ownedBy owners: [JSON] = [], finalizers: [String] = []) async throws -> JSON {
        var metadata: JSON = ["name": .string(name)]
        if !owners.isEmpty { metadata["ownerReferences"] = .array(owners) }
        if !finalizers.isEmpty { metadata["finalizers"] = JSON(finalizers) }
        return try await cluster.admin.create(.configMaps, namespace: "default", ["metadata": metadata])
    }

    private func isThere(_ name: String) async throws -> Bool { try await cluster.get(.configMaps, name) != nil }

    private func goes(_ name: String) async throws -> Bool { try await eventually { try await !isThere(name) } }

    /// Returns once the collector has done all that it had to: it deletes what is marked last.
    private func settle() async throws {
        let owner = try await make("settle-owner-\(UInt32.random(in: 0...UInt32.max))")
        let name = owner.name + "-dependent"
        try await make(name, ownedBy: [reference(owner)])
        try await cluster.deleteNow(.configMaps, owner.name)
        #expect(try await goes(name))
    }

    private func removeFinalizer(_ name: String) async throws {
        try await cluster.admin.patch(
            .configMaps, namespace: "default", name: name, ["metadata": ["finalizers": []]])
    }

    @Test func whatIsOwnedGoesWithItsOwner() async throws {
        let owner = try await make("owner")
        let child = try await make("child", ownedBy: [reference(owner)])
        try await make("grandchild", ownedBy: [reference(child)])
        try await make("stranger")
        try await cluster.deleteNow(.configMaps, "owner", policy: "Background")
        #expect(try await goes("child"))
        #expect(try await goes("grandchild"))
        #expect(try await isThere("stranger"))
    }

    @Test func oneOwnerThatIsLeftIsEnough() async throws {
        let first = try await make("first")
        let second = try await make("second")
        try await make("child", ownedBy: [reference(first), reference(second)])
        try await cluster.deleteNow(.configMaps, "first")
        #expect(
            try await eventually {
                try await cluster.get(.configMaps, "child")?.ownerReferences.map { $0["name"] } == ["second"]
            })
        try await cluster.deleteNow(.configMaps, "second")
        #expect(try await goes("child"))
    }

    @Test func anOwnerThatWasNeverThereIsGone() async throws {
        let owner = try await make("owner")
        var ghost = reference(owner)
        ghost["uid"] = "00000000-0000-0000-0000-000000000000"
        // The name is there, but it is another object.
        try await make("child", ownedBy: [ghost])
        #expect(try await goes("child"))
        #expect(try await isThere("owner"))
    }

    @Test func ownersOfUnknownKindsAreNotJudged() async throws {
        try await make("child", ownedBy: [["apiVersion": "example.com/v1", "kind": "Thing", "name": "t", "uid": "1"]])
        try await settle()
        #expect(try await isThere("child"))
    }

    @Test func orphansStayWithoutTheirOwner() async throws {
        let owner = try await make("owner")
        try await make("child", ownedBy: [reference(owner)])
        try await settle()
        try await cluster.deleteNow(.configMaps, "owner", policy: "Orphan")
        #expect(try await goes("owner"))
        try await settle()
        #expect(try await cluster.get(.configMaps, "child")?.ownerReferences == [])
    }

    @Test func inTheForegroundTheOwnerGoesLast() async throws {
        let owner = try await make("owner")
        let child = try await make("child", ownedBy: [reference(owner)], finalizers: ["test/hold"])
        try await make("grandchild", ownedBy: [reference(child)])
        try await settle()
        try await cluster.deleteNow(.configMaps, "owner", policy: "Foreground")
        #expect(try await goes("grandchild"))
        #expect(try await eventually { try await cluster.get(.configMaps, "child")?.isDeleting == true })
        try await settle()
        #expect(try await cluster.get(.configMaps, "owner")?.finalizers == ["foregroundDeletion"])
        try await removeFinalizer("child")
        #expect(try await goes("child"))
        #expect(try await goes("owner"))
    }

    @Test func whoDoesNotBlockIsNotWaitedFor() async throws {
        let owner = try await make("owner")
        try await make("child", ownedBy: [reference(owner, blocks: false)], finalizers: ["test/hold"])
        try await settle()
        try await cluster.deleteNow(.configMaps, "owner", policy: "Foreground")
        #expect(try await goes("owner"))
        #expect(try await eventually { try await cluster.get(.configMaps, "child")?.isDeleting == true })
        try await removeFinalizer("child")
        #expect(try await goes("child"))
    }

    @Test func circlesInTheForegroundEnd() async throws {
        let first = try await make("first")
        let second = try await make("second", ownedBy: [reference(first)])
        try await cluster.admin.patch(
            .configMaps, namespace: "default", name: "first", ["metadata": ["ownerReferences": [reference(second)]]])
        try await settle()
        try await cluster.deleteNow(.configMaps, "first", policy: "Foreground")
        #expect(try await goes("first"))
        #expect(try await goes("second"))
    }

    @Test func podsGoWithTheirReplicationController() async throws {
        let controller = try await cluster.admin.create(
            .replicationControllers, namespace: "default",
            [
                "metadata": ["name": "web"],
                "spec": [
                    "template": [
                        "metadata": ["labels": ["app": "web"]], "spec": ["containers": [["name": "c", "image": "i"]]],
                    ]
                ],
            ])
        var pod = Sample.pod("web-1")
        pod["metadata"]["ownerReferences"] = [controller.ownerReference()]
        try await cluster.createPod(pod)
        try await cluster.deleteNow(.replicationControllers, "web", policy: "Background")
        #expect(try await eventually { try await cluster.get(.pods, "web-1") == nil })
    }

    @Test func whatNodesOwnIsFoundOutsideNamespaces() async throws {
        let node = try await cluster.admin.create(.nodes, Sample.node("a"))
        try await make("child", ownedBy: [reference(node)])
        try await settle()
        #expect(try await isThere("child"))
        try await cluster.deleteNow(.nodes, "a")
        #expect(try await goes("child"))
    }
}
