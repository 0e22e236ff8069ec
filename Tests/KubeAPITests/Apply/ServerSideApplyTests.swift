import Testing

@testable import KubeAPI

@Suite struct ServerSideApplyTests {
    private static let path = ResourcePath(
        resource: "replicationcontrollers", kind: "ReplicationController", isNamespaced: true)
    private let schema = BuiltinResources.schema("core/v1.ReplicationController")

    private struct State {
        var object: JSON?
        var managed = ManagedFields()

        func owners(_ manager: String) -> [String] {
            managed.entries.first { $0.author.manager == manager }?.fields.paths ?? []
        }
        var spec: JSON { object?["spec"] ?? .null }
        var containers: [JSON] { spec["template"]["spec"]["containers"].items }
    }

    /// Applies YAML, to which kind and version are added.
    private func apply(
        _ yaml: String, to state: State, by manager: String = "a", force: Bool = false, time: String = "t1"
    ) throws -> State {
        var config = try #require(try YAML.parse(yaml).first)
        config["apiVersion"] = "v1"
        config["kind"] = "ReplicationController"
        config["metadata"]["name"] = "x"
        let author = ManagedFields.Author(manager: manager, isApplier: true, apiVersion: "v1")
        let apply = try ServerSideApply(
            config, by: author, isForced: force, path: Self.path, schema: schema, ignoring: ["status"])
        let (object, managed) = try apply.apply(to: state.object, state.managed, at: time)
        return State(object: object, managed: managed)
    }

    private func failure(_ body: () throws -> State) -> StatusError? {
        do {
            _ = try body()
            return nil
        } catch {
            return error as? StatusError
        }
    }

    // MARK: ownership

    @Test func whoAppliesFirstOwnsWhatItSays() throws {
        let state = try apply("spec: {replicas: 1, selector: {app: x}}", to: State())
        #expect(state.spec == ["replicas": 1, "selector": ["app": "x"]])
        #expect(state.owners("a") == [".spec.replicas", ".spec.selector"])
        #expect(state.managed.entries[0].author.isApplier)
        #expect(state.managed.entries[0].time == "t1")
    }

    @Test func applyingTheSameAgainChangesNothing() throws {
        let first = try apply("spec: {replicas: 1}", to: State())
        let second = try apply("spec: {replicas: 1}", to: first, time: "t2")
        #expect(second.object == first.object)
        #expect(second.managed == first.managed)
    }

    @Test func whatIsNoLongerAppliedGoes() throws {
        let first = try apply("metadata: {labels: {a: '1', b: '2'}}\nspec: {replicas: 1}", to: State())
        let second = try apply("metadata: {labels: {a: '1'}}", to: first, time: "t2")
        #expect(second.object?["metadata"]["labels"] == ["a": "1"])
        #expect(second.spec.isNull)
        #expect(second.owners("a") == [".metadata.labels.a"])
        #expect(second.managed.entries[0].time == "t2")
    }

    @Test func whatOthersSetStays() throws {
        var state = try apply("metadata: {labels: {a: '1'}}", to: State())
        let old = try #require(state.object)
        state.object?["metadata"]["labels"]["other"] = "kept"
        state.managed.recordUpdate(
            from: old, to: try #require(state.object),
            by: ManagedFields.Author(manager: "kubectl-label", apiVersion: "v1"), schema, at: "t")
        let after = try apply("metadata: {annotations: {c: '1'}}", to: state)
        #expect(after.object?["metadata"]["labels"] == ["other": "kept"])
        #expect(after.owners("kubectl-label") == [".metadata.labels.other"])
    }

    /// Defaults within it belong to nobody, and go with it.
    @Test func whatNobodyOwnsGoesWithWhatHoldsIt() throws {
        var state = try apply("spec: {template: {spec: {containers: [{name: a}, {name: b}]}}}", to: State())
        state.object?["spec"]["template"]["spec"]["containers"][1]["imagePullPolicy"] = "Always"
        let after = try apply("spec: {template: {spec: {containers: [{name: a}]}}}", to: state)
        #expect(after.containers == [["name": "a"]])
    }

    @Test func twoOwnTheSameValueTogether() throws {
        let first = try apply("spec: {replicas: 1, minReadySeconds: 5}", to: State())
        let second = try apply("spec: {replicas: 1}", to: first, by: "b")
        #expect(second.owners("a") == [".spec.minReadySeconds", ".spec.replicas"])
        #expect(second.owners("b") == [".spec.replicas"])
        // Whoever lets go leaves it to the other; with the last one it goes.
        let third = try apply("spec: {minReadySeconds: 5}", to: second)
        #expect(third.spec["replicas"] == 1)
        #expect(third.owners("a") == [".spec.minReadySeconds"])
        let fourth = try apply("metadata: {labels: {b: b}}", to: third, by: "b")
        #expect(fourth.spec["replicas"].isNull)
    }

