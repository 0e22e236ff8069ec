import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct PodStrategyTests {
    private let server: TestServer
    init() async throws { server = try await TestServer() }

    private func pod(_ spec: JSON = [:], name: String = "web") -> JSON {
        var spec = spec
        if spec["containers"].isNull { spec["containers"] = [["name": "c", "image": "i"]] }
        return ["metadata": ["name": .string(name)], "spec": spec]
    }

    @discardableResult
    private func create(_ spec: JSON = [:], name: String = "web") async throws -> JSON {
        try await server.admin.create(.pods, namespace: "default", pod(spec, name: name))
    }

    private func why(_ spec: JSON) async -> String? { await refusal { try await create(spec) }?.message }

    @Test func aNewPodIsPendingWithWhatAdmissionGives() async throws {
        var given = pod()
        given["status"] = ["phase": "Running", "podIP": "10.0.0.1"]
        let pod = try await server.admin.create(.pods, namespace: "default", given)
        #expect(pod["status"] == ["phase": "Pending", "qosClass": "BestEffort"])
        let spec = pod["spec"]
        #expect(spec["serviceAccountName"] == "default" && spec["serviceAccount"] == "default")
        #expect(spec["priority"] == 0 && spec["preemptionPolicy"] == "PreemptLowerPriority")
        #expect(
            spec["tolerations"].items.map { $0["key"] }
                == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"])
        #expect(spec["tolerations"][0]["tolerationSeconds"] == 300)
        #expect(spec["terminationGracePeriodSeconds"] == 30 && pod.generation == 1)
    }

    @Test func whoBearsEverythingGetsNoBounds() async throws {
        let pod = try await create(["tolerations": [["operator": "Exists"]]])
        #expect(pod["spec"]["tolerations"] == [["operator": "Exists"]])
    }

    @Test func prioritiesComeFromClasses() async throws {
        let pod = try await create(["priorityClassName": "system-node-critical"])
        #expect(pod["spec"]["priority"] == 2_000_001_000)
        #expect(
            await why(["priorityClassName": "mine"])
                == #"pods "web" is forbidden: no PriorityClass with name mine was found"#)
        #expect(
            await why(["priority": 7])
                == #"pods "web" is forbidden: the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name"#
        )
    }

    @Test(arguments: [
        (#"{}"#, "BestEffort"),
        (#"{"requests":{"cpu":"1"}}"#, "Burstable"),
        (#"{"limits":{"cpu":"1"}}"#, "Burstable"),
        (#"{"limits":{"cpu":"1","memory":"1Gi"}}"#, "Guaranteed"),
        (#"{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"1000m","memory":"1024Mi"}}"#, "Guaranteed"),
        (#"{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m"}}"#, "Burstable"),
    ])
    func classesFollowFromResources(_ resources: String, _ expected: String) async throws {
        let pod = try await create([
            "containers": [["name": "c", "image": "i", "resources": try JSON.parse(Array(resources.utf8))]]
        ])
        #expect(pod["status"]["qosClass"].string == expected)
    }

    @Test func gatesAreSaidAtOnce() async throws {
        let pod = try await create(["schedulingGates": [["name": "a/b"]]])
        #expect(pod["status"]["conditions"][0]["reason"] == "SchedulingGated")
    }

    @Test func ofASpecOnlyTheImageChanges() async throws {
        var pod = try await create()
        pod["spec"]["containers"][0]["image"] = "j"
        pod["spec"]["tolerations"].append(["key": "x", "operator": "Exists"])
        pod = try await server.admin.update(.pods, pod)
        #expect(pod["spec"]["containers"][0]["image"] == "j" && pod.generation == 2)
        pod["spec"]["containers"][0]["command"] = ["sh"]
        let error = await refusal { try await server.admin.update(.pods, pod) }
        #expect(
            error?.message.hasPrefix(
                #"Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"#
            ) == true)
    }

    @Test func aBadSpecIsRefusedInKubernetesWords() async {
        #expect(
            await why(["containers": [["name": "c", "image": "i"], ["name": "c", "image": "i"]]])
                == #"Pod "web" is invalid: spec.containers[1].name: Duplicate value: "c""#)
        #expect(await why(["containers": []]) == #"Pod "web" is invalid: spec.containers: Required value"#)
        #expect(
            await why([
                "containers": [["name": "c", "image": "i", "volumeMounts": [["name": "v", "mountPath": "/a"]]]]
            ])
                == #"Pod "web" is invalid: spec.containers[0].volumeMounts[0].name: Not found: "v""#)
        #expect(
            await why(["restartPolicy": "Sometimes"])
                == #"Pod "web" is invalid: spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure""#
        )
        #expect(
            await why([
                "containers": [
                    [
                        "name": "c", "image": "i",
                        "resources": ["requests": ["cpu": "2"], "limits": ["cpu": "1"]],
                    ]
                ]
            ])
                == #"Pod "web" is invalid: spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1"#
        )
    }

    @Test func theKubeletReportsAndGivesNothingAway() async throws {
        var pod = try await create()
        pod["status"]["phase"] = "Running"
        pod["status"]["qosClass"] = "Guaranteed"
        pod["metadata"]["ownerReferences"] = [["apiVersion": "v1", "kind": "Node", "name": "a", "uid": "1"]]
        pod["spec"]["containers"][0]["image"] = "j"
        let stored = try await server.admin.update(.pods, subresource: "status", pod)
        #expect(stored["status"]["phase"] == "Running" && stored["status"]["qosClass"] == "BestEffort")
        #expect(stored.ownerReferences.isEmpty && stored["spec"]["containers"][0]["image"] == "i")
    }
}

@Suite struct MetadataRulesTests {
    private func errors(_ metadata: JSON, _ rule: NameRule = .subdomain) -> [String] {
        var metadata = metadata
        if metadata["name"].isNull { metadata["name"] = "x" }
        return MetadataRules.validate(["metadata": metadata], nameRule: rule, isNamespaced: false).map(\.description)
    }

    @Test func aPrefixMayEndInAHyphen() {
        #expect(errors(["generateName": "web-"]).isEmpty)
        #expect(errors(["generateName": "web-"], .label1035).isEmpty)
        #expect(
            errors(["generateName": "Web-"]).first?.hasPrefix("metadata.generateName: Invalid value: \"Web-\": ")
                == true)
    }

    @Test func annotationsTogetherAreBounded() {
        let half = JSON.string(String(repeating: "a", count: 128 << 10))
        #expect(
            errors(["annotations": ["a": half, "b": half]]) == [
                "metadata.annotations: Too long: may not be more than 262144 bytes"
            ])
        #expect(errors(["annotations": ["a": half]]).isEmpty)
    }

    @Test func anObjectHasOneController() {
        let owner: JSON = ["apiVersion": "v1", "kind": "Node", "name": "a", "uid": "1", "controller": true]
        #expect(errors(["ownerReferences": [owner]]).isEmpty)
        #expect(errors(["ownerReferences": [owner, owner]]).count == 1)
        #expect(
            errors(["ownerReferences": [["kind": "Node", "name": "a"]]]) == [
                #"metadata.ownerReferences[0].apiVersion: Invalid value: "": version must not be empty"#,
                #"metadata.ownerReferences[0].uid: Invalid value: "": uid must not be empty"#,
            ])
    }

    @Test func aDyingObjectGainsNoFinalizers() {
        let old: JSON = ["metadata": ["deletionTimestamp": "2024-01-01T00:00:00Z", "finalizers": ["a/b"]]]
        let new: JSON = ["metadata": ["finalizers": ["a/b", "c/d"]]]
        #expect(
            MetadataRules.validateUpdate(new, old: old).map(\.description) == [
                #"metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d"}"#
            ])
        #expect(MetadataRules.validateUpdate(old, old: old).isEmpty)
    }
}
