import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct ScaleTests {
    private let server: TestServer
    private let path = "/api/v1/namespaces/default/replicationcontrollers/rc/scale"

    init() async throws {
        server = try await TestServer()
        try await server.admin.create(
            .replicationControllers, namespace: "default",
            [
                "metadata": ["name": "rc"],
                "spec": [
                    "replicas": 2, "selector": ["b": "2", "a": "1"],
                    "template": [
                        "metadata": ["labels": ["a": "1", "b": "2"]],
                        "spec": ["containers": [["name": "c", "image": "i"]]],
                    ],
                ],
            ])
    }

    private func replicas() async throws -> JSON {
        try await server.admin.get(.replicationControllers, namespace: "default", name: "rc")["spec"]["replicas"]
    }

    @Test func showsReplicasInTheCommonForm() async throws {
        let scale = try await server.get(path).json
        #expect(scale.kind == "Scale" && scale.apiVersion == "autoscaling/v1")
        #expect(scale.name == "rc" && !scale.uid.isEmpty && !scale.resourceVersion.isEmpty)
        #expect(scale["spec"] == ["replicas": 2])
        #expect(scale["status"] == ["replicas": 0, "selector": "a=1,b=2"])
    }

    @Test func isUpdated() async throws {
        var scale = try await server.get(path).json
        scale["spec"]["replicas"] = 5
        let answer = try await server.send("PUT", path, scale)
        #expect(answer.status == 200 && answer.json["spec"] == ["replicas": 5])
        #expect(try await replicas() == 5)
        // Its resource version guards as that of the object would.
        #expect(try await server.send("PUT", path, scale).status == 409)
        scale["metadata"]["resourceVersion"] = .null
        scale["spec"]["replicas"] = .null
        #expect(try await server.send("PUT", path, scale).status == 200)
        #expect(try await replicas() == 0)
    }

    @Test(arguments: [PatchType.merge, .strategic])
    func isPatched(type: PatchType) async throws {
        let answer = try await server.send("PATCH", path, ["spec": ["replicas": 3]], type: type.rawValue)
        #expect(answer.status == 200 && answer.json["spec"] == ["replicas": 3])
        #expect(try await replicas() == 3)
    }

    @Test func aDryRunChangesNothing() async throws {
        let answer = try await server.send(
            "PATCH", "\(path)?dryRun=All", ["spec": ["replicas": 3]], type: PatchType.merge.rawValue)
        #expect(answer.json["spec"] == ["replicas": 3])
        #expect(try await replicas() == 2)
    }

    @Test func fewerThanNoneAreRefused() async throws {
        let answer = try await server.send("PATCH", path, ["spec": ["replicas": -1]], type: PatchType.merge.rawValue)
        #expect(answer.status == 422)
        #expect(
            answer.json["message"]
                == "Scale.autoscaling \"rc\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
        )
    }

    @Test func otherKindsHaveNone() async throws {
        #expect(try await server.get("/api/v1/namespaces/default/configmaps/x/scale").status == 404)
        #expect(try await server.send("DELETE", path).status == 405)
    }
}

@Suite struct BindingTests {
    private let server: TestServer
    private let pod: JSON
    private let path = "/api/v1/namespaces/default/pods/p"

    init() async throws {
        server = try await TestServer()
        pod = try await server.admin.create(
            .pods, namespace: "default",
            ["metadata": ["name": "p"], "spec": ["containers": [["name": "c", "image": "i"]]]])
    }

    private func binding(_ node: String, uid: String? = nil) -> JSON {
        [
            "apiVersion": "v1", "kind": "Binding",
            "metadata": ["name": "p", "namespace": "default", "uid": JSON(uid)],
            "target": ["apiVersion": "v1", "kind": "Node", "name": .string(node)],
        ]
    }

