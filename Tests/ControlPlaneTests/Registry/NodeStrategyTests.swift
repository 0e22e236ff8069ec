import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct NodeStrategyTests {
    private let server: TestServer
    init() async throws { server = try await TestServer() }

    private static let ready: JSON = ["conditions": [["type": "Ready", "status": "True"]]]

    @discardableResult
    private func create(_ name: String, _ spec: JSON = .null, status: JSON = ready, as user: UserInfo = .apiserver)
        async throws -> JSON
    {
        try await server.client(as: user).create(
            .nodes, ["metadata": ["name": .string(name)], "spec": spec, "status": status])
    }

    private func why(_ body: () async throws -> some Any) async -> String? { await refusal(body)?.message }

    @Test func aNodeBringsItsStatus() async throws {
        let node = try await create("a", status: ["capacity": ["cpu": "2"], "conditions": Self.ready["conditions"]])
        #expect(node["status"]["capacity"]["cpu"] == "2" && node["status"]["allocatable"]["cpu"] == "2")
        #expect(node["spec"]["taints"].isNull)
    }

    @Test func aNodeThatIsNotReadyIsTaintedFromTheBeginning() async throws {
        let node = try await create("a", status: .null)
        #expect(node["spec"]["taints"] == [["key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"]])
    }

    @Test func bothRangeFieldsSayTheSame() async throws {
        let node = try await create("a", ["podCIDR": "10.244.1.0/24"])
        #expect(node["spec"]["podCIDRs"] == ["10.244.1.0/24"])
        let other = try await create("b", ["podCIDRs": ["10.244.2.0/24"]])
        #expect(other["spec"]["podCIDR"] == "10.244.2.0/24")
    }

    @Test func aRangeStaysOnceItIsSet() async throws {
        try await create("a")
        try await server.admin.patch(.nodes, name: "a", ["spec": ["podCIDR": "10.244.1.0/24"]])
        #expect(
            await why { try await server.admin.patch(.nodes, name: "a", ["spec": ["podCIDR": "10.244.2.0/24"]]) }
                == "Node \"a\" is invalid: spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"
        )
    }

    @Test func noTwoNodesHaveTheSameRange() async throws {
        try await create("a", ["podCIDR": "10.244.0.0/22"])
        #expect(
            await why { try await create("b", ["podCIDR": "10.244.1.0/24"]) }
                == #"Node "b" is invalid: spec.podCIDRs: Invalid value: []string{"10.244.1.0/24"}: overlaps the range of node "a""#
        )
        try await server.admin.delete(.nodes, name: "a")
        #expect(await why { try await create("b", ["podCIDR": "10.244.1.0/24"]) } == nil)
    }

    @Test func rangesAreRanges() async {
        #expect(
            await why { try await create("a", ["podCIDR": "10.244.1.0"]) }
                == #"Node "a" is invalid: spec.podCIDRs[0]: Invalid value: "10.244.1.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#
        )
    }

    @Test func taintsAreUniqueByKeyAndEffect() async {
        let taint: JSON = ["key": "a", "effect": "NoSchedule"]
        let why = await why { try await create("a", ["taints": [taint, taint]]) }
        #expect(
            why
                == #"Node "a" is invalid: metadata.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule"}: taints must be unique by key and effect pair"#
        )
        let bad = await self.why { try await create("a", ["taints": [["key": "a/b/c", "effect": "Sometimes"]]]) }
        #expect(bad?.contains(#"metadata.taints[0].key: Invalid value: "a/b/c": a valid label key must"#) == true)
        #expect(bad?.contains(#"Unsupported value: "Sometimes""#) == true)
    }

    @Test func statusIsItsOwnHalf() async throws {
        var node = try await create("a")
        node["spec"]["unschedulable"] = true
        node["status"]["capacity"] = ["cpu": "4"]
        let stored = try await server.admin.update(.nodes, subresource: "status", node)
        #expect(stored["status"]["capacity"]["cpu"] == "4" && stored["spec"]["unschedulable"].isNull)
        node["metadata"]["resourceVersion"] = .null
        node["status"] = [:]
        let spec = try await server.admin.update(.nodes, node)
        #expect(spec["spec"]["unschedulable"] == true && spec["status"]["capacity"]["cpu"] == "4")
    }
}

