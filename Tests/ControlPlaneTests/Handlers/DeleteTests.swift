import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct DeleteTests {
    private let server: TestServer
    private let path = "/api/v1/namespaces/default/configmaps/x"
    init() async throws { server = try await TestServer() }

    private func makePod(node: String? = nil, grace: Int64 = 30, name: String = "p") async throws -> JSON {
        try await server.admin.create(
            .pods, namespace: "default",
            [
                "metadata": ["name": .string(name)],
                "spec": [
                    "containers": [["name": "c", "image": "i"]], "nodeName": JSON(node),
                    "terminationGracePeriodSeconds": .int(grace),
                ],
            ])
    }
    private let pod = "/api/v1/namespaces/default/pods/p"

    @Test func whatIsDeletedIsGone() async throws {
        let object = try await server.makeConfigMap("x")
        let answer = try await server.send("DELETE", path)
        #expect(answer.status == 200)
        #expect(
            answer.json == [
                "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success",
                "details": ["name": "x", "kind": "configmaps", "uid": .string(object.uid)],
            ])
        #expect(try await server.get(path).status == 404)
        #expect(try await server.send("DELETE", path).status == 404)
    }

    @Test func someKindsAnswerWithTheObject() async throws {
        let pod = try await makePod()
        let answer = try await server.send("DELETE", self.pod)
        #expect(answer.json.kind == "Pod" && answer.json.uid == pod.uid)
    }

    @Test func optionsComeInTheBodyOrTheQuery() async throws {
        _ = try await makePod(node: "n")
        let byQuery = try await server.send("DELETE", "\(pod)?gracePeriodSeconds=20")
        #expect(byQuery.json["metadata"]["deletionGracePeriodSeconds"] == 20)
        let byBody = try await server.send(
            "DELETE", pod, ["kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 10])
        #expect(byBody.json["metadata"]["deletionGracePeriodSeconds"] == 10)
        let byYAML = try await server.send("DELETE", pod, Array("gracePeriodSeconds: 5".utf8), type: "application/yaml")
        #expect(byYAML.json["metadata"]["deletionGracePeriodSeconds"] == 5)
        let otherGroup = try await server.send(
            "DELETE", pod, ["kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "gracePeriodSeconds": 4])
        #expect(otherGroup.json["metadata"]["deletionGracePeriodSeconds"] == 4)
        #expect(try await server.send("DELETE", pod, ["kind": "Pod", "apiVersion": "v1"]).status == 400)
        #expect(try await server.send("DELETE", "\(pod)?gracePeriodSeconds=soon").status == 400)
    }

    // MARK: - Preconditions

    @Test func preconditionsHold() async throws {
        let object = try await server.makeConfigMap("x")
        let uid = try await server.send("DELETE", path, ["preconditions": ["uid": "other"]])
        #expect(uid.status == 409)
        #expect(
            uid.json["message"].stringValue
                == "Operation cannot be fulfilled on ConfigMap \"x\": the UID in the precondition (other) does not match the UID in record (\(object.uid)). The object might have been deleted and then recreated"
        )
        let version = try await server.send("DELETE", path, ["preconditions": ["resourceVersion": "1"]])
        #expect(version.status == 409)
        #expect(
            version.json["message"].stringValue.contains("the ResourceVersion in the precondition (1) does not match"))
        let right = try await server.send(
            "DELETE", path,
            ["preconditions": ["uid": .string(object.uid), "resourceVersion": .string(object.resourceVersion)]])
        #expect(right.status == 200)
    }

    @Test func aDryRunLeavesTheObject() async throws {
        let object = try await server.makeConfigMap("x")
        #expect(try await server.send("DELETE", "\(path)?dryRun=All").status == 200)
        #expect(try await server.send("DELETE", path, ["dryRun": ["All"]]).status == 200)
        // The query counts, too, where there is a body: kubectl and others differ.
        #expect(
            try await server.send("DELETE", "\(path)?dryRun=All", ["propagationPolicy": "Background"]).status == 200)
        #expect(try await server.get(path).json == object)
        #expect(try await server.send("DELETE", path, ["dryRun": ["Some"]]).status == 422)
        _ = try await makePod(node: "n")
        let pending = try await server.send("DELETE", "\(pod)?dryRun=All")
        #expect(pending.json.isDeleting)
        #expect(try await !server.get(pod).json.isDeleting)
    }

    // MARK: - Grace

    @Test func aPodThatRunsIsGivenTime() async throws {
        _ = try await makePod(node: "n", grace: 45)
        let before = Timestamp.now()
        let marked = try await server.send("DELETE", pod).json
        #expect(marked["metadata"]["deletionGracePeriodSeconds"] == 45)
        let end = try #require(Timestamp(marked["metadata"]["deletionTimestamp"]))
        #expect(end > before + .seconds(43) && end < before + .seconds(60))
        #expect(marked.generation == 2)
        // Once more changes nothing, and a longer time neither.
        #expect(try await server.send("DELETE", pod).json == marked)
        #expect(try await server.send("DELETE", "\(pod)?gracePeriodSeconds=90").json == marked)
        let shorter = try await server.send("DELETE", "\(pod)?gracePeriodSeconds=5").json
        #expect(shorter["metadata"]["deletionGracePeriodSeconds"] == 5)
        #expect(try #require(Timestamp(shorter["metadata"]["deletionTimestamp"])) == end - .seconds(40))
        // What the kubelet says at the end.
        let last = try await server.send("DELETE", pod, ["gracePeriodSeconds": 0])
        #expect(last.status == 200)
        #expect(try await server.get(pod).status == 404)
    }

    @Test func aPodThatNobodyRunsGoesAtOnce() async throws {
        _ = try await makePod()
        #expect(try await server.send("DELETE", pod).status == 200)
        #expect(try await server.get(pod).status == 404)
    }

    // MARK: - Dependents

    @Test func finalizersHoldTheObject() async throws {
        try await server.admin.create(
            .configMaps, namespace: "default", ["metadata": ["name": "x", "finalizers": ["a.example/b"]]])
        let answer = try await server.send("DELETE", path)
        #expect(answer.status == 200)
        #expect(answer.json.kind == "ConfigMap" && answer.json.isDeleting)
        #expect(answer.json["metadata"]["deletionGracePeriodSeconds"] == 0)
        let revision = server.store.revision
        #expect(try await server.send("DELETE", path).json == answer.json)
        #expect(server.store.revision == revision)
    }

    @Test(arguments: [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
    func policiesBecomeFinalizers(policy: String, finalizer: String) async throws {
        try await server.makeConfigMap("x")
        let answer = try await server.send("DELETE", path, ["propagationPolicy": .string(policy)])
        #expect(answer.json.finalizers == [finalizer])
        #expect(answer.json.isDeleting)
    }

    @Test func theOlderFormOfThePolicy() async throws {
        try await server.makeConfigMap("x")
        let orphaned = try await server.send("DELETE", "\(path)?orphanDependents=true")
        #expect(orphaned.status == 200 && orphaned.json.finalizers == ["orphan"])
        try await server.admin.create(
            .configMaps, namespace: "default", ["metadata": ["name": "y", "finalizers": ["a.example/b"]]])
        let other = try await server.send(
            "DELETE", "/api/v1/namespaces/default/configmaps/y", ["orphanDependents": false])
        #expect(other.status == 202)
    }

    @Test func contradictingPoliciesAreRefused() async throws {
        try await server.makeConfigMap("x")
        let both = try await server.send("DELETE", path, ["orphanDependents": true, "propagationPolicy": "Orphan"])
        #expect(both.status == 422)
        #expect(
            both.json["message"].stringValue.contains("orphanDependents and deletionPropagation cannot be both set"))
        let unknown = try await server.send("DELETE", path, ["propagationPolicy": "Sideways"])
        #expect(unknown.status == 422)
        #expect(try await server.get(path).status == 200)
    }

    // MARK: - Collections

    @Test func aCollectionIsDeletedBySelector() async throws {
        for index in 0..<6 {
            try await server.makeConfigMap("c\(index)", labels: ["parity": index % 2 == 0 ? "even" : "odd"])
        }
        let collection = "/api/v1/namespaces/default/configmaps"
        let tried = try await server.send("DELETE", "\(collection)?labelSelector=parity=odd&dryRun=All")
        #expect(tried.json["items"].items.count == 3)
        let answer = try await server.send("DELETE", "\(collection)?labelSelector=parity=odd")
        #expect(answer.status == 200)
        #expect(answer.json.kind == "ConfigMapList")
        #expect(answer.json["items"].items.map(\.name) == ["c1", "c3", "c5"])
        #expect(try await server.get(collection).json["items"].items.map(\.name) == ["c0", "c2", "c4"])
        #expect(try await server.send("DELETE", "\(collection)?limit=2").json["items"].items.count == 2)
        #expect(try await server.send("DELETE", collection).json["items"].items.count == 1)
        #expect(try await server.send("DELETE", collection).json["items"] == [])
    }

    @Test func allNamespacesAtOnceAreNotDeleted() async throws {
        #expect(try await server.send("DELETE", "/api/v1/configmaps").status == 405)
    }

    /// Deletions and changes of the same objects at the same time: each object ends once.
    @Test func racesEndOnce() async throws {
        for round in 0..<10 {
            let name = "r\(round)"
            let path = "/api/v1/namespaces/default/configmaps/\(name)"
            try await server.makeConfigMap(name)
            let removed = Counter()
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<8 {
                    group.addTask {
                        if index % 2 == 0 {
                            if (try? await server.send("DELETE", path))?.status == 200 { removed.add(1) }
                        } else {
                            _ = try? await server.send(
                                "PATCH", path, ["data": ["k": .string("\(index)")]], type: PatchType.merge.rawValue)
                        }
                    }
                }
            }
            #expect(removed.value == 1)
            #expect(try await server.get(path).status == 404)
        }
    }
}