    @Test func aBindingGivesAPodItsNode() async throws {
        let answer = try await server.send("POST", "\(path)/binding", binding("n1", uid: pod.uid))
        #expect(answer.status == 201)
        #expect(
            answer.json == ["kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success", "code": 201])
        let bound = try await server.get(path).json
        #expect(bound["spec"]["nodeName"] == "n1")
        let conditions = bound["status"]["conditions"].items
        #expect(conditions.count == 1 && conditions[0]["type"] == "PodScheduled" && conditions[0]["status"] == "True")
        #expect(Timestamp(conditions[0]["lastTransitionTime"]) != nil)
    }

    @Test func theCollectionOfBindingsDoesTheSame() async throws {
        let answer = try await server.send("POST", "/api/v1/namespaces/default/bindings", binding("n1"))
        #expect(answer.status == 201)
        #expect(try await server.get(path).json["spec"]["nodeName"] == "n1")
    }

    @Test func aPodIsBoundOnce() async throws {
        #expect(try await server.send("POST", "\(path)/binding", binding("n1")).status == 201)
        let answer = try await server.send("POST", "\(path)/binding", binding("n2"))
        #expect(answer.status == 409)
        #expect(
            answer.json["message"]
                == "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n1\"")
    }

    @Test func concurrentSchedulersBindOnce() async throws {
        let wins = Counter()
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<16 {
                group.addTask {
                    let answer = try? await server.send("POST", "\(path)/binding", binding("n\(index)"))
                    if answer?.status == 201 { wins.add(1) } else { #expect(answer?.status == 409) }
                }
            }
        }
        #expect(wins.value == 1)
    }

    @Test func refusals() async throws {
        let uid = try await server.send("POST", "\(path)/binding", binding("n1", uid: "other"))
        #expect(uid.status == 409)
        #expect(
            try await server.send("POST", "/api/v1/namespaces/default/pods/none/binding", binding("n")).status == 400)
        var missing = binding("n1")
        missing["metadata"]["name"] = "none"
        #expect(try await server.send("POST", "/api/v1/namespaces/default/bindings", missing).status == 404)
        var wrong = binding("n1")
        wrong["target"]["kind"] = "Pod"
        wrong["target"]["name"] = .null
        let invalid = try await server.send("POST", "\(path)/binding", wrong)
        #expect(invalid.status == 422)
        #expect(invalid.json["details"]["causes"].items.map { $0["field"] } == ["target.kind", "target.name"])
        try await server.admin.patch(
            .pods, namespace: "default", name: "p", ["metadata": ["finalizers": ["a.example/b"]]])
        try await server.admin.delete(.pods, namespace: "default", name: "p")
        let dying = try await server.send("POST", "\(path)/binding", binding("n1"))
        #expect(dying.json["message"].stringValue.hasSuffix("pod p is being deleted, cannot be assigned to a host"))
    }

    @Test func aDryRunBindsNothing() async throws {
        #expect(try await server.send("POST", "\(path)/binding?dryRun=All", binding("n1")).status == 201)
        #expect(try await server.get(path).json == pod)
    }

    @Test func bindingsAreOnlyMade() async throws {
        #expect(try await server.get("/api/v1/namespaces/default/bindings").status == 405)
        #expect(try await server.get("\(path)/binding").status == 405)
    }
}

@Suite struct EvictionTests {
    private let server: TestServer
    init() async throws { server = try await TestServer() }

    @Test func anEvictionDeletes() async throws {
        try await server.admin.create(
            .pods, namespace: "default",
            ["metadata": ["name": "p"], "spec": ["nodeName": "n", "containers": [["name": "c", "image": "i"]]]])
        let path = "/api/v1/namespaces/default/pods/p"
        let eviction: JSON = [
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": ["name": "p", "namespace": "default"],
            "deleteOptions": ["gracePeriodSeconds": 7],
        ]
        #expect(try await server.send("POST", "\(path)/eviction?dryRun=All", eviction).status == 201)
        #expect(try await !server.get(path).json.isDeleting)
        let answer = try await server.send("POST", "\(path)/eviction", eviction)
        #expect(answer.status == 201 && answer.json["status"] == "Success")
        #expect(try await server.get(path).json["metadata"]["deletionGracePeriodSeconds"] == 7)
        #expect(try await server.send("POST", "/api/v1/namespaces/default/pods/q/eviction", [:] as JSON).status == 404)
    }
}

