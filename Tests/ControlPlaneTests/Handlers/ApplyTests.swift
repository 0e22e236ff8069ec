import KubeAPI
import Testing

@testable import ControlPlane

/// Server-side apply and ownership as clients see them.
@Suite struct ApplyTests {
    private let server: TestServer
    private let path = "/api/v1/namespaces/default/configmaps/x"
    private let controllers = "/api/v1/namespaces/default/replicationcontrollers/rc"
    init() async throws { server = try await TestServer() }

    private func apply(
        _ yaml: String, _ target: String? = nil, manager: String = "m", options: String = "",
        as user: UserInfo = .apiserver
    ) async throws -> Answer {
        try await server.send(
            "PATCH", (target ?? path) + "?fieldManager=\(manager)\(options)", Array(yaml.utf8),
            type: PatchType.apply.rawValue, as: user)
    }

    private func configMap(_ data: String) -> String {
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: \(data)\n"
    }

    private func owners(_ object: JSON) -> [String] {
        object["metadata"]["managedFields"].items.map {
            "\($0["manager"].stringValue) \($0["operation"].stringValue) \($0["subresource"].stringValue)"
        }
    }

    // MARK: apply

    @Test func whatIsNotThereIsMade() async throws {
        let answer = try await apply(configMap("{a: '1'}"))
        #expect(answer.status == 201, "\(answer.text)")
        #expect(answer.json["data"] == ["a": "1"])
        let entry = answer.json["metadata"]["managedFields"][0]
        #expect(entry["manager"] == "m")
        #expect(entry["operation"] == "Apply")
        #expect(entry["apiVersion"] == "v1")
        #expect(entry["fieldsType"] == "FieldsV1")
        #expect(try entry["fieldsV1"] == JSON.parse(#"{"f:data":{"f:a":{}}}"#))
        #expect(Timestamp(entry["time"]) != nil)
        #expect(try await server.get(path).json == answer.json)
    }

    @Test func whatIsThereIsChanged() async throws {
        _ = try await apply(configMap("{a: '1', b: '2'}"))
        let answer = try await apply(configMap("{a: '3'}"))
        #expect(answer.status == 200)
        #expect(answer.json["data"] == ["a": "3"])
    }

    @Test func theSameAgainWritesNothing() async throws {
        let first = try await apply(configMap("{a: '1'}"))
        let revision = server.store.revision
        let second = try await apply(configMap("{a: '1'}"))
        #expect(second.json == first.json)
        #expect(server.store.revision == revision)
    }

