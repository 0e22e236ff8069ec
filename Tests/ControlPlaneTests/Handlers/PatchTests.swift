import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct PatchTests {
    private let server: TestServer
    private let path = "/api/v1/namespaces/default/configmaps/x"
    init() async throws { server = try await TestServer() }

    private func patch(_ type: PatchType, _ body: JSON, _ target: String? = nil) async throws -> Answer {
        try await server.send("PATCH", target ?? path, body, type: type.rawValue)
    }

    @Test func mergePatch() async throws {
        try await server.makeConfigMap("x", ["a": "1", "b": "2"])
        let answer = try await patch(.merge, .object(["data": .object(["a": .null, "c": "3"])]))
        #expect(answer.status == 200)
        #expect(answer.json["data"] == ["b": "2", "c": "3"])
    }

    @Test func jsonPatch() async throws {
        try await server.makeConfigMap("x", ["a": "1"])
        let answer = try await patch(
            .json,
            [
                ["op": "test", "path": "/data/a", "value": "1"], ["op": "replace", "path": "/data/a", "value": "2"],
                ["op": "add", "path": "/data/b", "value": "3"],
            ])
        #expect(answer.json["data"] == ["a": "2", "b": "3"])
    }

    @Test func strategicPatchMergesListsByKey() async throws {
        try await server.admin.create(
            .replicationControllers, namespace: "default",
            [
                "metadata": ["name": "rc"],
                "spec": [
                    "replicas": 0, "selector": ["a": "b"],
                    "template": [
                        "metadata": ["labels": ["a": "b"]],
                        "spec": ["containers": [["name": "one", "image": "i:1"], ["name": "two", "image": "i:1"]]],
                    ],
                ],
            ])
        let answer = try await patch(
            .strategic, ["spec": ["template": ["spec": ["containers": [["name": "two", "image": "i:2"]]]]]],
            "/api/v1/namespaces/default/replicationcontrollers/rc")
        #expect(answer.status == 200, "\(answer.text)")
        #expect(
            answer.json["spec"]["template"]["spec"]["containers"].items.map { $0["image"] } == ["i:1", "i:2"])
        #expect(answer.json.generation == 2)
    }

    @Test func aJSONPatchThatDoesNotApplyIs422() async throws {
        try await server.makeConfigMap("x")
        let answer = try await patch(.json, [["op": "remove", "path": "/data/none"]])
        #expect(answer.status == 422)
        #expect(answer.json["reason"] == "Invalid")
        #expect(answer.json["message"] == "the server rejected our request due to an error in our request")
    }

    @Test func malformedPatchesAre400() async throws {
        try await server.makeConfigMap("x")
        for type in [PatchType.json, .merge, .strategic] {
            #expect(try await server.send("PATCH", path, Array("{".utf8), type: type.rawValue).status == 400)
        }
        for body: JSON in [1, "x", [], .null] { #expect(try await patch(.merge, body).status == 400) }
        #expect(try await patch(.json, ["a": 1]).status == 400)
    }

    @Test(arguments: ["application/json", "text/plain"])
    func otherPatchTypesAre415(type: String) async throws {
        try await server.makeConfigMap("x")
        let answer = try await server.send("PATCH", path, Array("{}".utf8), type: type)
        #expect(answer.status == 415)
        #expect(
            answer.json["message"]
                == "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml"
        )
    }

    @Test func aPatchWithAnOldResourceVersionIsAConflict() async throws {
        let old = try await server.makeConfigMap("x")
        #expect(try await patch(.merge, ["data": ["a": "1"]]).status == 200)
        let answer = try await patch(
            .merge, ["metadata": ["resourceVersion": .string(old.resourceVersion)], "data": ["a": "2"]])
        #expect(answer.status == 409)
        #expect(answer.json["message"].stringValue.contains("the object has been modified"))
    }

    /// Patches that name no resource version never fail because of each other.
    @Test func concurrentPatchesAllCount() async throws {
        try await server.makeConfigMap("x")
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<40 {
                group.addTask {
                    let answer = try? await patch(.merge, ["data": .object([("k\(index)"): "v"])])
                    #expect(answer?.status == 200)
                }
            }
        }
        #expect(try await server.get(path).json["data"].object?.count == 40)
    }

    @Test func aPatchThatChangesNothingWritesNothing() async throws {
        let object = try await server.makeConfigMap("x", ["a": "1"])
        let revision = server.store.revision
        let answer = try await patch(.merge, ["data": ["a": "1"]])
        #expect(answer.json == object)
        #expect(server.store.revision == revision)
    }

    @Test func identityCannotBePatched() async throws {
        let object = try await server.makeConfigMap("x")
        let renamed = try await patch(.merge, ["metadata": ["name": "y"]])
        #expect(renamed.status == 422)
        #expect(renamed.json["message"].stringValue.contains("metadata.name: Invalid value: \"y\": field is immutable"))
        #expect(try await patch(.merge, ["kind": "Secret"]).status == 400)
        let time = try await patch(.merge, ["metadata": ["creationTimestamp": "2001-01-01T00:00:00Z"]])
        #expect(time.json == object)
    }

    @Test func aPatchThatBreaksTypesIs422() async throws {
        try await server.makeConfigMap("x")
        let answer = try await patch(.merge, ["data": "text"])
        #expect(answer.status == 422)
        #expect(answer.json["message"].stringValue.contains("cannot unmarshal string into Go struct field"))
    }

    @Test func unknownFieldsInAPatch() async throws {
        try await server.makeConfigMap("x")
        let strict = try await patch(.merge, ["dat": ["a": "1"]], "\(path)?fieldValidation=Strict")
        #expect(strict.status == 422)
        #expect(strict.json["message"].stringValue.hasPrefix(" \"\" is invalid: patch: Invalid value: "))
        #expect(strict.json["message"].stringValue.hasSuffix("strict decoding error: unknown field \"dat\""))
        let warned = try await patch(.merge, ["dat": ["a": "1"], "data": ["a": "1"]])
        #expect(warned.status == 200)
        #expect(warned.headers("Warning") == [#"299 - "unknown field \"dat\"""#])
    }

    @Test func aDryRunChangesNothing() async throws {
        let object = try await server.makeConfigMap("x", ["a": "1"])
        let answer = try await patch(.merge, ["data": ["a": "2"]], "\(path)?dryRun=All")
        #expect(answer.json["data"] == ["a": "2"])
        #expect(try await server.get(path).json == object)
    }

    @Test func whatIsNotThereIs404() async throws {
        #expect(try await patch(.merge, ["data": [:]]).status == 404)
    }

    @Test func statusIsPatchedThroughItsOwnPath() async throws {
        try await server.admin.create(
            .pods, namespace: "default",
            ["metadata": ["name": "p"], "spec": ["containers": [["name": "c", "image": "i"]]]])
        let pods = "/api/v1/namespaces/default/pods/p"
        let condition: JSON = ["type": "Ready", "status": "True"]
        let answer = try await patch(
            .strategic, ["status": ["conditions": [condition]], "spec": ["nodeName": "stolen"]], "\(pods)/status")
        #expect(answer.json["status"]["conditions"].items.contains { $0["type"] == "Ready" })
        #expect(answer.json["spec"]["nodeName"].isNull)
        // Conditions merge by their type.
        let again = try await patch(
            .strategic, ["status": ["conditions": [["type": "Other", "status": "False"]]]], "\(pods)/status")
        #expect(
            Set(again.json["status"]["conditions"].items.map { $0["type"].stringValue }).isSuperset(of: [
                "Ready", "Other",
            ]))
    }
}

extension JSON {
    /// An object whose nulls stay, as patches need them.
    static func object(_ members: [String: JSON]) -> JSON {
        var object = JSONObject()
        for key in members.keys.sorted() { object[key] = members[key] }
        return .object(object)
    }
}