@Suite struct EphemeralContainerTests {
    private let server: TestServer
    private let pods = "/api/v1/namespaces/default/pods"

    init() async throws {
        server = try await TestServer()
        let pod: JSON = ["metadata": ["name": "p"], "spec": ["containers": [["name": "main", "image": "i"]]]]
        #expect(try await server.send("POST", pods, pod).status == 201)
    }

    private func patch(_ container: JSON) async throws -> Answer {
        try await server.send(
            "PATCH", pods + "/p/ephemeralcontainers",
            ["spec": ["ephemeralContainers": [container], "hostNetwork": true]], type: PatchType.strategic.rawValue)
    }

    @Test func oneIsAddedAndNothingElse() async throws {
        let answer = try await patch(["name": "debugger", "image": "busybox:1", "targetContainerName": "main"])
        #expect(answer.status == 200, "\(answer.text)")
        let pod = try await server.get(pods + "/p").json
        let container = pod["spec"]["ephemeralContainers"][0]
        #expect(container["name"] == "debugger" && container["imagePullPolicy"] == "IfNotPresent")
        #expect(pod["spec"]["hostNetwork"].isNull)
        #expect(pod["metadata"]["managedFields"].items.last?["subresource"] == "ephemeralcontainers")
        // Nobody else's update is in its way.
        var labelled = pod
        labelled["metadata"]["labels"] = ["a": "b"]
        #expect(try await server.send("PUT", pods + "/p", labelled).status == 200)
    }

    @Test func whatIsThereStaysAsItIs() async throws {
        #expect(try await patch(["name": "debugger", "image": "busybox:1"]).status == 200)
        let changed = try await patch(["name": "debugger", "image": "busybox:2"])
        #expect(
            changed.json["message"]
                == "Pod \"p\" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers \"debugger\" may not be changed\n"
        )
        var pod = try await server.get(pods + "/p").json
        pod["spec"]["ephemeralContainers"] = .null
        let removed = try await server.send("PUT", pods + "/p/ephemeralcontainers", pod)
        #expect(removed.json["message"].stringValue.contains("\"debugger\" may not be removed"))
        #expect(try await server.send("PUT", pods + "/p", pod).status == 422)
    }

    @Test(
        arguments: [
            (["name": "main", "image": "i"], "spec.ephemeralContainers[0].name: Duplicate value: \"main\""),
            (
                ["name": "d", "image": "i", "targetContainerName": "x"],
                "spec.ephemeralContainers[0].targetContainerName: Not found: \"x\""
            ),
            (
                ["name": "d", "image": "i", "ports": [["containerPort": 80]]],
                "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container"
            ),
            (
                ["name": "d", "image": "i", "resources": ["limits": ["cpu": "1"]]],
                "spec.ephemeralContainers[0].resources: Forbidden: cannot be set for an Ephemeral Container"
            ),
        ] as [(JSON, String)])
    func whatItMayNotBe(container: JSON, message: String) async throws {
        let answer = try await patch(container)
        #expect(answer.status == 422 && answer.json["message"].stringValue.contains(message), "\(answer.text)")
    }

    @Test func noneFromTheBeginning() async throws {
        let pod: JSON = [
            "metadata": ["name": "q"],
            "spec": [
                "containers": [["name": "main", "image": "i"]], "ephemeralContainers": [["name": "d", "image": "i"]],
            ],
        ]
        let answer = try await server.send("POST", pods, pod)
        #expect(
            answer.json["message"]
                == "Pod \"q\" is invalid: spec.ephemeralContainers: Forbidden: cannot be set on create")
    }

    @Test func aReadinessProbeEndsNothing() async throws {
        let pod: JSON = [
            "metadata": ["name": "q"],
            "spec": [
                "containers": [
                    [
                        "name": "main", "image": "i",
                        "readinessProbe": ["tcpSocket": ["port": 80], "terminationGracePeriodSeconds": 1],
                    ]
                ]
            ],
        ]
        let answer = try await server.send("POST", pods, pod)
        #expect(
            answer.json["message"]
                == "Pod \"q\" is invalid: spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes"
        )
    }
}