    @Test func conflictsAre409UnlessForced() async throws {
        try await server.makeConfigMap("x", ["a": "1"])
        let answer = try await apply(configMap("{a: '2'}"))
        #expect(answer.status == 409)
        #expect(answer.json["reason"] == "Conflict")
        #expect(
            answer.json["message"]
                == "Apply failed with 1 conflict: conflict with \"kube-apiserver\" using v1: .data.a")
        #expect(answer.json["details"]["causes"][0]["reason"] == "FieldManagerConflict")
        let forced = try await apply(configMap("{a: '2'}"), options: "&force=true")
        #expect(forced.status == 200)
        #expect(forced.json["data"] == ["a": "2"])
    }

    @Test func aDryRunWritesNothing() async throws {
        let answer = try await apply(configMap("{a: '1'}"), options: "&dryRun=All")
        #expect(answer.status == 201)
        #expect(owners(answer.json) == ["m Apply "])
        #expect(try await server.get(path).status == 404)
    }

    @Test func defaultsComeAfterwardsAndBelongToNobody() async throws {
        let yaml = """
            apiVersion: v1
            kind: ReplicationController
            metadata: {name: rc}
            spec: {selector: {a: b}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}
            """
        let answer = try await apply(yaml, controllers)
        #expect(answer.status == 201, "\(answer.text)")
        #expect(answer.json["spec"]["replicas"] == 1)
        let fields = answer.json["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
        #expect(fields["f:replicas"].isNull)
        #expect(fields["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"c\"}"].isObject)
        #expect(try await apply(yaml, controllers).json == answer.json)
    }

    @Test func theStatusHasItsOwnOwners() async throws {
        _ = try await server.admin.create(
            .replicationControllers, namespace: "default",
            [
                "metadata": ["name": "rc"],
                "spec": [
                    "selector": ["a": "b"],
                    "template": [
                        "metadata": ["labels": ["a": "b"]], "spec": ["containers": [["name": "c", "image": "i"]]],
                    ],
                ],
            ])
        let answer = try await apply(
            "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: rc}\nspec: {replicas: 7}\nstatus: {replicas: 3}",
            controllers + "/status")
        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.json["status"]["replicas"] == 3)
        #expect(answer.json["spec"]["replicas"] == 1)
        #expect(owners(answer.json) == ["m Apply status", "kube-apiserver Update "])
        #expect(
            try answer.json["metadata"]["managedFields"][0]["fieldsV1"]
                == JSON.parse(#"{"f:status":{"f:replicas":{}}}"#))
        // The status is nobody's through the object itself.
        let again = try await apply(
            "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: rc, labels: {l: v}}\nstatus: {replicas: 9}",
            controllers, manager: "n")
        #expect(again.json["status"]["replicas"] == 3)
        #expect(
            try again.json["metadata"]["managedFields"].items.first { $0["manager"] == "n" }?["fieldsV1"]
                == JSON.parse(#"{"f:metadata":{"f:labels":{"f:l":{}}}}"#))
        #expect(try await apply(configMap("{}"), path + "/status").status == 404)
    }

    @Test func aScaleIsApplied() async throws {
        let object = """
            {apiVersion: v1, kind: ReplicationController, metadata: {name: rc}, spec: {replicas: 1, selector: {a: b},
            template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}
            """
        #expect(try await apply(object, controllers).status == 201)
        func scale(_ replicas: String, manager: String, options: String = "") async throws -> Answer {
            try await apply(
                "{apiVersion: autoscaling/v1, kind: Scale, metadata: {name: rc}, spec: {replicas: \(replicas)}}",
                controllers + "/scale", manager: manager, options: options)
        }
        let conflict = try await scale("3", manager: "autoscaler")
        #expect(conflict.status == 409)
        #expect(
            conflict.json["message"]
                == "Apply failed with 1 conflict: conflict with \"m\": .spec.replicas")
        let answer = try await scale("3", manager: "autoscaler", options: "&force=true")
        #expect(answer.status == 200 && answer.json.kind == "Scale" && answer.json["spec"] == ["replicas": 3])
        #expect(owners(try await server.get(controllers).json).sorted() == ["autoscaler Apply scale", "m Apply "])
        #expect(try await scale("-1", manager: "autoscaler").status == 422)
        #expect(try await scale("many", manager: "autoscaler").status == 400)
        #expect(
            try await apply("{apiVersion: v1, kind: Pod, metadata: {name: rc}}", controllers + "/scale").status == 400)
    }

    @Test func scalingIsOwnedThroughItsSubresource() async throws {
        _ = try await apply(
            """
            apiVersion: v1
            kind: ReplicationController
            metadata: {name: rc}
            spec: {replicas: 1, selector: {a: b}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}
            """, controllers)
        let scaled = try await server.send(
            "PATCH", controllers + "/scale", ["spec": ["replicas": 2]], type: PatchType.merge.rawValue,
            headers: [("User-Agent", "kubectl/v1.33.0 (linux/amd64)")])
        #expect(scaled.status == 200)
        #expect(scaled.json["metadata"]["managedFields"].isNull)
        let object = try await server.get(controllers).json
        #expect(owners(object) == ["m Apply ", "kubectl Update scale"])
        let answer = try await apply(
            "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: rc}\nspec: {replicas: 1}", controllers)
        #expect(
            answer.json["message"]
                == "Apply failed with 1 conflict: conflict with \"kubectl\" with subresource \"scale\" using v1: .spec.replicas"
        )
    }

    // MARK: who may

    @Test func whoMayOnlyPatchMakesNothing() async throws {
        let target = "/api/v1/namespaces/default/services/x"
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 80}]}\n"
        let patcher = UserInfo(name: "patcher", groups: [UserInfo.authenticatedGroup])
        server.registry.authorizer.allow(
            "patcher", PolicyRule(verbs: ["get", "patch"], groups: [""], resources: ["services"]))
        let answer = try await apply(service, target, as: patcher)
        #expect(answer.status == 403)
        #expect(answer.json["message"].stringValue.contains("cannot create resource \"services\""))
        #expect(try await apply(service, target).status == 201)
        #expect(try await apply(service, target, as: patcher).status == 200)
    }

    // MARK: owners of other writes

    @Test func createUpdateAndPatchTellWhoTheyWere() async throws {
        let collection = "/api/v1/namespaces/default/configmaps"
        let made = try await server.send(
            "POST", collection, ["metadata": ["name": "x"], "data": ["a": "1"]],
            headers: [("User-Agent", "curl/8.0")])
        #expect(owners(made.json) == ["curl Update "])
        let patched = try await server.send(
            "PATCH", path + "?fieldManager=patcher", ["data": ["b": "2"]], type: PatchType.merge.rawValue)
        #expect(owners(patched.json).sorted() == ["curl Update ", "patcher Update "])
        var object = patched.json
        object["data"] = ["c": "3"]
        let replaced = try await server.send("PUT", path, object, headers: [("User-Agent", "kubectl/v1.33.0 (x)")])
        // Whose fields are gone is gone.
        #expect(
            try replaced.json["metadata"]["managedFields"].items.map { $0["fieldsV1"] }.contains(
                JSON.parse(#"{"f:data":{"f:c":{}}}"#)))
        #expect(owners(replaced.json).sorted() == ["curl Update ", "kubectl Update "])
    }

    @Test func clientsThatDoNotKnowTheFieldKeepIt() async throws {
        var object = try await server.makeConfigMap("x", ["a": "1"])
        let before = object["metadata"]["managedFields"]
        for sent: JSON in [.null, .array([]), [["manager": "broken"]]] {
            object["metadata"]["managedFields"] = sent
            object["metadata"]["resourceVersion"] = .null
            let answer = try await server.send("PUT", path, object)
            #expect(answer.status == 200)
            #expect(answer.json["metadata"]["managedFields"] == before)
        }
    }

    @Test(arguments: [PatchType.merge, .json])
    func oneEmptyEntryClearsTheField(_ type: PatchType) async throws {
        try await server.makeConfigMap("x", ["a": "1"])
        let patch: JSON =
            type == .merge
            ? ["metadata": ["managedFields": [[:]]]]
            : [["op": "replace", "path": "/metadata/managedFields", "value": [[:]]]]
        let answer = try await server.send("PATCH", path, patch, type: type.rawValue)
        #expect(answer.status == 200)
        #expect(answer.json["metadata"]["managedFields"].isNull)
        // From then on nobody keeps account, until somebody applies.
        let changed = try await server.send("PATCH", path, ["data": ["b": "1"]], type: PatchType.merge.rawValue)
        #expect(changed.json["metadata"]["managedFields"].isNull)
        let applied = try await apply(configMap("{b: '1'}"))
        #expect(owners(applied.json) == ["m Apply ", "before-first-apply Update "])
    }

    /// As kubectl does when it changes over to server-side apply.
    @Test func aClientMayWriteTheFieldItself() async throws {
        let object = try await server.makeConfigMap("x", ["a": "1"])
        var entry = object["metadata"]["managedFields"][0]
        entry["manager"] = "kubectl"
        entry["operation"] = "Apply"
        let answer = try await server.send(
            "PATCH", path,
            [
                ["op": "replace", "path": "/metadata/managedFields", "value": [entry]],
                ["op": "replace", "path": "/metadata/resourceVersion", "value": .string(object.resourceVersion)],
            ], type: PatchType.json.rawValue)
        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.json["metadata"]["managedFields"] == [entry])
        let applied = try await apply(configMap("{b: '1'}"), manager: "kubectl")
        #expect(applied.json["data"] == ["b": "1"])
    }

    @Test func deletionKeepsOwners() async throws {
        let object = try await server.admin.create(
            .configMaps, namespace: "default", ["metadata": ["name": "x", "finalizers": ["a/b"]]])
        let answer = try await server.send("DELETE", path)
        #expect(answer.json.isDeleting)
        #expect(answer.json["metadata"]["managedFields"] == object["metadata"]["managedFields"])
    }

    // MARK: bad input

    @Test func anApplyNeedsAManager() async throws {
        let answer = try await server.send(
            "PATCH", path, Array(configMap("{}").utf8), type: PatchType.apply.rawValue)
        #expect(answer.status == 422)
        #expect(
            answer.json["message"]
                == "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
        )
    }

    @Test func managersAreChecked() async throws {
        let long = try await apply(configMap("{}"), manager: String(repeating: "m", count: 129))
        #expect(
            long.json["message"]
                == "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes")
        let odd = try await apply(configMap("{}"), manager: "a%0Ab")
        #expect(
            odd.json["message"]
                == "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a\\nb\": invalid character U+000A (at position 1)"
        )
        let forced = try await server.send(
            "PATCH", path + "?force=true", ["data": [:]], type: PatchType.merge.rawValue)
        #expect(
            forced.json["message"]
                == "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch"
        )
    }

    @Test(arguments: [
        ("kind: ConfigMap", "invalid object type: /, Kind=ConfigMap"),
        ("apiVersion: v1\nkind: Secret", "invalid object type: /v1, Kind=Secret"),
        (
            "[1]",
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}"
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: z}",
            "the name of the object (z) does not match the name on the URL (x)"
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, managedFields: []}",
            "metadata.managedFields must be nil"
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: other}",
            "the namespace of the object (other) does not match the namespace on the request (default)"
        ),
    ])
    func whatCanNotBeAppliedIsRefused(_ yaml: String, _ message: String) async throws {
        let answer = try await apply(yaml)
        #expect(answer.status == 400)
        #expect(answer.json["message"].stringValue == message)
    }

    @Test func brokenYAMLIs400() async throws {
        let answer = try await apply("a: [")
        #expect(answer.status == 400)
        #expect(
            answer.json["message"].stringValue.hasPrefix(
                "error decoding YAML: error converting YAML to JSON: yaml: line "))
    }

    @Test func unknownFieldsAreNamed() async throws {
        let answer = try await apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndta: {}")
        #expect(answer.status == 500)
        #expect(
            answer.json["message"]
                == "failed to create typed patch object (/x; /v1, Kind=ConfigMap): .dta: field not declared in schema")
    }

    @Test func namesThatComeTwiceAreToldAsAsked() async throws {
        let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  a: '1'\n  a: '2'\n"
        let strict = try await apply(yaml, options: "&fieldValidation=Strict")
        #expect(strict.status == 400)
        #expect(
            strict.json["message"]
                == "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 6: key \"a\" already set in map"
        )
        let warned = try await apply(yaml)
        #expect(warned.status == 201)
        #expect(warned.headers("Warning").count == 1)
        #expect(try await apply(yaml, options: "&fieldValidation=Ignore").headers("Warning").isEmpty)
    }

    // MARK: PUT of what is not there

    @Test func someKindsAreMadeByPUT() async throws {
        let lease: JSON = ["metadata": ["name": "l"], "spec": ["holderIdentity": "me"]]
        let target = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
        let made = try await server.send("PUT", target, lease)
        #expect(made.status == 201, "\(made.text)")
        #expect(made.json["spec"]["holderIdentity"] == "me")
        #expect(owners(made.json).count == 1)
        #expect(try await server.send("PUT", path, ["metadata": ["name": "x"]]).status == 404)
    }
}
