import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct CreateTests {
    private let server: TestServer
    private let path = "/api/v1/namespaces/default/configmaps"
    init() async throws { server = try await TestServer() }

    @Test func whatIsCreatedIsStoredAndAnswered() async throws {
        let answer = try await server.send(
            "POST", path, ["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "x"], "data": ["a": "1"]])
        #expect(answer.status == 201)
        let object = answer.json
        #expect(object["kind"] == "ConfigMap" && object["data"] == ["a": "1"])
        #expect(object.namespace == "default")
        #expect(object.uid.utf8.count == 36)
        #expect(Timestamp(object["metadata"]["creationTimestamp"]) != nil)
        #expect(Int(object.resourceVersion) == Int(server.store.revision))
        #expect(try await server.get("\(path)/x").json == object)
        #expect(answer.text.hasSuffix("}\n"))
    }

    @Test func kindAndVersionMayBeLeftOut() async throws {
        let answer = try await server.send("POST", path, ["metadata": ["name": "x"]])
        #expect(answer.status == 201)
        #expect(answer.json.kind == "ConfigMap" && answer.json.apiVersion == "v1")
    }

    @Test func whatTheServerDecidesCannotBeSet() async throws {
        let object = try await server.admin.create(
            .configMaps, namespace: "default",
            [
                "metadata": [
                    "name": "x", "uid": "mine", "resourceVersion": "77", "creationTimestamp": "2001-01-01T00:00:00Z",
                    "deletionTimestamp": "2001-01-01T00:00:00Z", "generation": 9, "selfLink": "/x",
                ]
            ])
        let metadata = object["metadata"]
        #expect(metadata["uid"] != "mine" && metadata["resourceVersion"] != "77")
        #expect(metadata["creationTimestamp"] != "2001-01-01T00:00:00Z")
        for name in ["deletionTimestamp", "generation", "selfLink"] { #expect(metadata[name].isNull) }
    }

    @Test func aNameIsTakenOnce() async throws {
        try await server.makeConfigMap("x")
        let answer = try await server.send("POST", path, ["metadata": ["name": "x"]])
        #expect(answer.status == 409)
        #expect(answer.json["reason"] == "AlreadyExists")
        #expect(answer.json["message"] == "configmaps \"x\" already exists")
        #expect(answer.json["details"] == ["name": "x", "kind": "configmaps"])
    }

    @Test func theServerMakesNamesFromABase() async throws {
        var names: Set<String> = []
        for _ in 0..<20 {
            let object = try await server.admin.create(
                .configMaps, namespace: "default", ["metadata": ["generateName": "job-"]])
            #expect(object.name.hasPrefix("job-") && object.name.utf8.count == 9)
            #expect(object["metadata"]["generateName"] == "job-")
            names.insert(object.name)
        }
        #expect(names.count == 20)
    }

    @Test func aNameIsNeeded() async throws {
        let answer = try await server.send("POST", path, ["data": [:]])
        #expect(answer.status == 422)
        #expect(
            answer.json["message"]
                == "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required")
    }

    @Test func theNamespaceMustBeThere() async throws {
        let answer = try await server.send("POST", "/api/v1/namespaces/none/configmaps", ["metadata": ["name": "x"]])
        #expect(answer.status == 404)
        #expect(answer.json["message"] == "namespaces \"none\" not found")
    }

    @Test func theNamespaceMustStay() async throws {
        try await server.admin.create(.namespaces, ["metadata": ["name": "going"]])
        try await server.admin.delete(.namespaces, name: "going")
        let answer = try await server.send("POST", "/api/v1/namespaces/going/configmaps", ["metadata": ["name": "x"]])
        #expect(answer.status == 403)
        #expect(
            answer.json["message"]
                == "configmaps \"x\" is forbidden: unable to create new content in namespace going because it is being terminated"
        )
        #expect(answer.json["details"]["causes"][0]["reason"] == "NamespaceTerminating")
    }

    @Test func theNamespaceIsThatOfThePath() async throws {
        let answer = try await server.send("POST", path, ["metadata": ["name": "x", "namespace": "other"]])
        #expect(answer.status == 400)
        #expect(
            answer.json["message"]
                == "the namespace of the provided object does not match the namespace sent on the request")
    }

    @Test func aDryRunLeavesNothing() async throws {
        let before = server.store.revision
        let answer = try await server.send("POST", "\(path)?dryRun=All", ["metadata": ["name": "x"]])
        #expect(answer.status == 201)
        #expect(answer.json.name == "x" && answer.json.resourceVersion.isEmpty)
        #expect(server.store.revision == before)
        #expect(try await server.get("\(path)/x").status == 404)
        // Services reserve addresses while they are made.
        let service: JSON = [
            "metadata": ["name": "s"], "spec": ["clusterIP": "10.96.7.7", "ports": [["port": 80]]],
        ]
        let services = "/api/v1/namespaces/default/services"
        for _ in 0..<2 {
            let tried = try await server.send("POST", "\(services)?dryRun=All", service)
            #expect(tried.status == 201, "\(tried.text)")
        }
        #expect(try await server.send("POST", services, service).status == 201)
    }

    @Test func aDryRunFindsWhatIsWrong() async throws {
        try await server.makeConfigMap("x")
        #expect(try await server.send("POST", "\(path)?dryRun=All", ["metadata": ["name": "x"]]).status == 409)
        #expect(try await server.send("POST", "\(path)?dryRun=All", ["metadata": ["name": "X"]]).status == 422)
        let odd = try await server.send("POST", "\(path)?dryRun=Some", ["metadata": ["name": "y"]])
        #expect(odd.status == 422)
        #expect(
            odd.json["message"].stringValue.hasPrefix(
                "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value"))
        #expect(try await server.get("\(path)/y").status == 404)
    }

    @Test func whatIsInvalidIsNamed() async throws {
        let answer = try await server.send(
            "POST", "/api/v1/namespaces/default/pods",
            ["metadata": ["name": "Bad_Name"], "spec": ["containers": [["name": "a"]]]])
        #expect(answer.status == 422)
        #expect(answer.json["reason"] == "Invalid")
        #expect(answer.json["message"].stringValue.hasPrefix("Pod \"Bad_Name\" is invalid: "))
        #expect(answer.json["details"]["causes"].items.contains { $0["field"] == "metadata.name" })
        #expect(answer.json["details"]["causes"].items.contains { $0["field"] == "spec.containers[0].image" })
    }

    @Test func otherFormsOfTheAnswer() async throws {
        let answer = try await server.send(
            "POST", path, ["metadata": ["name": "x"]],
            headers: [("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")])
        #expect(answer.json.kind == "PartialObjectMetadata" && answer.json.name == "x")
    }

    /// Concurrent authors of one name: exactly one of them makes it.
    @Test func oneOfManyWins() async throws {
        let wins = Counter()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<32 {
                group.addTask {
                    let lost = await refusal {
                        try await server.admin.create(.configMaps, namespace: "default", ["metadata": ["name": "x"]])
                    }
                    if lost == nil { wins.add(1) } else { #expect(lost?.isAlreadyExists == true) }
                }
            }
        }
        #expect(wins.value == 1)
    }
}
