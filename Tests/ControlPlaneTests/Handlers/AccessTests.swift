import KubeAPI
import Testing

@testable import ControlPlane

/// Who may do what, through the door that everybody uses.
@Suite struct AccessTests {
    private let server: TestServer
    init() async throws { server = try await TestServer(namespaces: ["default", "kube-node-lease"]) }

    private func makePod(_ name: String, on node: String?) async throws {
        try await server.admin.create(
            .pods, namespace: "default",
            [
                "metadata": ["name": .string(name)],
                "spec": ["nodeName": JSON(node), "containers": [["name": "c", "image": "i"]]],
            ])
    }

    @Test func anonymousReachesHealthAndVersionAlone() async throws {
        server.context.health.add("ping", .live) { nil }
        for path in ["/healthz", "/livez", "/readyz", "/version"] {
            #expect(try await server.get(path, as: .anonymous).status == 200, "\(path)")
        }
        let root = try await server.get("/", as: .anonymous)
        #expect(root.status == 403)
        #expect(root.json["message"] == "forbidden: User \"system:anonymous\" cannot get path \"/\"")
        let pods = try await server.get("/api/v1/namespaces/default/pods", as: .anonymous)
        #expect(pods.status == 403 && pods.json["reason"] == "Forbidden")
        #expect(
            pods.json["message"]
                == "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
        )
        // Also of what does not exist nothing is told.
        #expect(try await server.get("/nothing", as: .anonymous).status == 403)
    }

    @Test func aRefusedWriteWritesNothing() async throws {
        let revision = server.store.revision
        let object: JSON = ["metadata": ["name": "x"]]
        #expect(
            try await server.send("POST", "/api/v1/namespaces/default/configmaps", object, as: .anonymous).status == 403
        )
        #expect(server.store.revision == revision)
    }

    @Test func aNodeWatchesItselfByName() async throws {
        let node = UserInfo.node("n1")
        let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        #expect(try await server.get("\(lease)/n1", as: node).status == 404)
        #expect(try await server.get("\(lease)/n2", as: node).status == 403)
        #expect(try await server.get("/api/v1/nodes?fieldSelector=metadata.name%3Dn1", as: node).status == 200)
        #expect(try await server.get("/api/v1/nodes?fieldSelector=metadata.name%3Dn2", as: node).status == 403)
        #expect(try await server.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", as: node).status == 200)
        #expect(try await server.send("DELETE", "/api/v1/namespaces/default/secrets", as: node).status == 403)
    }

    @Test func aNodeMakesItselfAndNoOther() async throws {
        let client = server.client(as: .node("n1"))
        _ = try await client.create(.nodes, ["metadata": ["name": "n1"]])
        let error = await refusal { try await client.create(.nodes, ["metadata": ["name": "n2"]]) }
        #expect(error?.message == "nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node \"n2\"")
        try await server.admin.create(.nodes, ["metadata": ["name": "n2"]])
        for subresource in [nil, "status"] {
            let patch = await refusal {
                try await client.patch(
                    .nodes, name: "n2", subresource: subresource, ["metadata": ["labels": ["a": "b"]]])
            }
            #expect(
                patch?.message == "nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node \"n2\"")
        }
        #expect(await refusal { try await client.delete(.nodes, name: "n1") }?.code == 403)
        let lease = await refusal {
            try await client.create(.leases, namespace: "kube-node-lease", ["metadata": ["name": "n2"]])
        }
        #expect(
            lease?.message.hasSuffix("can only access node lease with the same name as the requesting node") == true)
        _ = try await client.create(.leases, namespace: "kube-node-lease", ["metadata": ["name": "n1"]])
    }

    @Test func aNodeWritesAboutItsOwnPods() async throws {
        try await makePod("mine", on: "n1")
        try await makePod("others", on: "n2")
        try await makePod("nobodys", on: nil)
        let client = server.client(as: .node("n1"))
        let patch: JSON = ["status": ["phase": "Running"]]
        func patchStatus(_ name: String) async -> StatusError? {
            await refusal {
                try await client.patch(
                    .pods, namespace: "default", name: name, subresource: "status", type: .strategic, patch)
            }
        }
        #expect(await patchStatus("mine") == nil)
        for name in ["others", "nobodys"] {
            #expect(
                await patchStatus(name)?.message
                    == "pods \"\(name)\" is forbidden: node \"n1\" can only update pod status for pods with spec.nodeName set to itself"
            )
            let deletion = await refusal { try await client.delete(.pods, namespace: "default", name: name) }
            #expect(deletion?.code == 403)
        }
        try await client.delete(.pods, namespace: "default", name: "mine", options: ["gracePeriodSeconds": 0])
    }

    @Test func aNodeMakesMirrorPodsAlone() async throws {
        let client = server.client(as: .node("n1"))
        let node = try await client.create(.nodes, ["metadata": ["name": "n1"]])
        func make(_ name: String, node nodeName: String, mirror: Bool) async -> StatusError? {
            var metadata: JSON = [
                "name": .string(name),
                "ownerReferences": [
                    ["apiVersion": "v1", "kind": "Node", "name": "n1", "uid": .string(node.uid), "controller": true]
                ],
            ]
            if mirror { metadata["annotations"] = ["kubernetes.io/config.mirror": "hash"] }
            let pod: JSON = [
                "metadata": metadata,
                "spec": ["nodeName": .string(nodeName), "containers": [["name": "c", "image": "i"]]],
            ]
            return await refusal { try await client.create(.pods, namespace: "default", pod) }
        }
        #expect(await make("a", node: "n1", mirror: true) == nil)
        #expect(await make("b", node: "n1", mirror: false)?.message.contains("can only create mirror pods") == true)
        #expect(
            await make("c", node: "n2", mirror: true)?.message.hasSuffix(
                "can only create pods with spec.nodeName set to itself") == true)
    }

    @Test func componentsHaveTheirOwnRights() async throws {
        try await makePod("p", on: nil)
        let binding: JSON = ["metadata": ["name": "p"], "target": ["kind": "Node", "name": "n"]]
        let scheduler = server.client(as: .scheduler)
        #expect(
            await refusal { try await scheduler.create(.secrets, namespace: "default", ["metadata": ["name": "s"]]) }?
                .code == 403)
        try await scheduler.create(.pods, namespace: "default", name: "p", subresource: "binding", binding)
        #expect(await refusal { try await server.client(as: .proxy).list(.secrets) }?.code == 403)
        _ = try await server.client(as: .proxy).list(.services)
    }
}