@Suite struct KubeletLimitsTests {
    private let server: TestServer
    private let kubelet: InProcessClient
    init() async throws {
        server = try await TestServer()
        kubelet = server.client(as: .node("a"))
        try await kubelet.create(
            .nodes,
            [
                "metadata": ["name": "a", "labels": ["kubernetes.io/hostname": "a", "mine": "x"]],
                "spec": ["taints": [["key": "k", "effect": "NoSchedule"]]],
                "status": ["conditions": [["type": "Ready", "status": "True"]]],
            ])
    }

    private func mirror(_ change: (inout JSON) -> Void = { _ in }) async throws -> JSON {
        let uid = try await server.admin.get(.nodes, name: "a").uid
        var pod: JSON = [
            "metadata": [
                "name": "static-a", "annotations": ["kubernetes.io/config.mirror": "hash"],
                "ownerReferences": [
                    ["apiVersion": "v1", "kind": "Node", "name": "a", "uid": .string(uid), "controller": true]
                ],
            ],
            "spec": ["nodeName": "a", "containers": [["name": "c", "image": "i"]]],
        ]
        change(&pod)
        return try await kubelet.create(.pods, namespace: "default", pod)
    }

    private func why(_ change: (inout JSON) -> Void) async -> String? {
        await refusal { try await mirror(change) }?.message
    }

    @Test func aNodeReportsItsStaticPods() async throws {
        let pod = try await mirror()
        #expect(pod["spec"]["serviceAccountName"].isNull && pod["spec"]["nodeName"] == "a")
    }

    @Test func aMirrorPodBelongsToItsNode() async {
        #expect(
            await why { $0["metadata"]["ownerReferences"] = .null }
                == #"pods "static-a" is forbidden: node "a" can only create pods with an owner reference set to itself"#
        )
        #expect(
            await why { $0["metadata"]["ownerReferences"][0]["uid"] = "other" }?
                .hasPrefix(#"pods "static-a" is forbidden: node a UID mismatch: expected other got "#) == true)
        #expect(await why { $0["spec"]["nodeName"] = "b" } != nil)
        #expect(await why { $0["metadata"]["annotations"] = .null } != nil)
    }

    @Test func aMirrorPodShowsItsNodeNothing() async {
        let forbidden = #"pods "static-a" is forbidden: node "a" can not create pods that reference "#
        #expect(
            await why { $0["spec"]["serviceAccountName"] = "admin" }
                == #"pods "static-a" is forbidden: a mirror pod may not reference service accounts"#)
        #expect(
            await why { $0["spec"]["volumes"] = [["name": "v", "secret": ["secretName": "s"]]] } == forbidden
                + "secrets")
        #expect(
            await why {
                $0["spec"]["containers"][0]["envFrom"] = [["configMapRef": ["name": "s"]]]
            } == forbidden + "configmaps")
    }

    @Test func aNodeDoesNotChangeItsTaintsOrTrustedLabels() async throws {
        let taints = await refusal { try await kubelet.patch(.nodes, name: "a", ["spec": ["taints": []]]) }
        #expect(taints?.message == #"nodes "a" is forbidden: node "a" is not allowed to modify taints"#)
        let labels = await refusal {
            try await kubelet.patch(
                .nodes, name: "a", ["metadata": ["labels": ["node-restriction.kubernetes.io/x": "y"]]])
        }
        #expect(
            labels?.message
                == #"nodes "a" is forbidden: is not allowed to modify labels: node-restriction.kubernetes.io/x"#)
        try await kubelet.patch(
            .nodes, name: "a", ["metadata": ["labels": ["topology.kubernetes.io/zone": "z", "mine": "y"]]])
    }

    @Test func othersMayDoAllOfThis() async throws {
        try await server.admin.patch(
            .nodes, name: "a",
            ["metadata": ["labels": ["node-restriction.kubernetes.io/x": "y"]], "spec": ["taints": []]])
    }
}
