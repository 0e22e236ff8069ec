import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct UpdateTests {
    private let server: TestServer
    private let path = "/api/v1/namespaces/default/configmaps/x"
    init() async throws { server = try await TestServer() }

    @Test func anUpdateReplacesTheObject() async throws {
        var object = try await server.makeConfigMap("x", ["a": "1"])
        let before = object
        object["data"] = ["b": "2"]
        let answer = try await server.send("PUT", path, object)
        #expect(answer.status == 200)
        #expect(answer.json["data"] == ["b": "2"])
        #expect(answer.json.uid == before.uid)
        #expect(answer.json.resourceVersion != before.resourceVersion)
        #expect(try await server.get(path).json == answer.json)
    }

    @Test func anOldResourceVersionIsAConflict() async throws {
        let old = try await server.makeConfigMap("x")
        var newer = old
        newer["data"] = ["a": "1"]
        #expect(try await server.send("PUT", path, newer).status == 200)
        let answer = try await server.send("PUT", path, newer)
        #expect(answer.status == 409)
        #expect(answer.json["reason"] == "Conflict")
        #expect(
            answer.json["message"]
                == "Operation cannot be fulfilled on configmaps \"x\": the object has been modified; please apply your changes to the latest version and try again"
        )
    }

    @Test func withoutResourceVersionTheLastOneWins() async throws {
        try await server.makeConfigMap("x")
        let answer = try await server.send("PUT", path, ["metadata": ["name": "x"], "data": ["a": "1"]])
        #expect(answer.status == 200)
        #expect(answer.json["data"] == ["a": "1"])
    }

    @Test func anotherUIDIsAConflict() async throws {
        var object = try await server.makeConfigMap("x")
        object["metadata"]["uid"] = "other"
        let answer = try await server.send("PUT", path, object)
        #expect(answer.status == 409)
        #expect(
            answer.json["message"].stringValue.contains(
                "Precondition failed: UID in precondition: other, UID in object meta: "))
    }

    @Test func theSameAgainWritesNothing() async throws {
        let object = try await server.makeConfigMap("x", ["a": "1"])
        let revision = server.store.revision
        let answer = try await server.send("PUT", path, object)
        #expect(answer.status == 200)
        #expect(answer.json == object)
        #expect(server.store.revision == revision)
    }

    @Test func whatIsNotThereIsNotMade() async throws {
        let answer = try await server.send("PUT", path, ["metadata": ["name": "x"]])
        #expect(answer.status == 404)
        #expect(answer.json["message"] == "configmaps \"x\" not found")
    }

    @Test func nameAndNamespaceAreThoseOfThePath() async throws {
        try await server.makeConfigMap("x")
        let other = try await server.send("PUT", path, ["metadata": ["name": "y"]])
        #expect(other.status == 400)
        #expect(other.json["message"] == "the name of the object (y) does not match the name on the URL (x)")
        let none = try await server.send("PUT", path, ["data": [:]])
        #expect(
            none.json["message"]
                == "the name of the object (x based on URL) was undeterminable: name must be provided")
        let place = try await server.send("PUT", path, ["metadata": ["name": "x", "namespace": "other"]])
        #expect(
            place.json["message"]
                == "the namespace of the object (other) does not match the namespace on the request (default)")
    }

    @Test func aDryRunChangesNothing() async throws {
        var object = try await server.makeConfigMap("x", ["a": "1"])
        let before = object
        object["data"] = ["a": "2"]
        let answer = try await server.send("PUT", "\(path)?dryRun=All", object)
        #expect(answer.json["data"] == ["a": "2"])
        #expect(answer.json.resourceVersion == before.resourceVersion)
        #expect(try await server.get(path).json == before)
    }

    // MARK: - The two halves

    private func makePod(_ name: String = "p") async throws -> JSON {
        try await server.admin.create(
            .pods, namespace: "default",
            ["metadata": ["name": .string(name)], "spec": ["containers": [["name": "c", "image": "i:1"]]]])
    }

    @Test func statusIsChangedThroughItsOwnPath() async throws {
        var pod = try await makePod()
        pod["status"]["phase"] = "Running"
        pod["spec"]["containers"][0]["image"] = "i:2"
        let whole = try await server.admin.update(.pods, pod)
        #expect(whole["status"]["phase"] == "Pending" && whole["spec"]["containers"][0]["image"] == "i:2")
        pod = whole
        pod["status"]["phase"] = "Running"
        pod["spec"]["containers"][0]["image"] = "i:3"
        let status = try await server.admin.update(.pods, subresource: "status", pod)
        #expect(status["status"]["phase"] == "Running" && status["spec"]["containers"][0]["image"] == "i:2")
        let path = "/api/v1/namespaces/default/pods/p/status"
        #expect(try await server.get(path).json == status)
    }

    @Test func generationCountsChangesOfTheSpec() async throws {
        var pod = try await makePod()
        #expect(pod.generation == 1)
        pod["metadata"]["labels"] = ["a": "b"]
        pod = try await server.admin.update(.pods, pod)
        #expect(pod.generation == 1)
        pod["spec"]["containers"][0]["image"] = "i:2"
        pod = try await server.admin.update(.pods, pod)
        #expect(pod.generation == 2)
        pod["status"]["phase"] = "Running"
        #expect(try await server.admin.update(.pods, subresource: "status", pod).generation == 2)
    }

    // MARK: - The end of a life

    @Test func theLastFinalizerThatGoesTakesTheObjectAlong() async throws {
        var object = try await server.admin.create(
            .configMaps, namespace: "default",
            ["metadata": ["name": "x", "finalizers": ["a.example/1", "a.example/2"]]])
        let stream = try server.watch(
            "/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=\(object.resourceVersion)")
        object = try await server.admin.delete(.configMaps, namespace: "default", name: "x")
        #expect(object.isDeleting)
        object["metadata"]["finalizers"] = ["a.example/2"]
        object = try await server.admin.update(.configMaps, object)
        #expect(object.isDeleting && object.finalizers == ["a.example/2"])
        var growing = object
        growing["metadata"]["finalizers"] = ["a.example/2", "a.example/3"]
        let error = await refusal { try await server.admin.update(.configMaps, growing) }
        #expect(error?.code == 422)
        #expect(error?.message.contains("no new finalizers can be added if the object is being deleted") == true)
        object["metadata"]["finalizers"] = .null
        _ = try await server.admin.update(.configMaps, object)
        #expect(try await server.get(path).status == 404)
        #expect(stream.summary == ["MODIFIED x", "MODIFIED x", "DELETED x"])
    }

    @Test func aNamespaceGoesWhenItIsFinalized() async throws {
        try await server.admin.create(.namespaces, ["metadata": ["name": "n"]])
        var namespace = try await server.admin.delete(.namespaces, name: "n")
        #expect(namespace["status"]["phase"] == "Terminating" && namespace["spec"]["finalizers"] == ["kubernetes"])
        // Not through the object itself.
        namespace["spec"]["finalizers"] = .null
        namespace = try await server.admin.update(.namespaces, namespace)
        #expect(namespace["spec"]["finalizers"] == ["kubernetes"])
        namespace["spec"]["finalizers"] = .null
        _ = try await server.admin.update(.namespaces, subresource: "finalize", namespace)
        #expect(try await server.get("/api/v1/namespaces/n").status == 404)
    }

    @Test func defaultStays() async throws {
        let answer = try await server.send("DELETE", "/api/v1/namespaces/default")
        #expect(answer.status == 403)
        #expect(answer.json["message"] == "namespaces \"default\" is forbidden: this namespace may not be deleted")
    }

    /// A service that gets another node port gives the first one back; a refused change takes nothing.
    @Test func whatAChangeReservesIsGivenBack() async throws {
        let ports: JSON = [["port": 80, "nodePort": 30_100]]
        var service = try await server.admin.create(
            .services, namespace: "default", ["metadata": ["name": "s"], "spec": ["type": "NodePort", "ports": ports]])
        service["spec"]["ports"][0]["nodePort"] = 30_101
        var refused = service
        refused["metadata"]["labels"] = ["not valid!": "x"]
        #expect(await refusal { try await server.admin.update(.services, refused) }?.code == 422)
        _ = try await server.admin.update(.services, service)
        func take(_ name: String, _ port: Int64) async -> StatusError? {
            await refusal {
                try await server.admin.create(
                    .services, namespace: "default",
                    [
                        "metadata": ["name": .string(name)],
                        "spec": ["type": "NodePort", "ports": [["port": 80, "nodePort": .int(port)]]],
                    ])
            }
        }
        #expect(await take("t", 30_101)?.message.contains("provided port is already allocated") == true)
        #expect(await take("t", 30_100) == nil)
        try await server.admin.delete(.services, namespace: "default", name: "s")
        #expect(await take("u", 30_101) == nil)
    }
}