    // MARK: conflicts

    @Test func anotherValueIsAConflict() throws {
        let first = try apply("spec: {replicas: 1}", to: State())
        let error = try #require(failure { try apply("spec: {replicas: 2}", to: first, by: "b") })
        #expect(error.code == 409)
        #expect(error.reason == "Conflict")
        #expect(error.message == "Apply failed with 1 conflict: conflict with \"a\": .spec.replicas")
        #expect(
            error.details
                == [
                    "causes": [
                        [
                            "reason": "FieldManagerConflict", "message": "conflict with \"a\"",
                            "field": ".spec.replicas",
                        ]
                    ]
                ])
    }

    @Test func severalConflictsAreListedByOwner() throws {
        var state = try apply("spec: {replicas: 1, minReadySeconds: 5}", to: State())
        let old = try #require(state.object)
        state.object?["metadata"]["labels"] = ["l": "v"]
        state.managed.recordUpdate(
            from: old, to: try #require(state.object),
            by: ManagedFields.Author(manager: "kubectl-label", apiVersion: "v1"), schema, at: "t")
        let error = failure {
            try apply("metadata: {labels: {l: w}}\nspec: {replicas: 2, minReadySeconds: 6}", to: state, by: "b")
        }
        #expect(
            error?.message == """
                Apply failed with 3 conflicts: conflicts with "a":
                - .spec.minReadySeconds
                - .spec.replicas
                conflicts with "kubectl-label" using v1:
                - .metadata.labels.l
                """)
    }

    @Test func subresourcesAreNamed() throws {
        var state = try apply("spec: {replicas: 1}", to: State())
        let old = try #require(state.object)
        state.object?["spec"]["replicas"] = 3
        state.managed.recordUpdate(
            from: old, to: try #require(state.object),
            by: ManagedFields.Author(manager: "kubectl", apiVersion: "v1", subresource: "scale"), schema, at: "t")
        #expect(
            failure { try apply("spec: {replicas: 1}", to: state) }?.message
                == "Apply failed with 1 conflict: conflict with \"kubectl\" with subresource \"scale\" using v1: .spec.replicas"
        )
    }

    @Test func forceTakesTheFields() throws {
        let first = try apply("spec: {replicas: 1, minReadySeconds: 5}", to: State())
        let second = try apply("spec: {replicas: 2}", to: first, by: "b", force: true)
        #expect(second.spec == ["replicas": 2, "minReadySeconds": 5])
        #expect(second.owners("a") == [".spec.minReadySeconds"])
        #expect(second.owners("b") == [".spec.replicas"])
    }

    // MARK: lists

    @Test func listsWithKeysAreMergedByThem() throws {
        let first = try apply(
            "spec: {template: {spec: {containers: [{name: a, image: i1, env: [{name: X, value: '1'}]}]}}}", to: State())
        let second = try apply(
            "spec: {template: {spec: {containers: [{name: b, image: i2}, {name: a, env: [{name: Z, value: '2'}]}]}}}",
            to: first, by: "b")
        #expect(second.containers.map { $0["name"] } == ["b", "a"])
        #expect(second.containers[1]["image"] == "i1")
        #expect(second.containers[1]["env"].items.map { $0["name"] } == ["X", "Z"])
        let third = try apply("spec: {template: {spec: {containers: [{name: a}]}}}", to: second, by: "b")
        #expect(third.containers.map { $0["name"] } == ["a"])
        #expect(third.containers[0]["env"].items.map { $0["name"] } == ["X"])
    }

    @Test func keysHaveTheirDefaults() throws {
        let first = try apply(
            "spec: {template: {spec: {containers: [{name: a, ports: [{containerPort: 80, protocol: TCP}]}]}}}",
            to: State())
        let second = try apply(
            "spec: {template: {spec: {containers: [{name: a, ports: [{containerPort: 80, name: web}]}]}}}", to: first,
            by: "b")
        #expect(second.containers[0]["ports"].items.count == 1)
        #expect(second.containers[0]["ports"][0]["name"] == "web")
    }

    @Test func setsKeepWhatOthersPutIn() throws {
        let first = try apply("metadata: {finalizers: [a/a, b/b]}", to: State())
        let second = try apply("metadata: {finalizers: [c/c]}", to: first, by: "b")
        #expect(second.object?["metadata"]["finalizers"] == ["a/a", "b/b", "c/c"])
        let third = try apply("metadata: {finalizers: [b/b]}", to: second)
        #expect(third.object?["metadata"]["finalizers"] == ["b/b", "c/c"])
    }

    @Test func atomicListsAreReplaced() throws {
        let first = try apply("spec: {template: {spec: {containers: [{name: a, command: [x, z]}]}}}", to: State())
        let second = try apply("spec: {template: {spec: {containers: [{name: a, command: [z]}]}}}", to: first)
        #expect(second.containers[0]["command"] == ["z"])
        #expect(
            failure {
                try apply("spec: {template: {spec: {containers: [{name: a, command: [q]}]}}}", to: second, by: "b")
            }?
            .message
                == "Apply failed with 1 conflict: conflict with \"a\": .spec.template.spec.containers[name=\"a\"].command"
        )
    }

    @Test func anotherSpellingOfAQuantityIsTheSameValue() throws {
        let first = try apply(
            "spec: {template: {spec: {containers: [{name: a, resources: {limits: {cpu: 1000m}}}]}}}", to: State())
        #expect(first.containers[0]["resources"]["limits"]["cpu"] == "1")
        let second = try apply(
            "spec: {template: {spec: {containers: [{name: a, resources: {limits: {cpu: 1}}}]}}}", to: first, by: "b")
        #expect(second.object == first.object)
    }

    // MARK: objects from before

    @Test func whatWasThereBeforeTheFirstApplyHasAnOwner() throws {
        let state = State(object: ["metadata": ["name": "x"], "spec": ["replicas": 3]])
        #expect(
            failure { try apply("spec: {replicas: 2}", to: state) }?.message
                == "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .spec.replicas")
        let same = try apply("spec: {replicas: 3}", to: state)
        #expect(same.owners("before-first-apply") == [".spec.replicas"])
        #expect(same.owners("a") == [".spec.replicas"])
    }

    /// `kubectl apply` first without and then with `--server-side`.
    @Test func kubectlDoesNotConflictWithItsOwnClientSideApply() throws {
        let text = #"{"apiVersion":"v1","kind":"ReplicationController","metadata":{"name":"x"},"spec":{"replicas":1}}"#
        let annotations = JSON([LastApplied.annotation: text])
        let object: JSON = [
            "metadata": ["name": "x", "annotations": annotations],
            "spec": ["replicas": 1, "minReadySeconds": 5],
        ]
        var managed = ManagedFields()
        managed.recordUpdate(
            from: nil, to: object, by: ManagedFields.Author(manager: "kubectl-client-side-apply", apiVersion: "v1"),
            schema, at: "t0")
        let state = State(object: object, managed: managed)
        let applied = try apply("spec: {replicas: 2}", to: state, by: "kubectl")
        #expect(applied.spec["replicas"] == 2)
        // The annotation is kept true for whoever goes back.
        let renewed = try JSON.parse(
            applied.object?["metadata"]["annotations"][LastApplied.annotation].stringValue ?? "")
        #expect(renewed["spec"]["replicas"] == 2)
        // What the annotation does not tell of is a conflict, also for others than kubectl.
        #expect(failure { try apply("spec: {minReadySeconds: 6}", to: state, by: "kubectl") }?.code == 409)
        #expect(failure { try apply("spec: {replicas: 2}", to: state, by: "other") }?.code == 409)
    }

    // MARK: bad input

    @Test(arguments: [
        ("spec: {replicsa: 1}", ".spec.replicsa: field not declared in schema"),
        ("spec: {replicas: lots}", ".spec.replicas: expected numeric (int or float), got string"),
        ("spec: [1]", ".spec: expected map, got [1]"),
        ("metadata: {labels: {a: 1}}", ".metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}"),
        (
            "spec: {template: {spec: {containers: {name: x}}}}",
            ".spec.template.spec.containers: expected list, got {\"name\"=\"x\"}"
        ),
        (
            "spec: {template: {spec: {containers: [{image: x}]}}}",
            ".spec.template.spec.containers: element 0: associative list with keys has an element that omits key field \"name\" (and doesn't have default value)"
        ),
        (
            "spec: {template: {spec: {containers: [{name: x, env: [{name: A}, {name: A}]}]}}}",
            ".spec.template.spec.containers[name=\"x\"].env: duplicate entries for key [name=\"A\"]"
        ),
        (
            "spec: {a: 1, b: 2}",
            "errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema"
        ),
    ])
    func aConfigurationThatDoesNotFitIsRefused(_ yaml: String, _ why: String) throws {
        let error = failure { try apply(yaml, to: State()) }
        #expect(error?.code == 500)
        #expect(
            error?.message == "failed to create typed patch object (/x; /v1, Kind=ReplicationController): \(why)")
    }

    @Test func anotherKindIsRefused() {
        let author = ManagedFields.Author(manager: "a", isApplier: true, apiVersion: "v1")
        #expect(throws: StatusError.self) {
            try ServerSideApply(
                ["apiVersion": "v1", "kind": "Pod"], by: author, isForced: false, path: Self.path, schema: schema)
        }
    }
}
