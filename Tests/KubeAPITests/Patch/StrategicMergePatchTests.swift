@testable import KubeAPI
import Testing

/// Strategic merge patches, each with what Kubernetes makes of it.
@Suite struct StrategicMergePatchTests {
    private func patched(_ original: JSON, _ patch: JSON, kind: String = "Pod") throws -> JSON {
        try StrategicMergePatch.apply(patch, to: original, schema: try SchemaSample.schema(("v1", kind)))
    }

    private func containers(_ names: String...) -> JSON {
        ["spec": ["containers": .array(names.map { ["name": .string($0)] })]]
    }
    private func names(_ list: JSON) -> [String] { list.items.map { $0["name"].string ?? $0.description } }

    // MARK: objects and maps

    @Test func mergesObjectsAndRemovesNulls() throws {
        #expect(
            try patched(
                [
                    "metadata": ["name": "a", "labels": ["x": "1", "y": "2"]],
                    "spec": ["nodeName": "n", "hostNetwork": true],
                ],
                try JSON.parse(#"{"metadata":{"labels":{"x":null,"z":"3"}},"spec":{"nodeName":null}}"#))
                == ["metadata": ["name": "a", "labels": ["y": "2", "z": "3"]], "spec": ["hostNetwork": true]])
    }

    @Test func replacesAnObjectByDirective() throws {
        #expect(
            try patched(
                ["spec": ["nodeSelector": ["a": "1", "b": "2"]]],
                ["spec": ["nodeSelector": ["$patch": "replace", "c": "3"]]])
                == ["spec": ["nodeSelector": ["c": "3"]]])
    }

    @Test func deletesAnObjectByDirective() throws {
        // What was there stays as an empty object, as in Kubernetes; what was not is not made.
        #expect(
            try patched(
                ["spec": ["securityContext": ["runAsUser": 1]]], ["spec": ["securityContext": ["$patch": "delete"]]])
                == ["spec": ["securityContext": [:]]])
        #expect(try patched(["spec": [:]], ["spec": ["securityContext": ["$patch": "delete"]]]) == ["spec": [:]])
    }

    @Test func storesNoNullsOfNewObjects() throws {
        #expect(
            try patched([:], try JSON.parse(#"{"spec":{"securityContext":{"runAsUser":1,"fsGroup":null}}}"#))
                == ["spec": ["securityContext": ["runAsUser": 1]]])
    }

    @Test func selectorsOfAControllerMerge() throws {
        #expect(
            try patched(
                ["spec": ["selector": ["a": "1"], "replicas": 2]], ["spec": ["selector": ["b": "2"], "replicas": 3]],
                kind: "ReplicationController")
                == ["spec": ["selector": ["a": "1", "b": "2"], "replicas": 3]])
    }

    // MARK: lists with a merge key

    @Test func mergesElementsByKey() throws {
        #expect(
            try patched(
                ["spec": ["containers": [["name": "a", "image": "i:1", "args": ["x"]], ["name": "b"]]]],
                ["spec": ["containers": [["name": "a", "image": "i:2", "args": ["y"]]]]])
                == ["spec": ["containers": [["name": "a", "image": "i:2", "args": ["y"]], ["name": "b"]]]])
    }

    @Test func appendsAndDeletesElements() throws {
        let merged = try patched(
            containers("a", "b", "c"), ["spec": ["containers": [["name": "b", "$patch": "delete"], ["name": "d"]]]])
        // Without an order that is asked for, what is new comes first.
        #expect(names(merged["spec"]["containers"]) == ["d", "a", "c"])
    }

    @Test func replacesAListByDirective() throws {
        #expect(
            try patched(containers("a", "b"), ["spec": ["containers": [["name": "c"], ["$patch": "replace"]]]])
                == containers("c"))
        #expect(
            try patched(containers("a"), ["spec": ["containers": [["$patch": "replace"]]]]) == [
                "spec": ["containers": []]
            ])
    }

    @Test func mergesEnvironmentsWithinContainers() throws {
        let original = try JSON.parse(
            #"{"spec":{"containers":[{"name":"a","env":[{"name":"A","value":"1"},{"name":"B","value":"2"}]}]}}"#)
        let patch = try JSON.parse(
            #"{"spec":{"containers":[{"name":"a","env":[{"name":"B","value":null,"valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},{"name":"C","value":"3"}]}]}}"#
        )
        #expect(
            try patched(original, patch)["spec"]["containers"][0]["env"] == [
                ["name": "A", "value": "1"], ["name": "B", "valueFrom": ["fieldRef": ["fieldPath": "metadata.name"]]],
                ["name": "C", "value": "3"],
            ])
    }

    /// Ports are keyed by their number alone: the first of it takes the change, as in Kubernetes.
    @Test func portsAreKeyedByNumber() throws {
        let original = try JSON.parse(
            #"{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"protocol":"TCP"},{"containerPort":53,"protocol":"UDP"}]}]}}"#
        )
        let patch = try JSON.parse(
            #"{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"name":"dns"}]}]}}"#)
        #expect(
            try patched(original, patch)["spec"]["containers"][0]["ports"] == [
                ["containerPort": 53, "protocol": "TCP", "name": "dns"], ["containerPort": 53, "protocol": "UDP"],
            ])
        let deletion = try JSON.parse(
            #"{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"$patch":"delete"}]}]}}"#)
        #expect(try patched(original, deletion)["spec"]["containers"][0]["ports"] == [])
    }

    @Test func portsOfServicesAreKeyedByPort() throws {
        #expect(
            try patched(
                ["spec": ["ports": [["port": 80, "nodePort": 30080], ["port": 443]]]],
                ["spec": ["ports": [["port": 80, "targetPort": "http"]]]], kind: "Service")
                == ["spec": ["ports": [["port": 80, "nodePort": 30080, "targetPort": "http"], ["port": 443]]]])
    }

    @Test func conditionsMergeByType() throws {
        let original: JSON = [
            "status": ["conditions": [["type": "Ready", "status": "False"], ["type": "A", "status": "True"]]]
        ]
        let merged = try patched(
            original, ["status": ["conditions": [["type": "Ready", "status": "True"]]]], kind: "Node")
        #expect(
            merged == [
                "status": ["conditions": [["type": "Ready", "status": "True"], ["type": "A", "status": "True"]]]
            ])
    }

    @Test func retainsOnlyNamedKeys() throws {
        #expect(
            try patched(
                ["spec": ["volumes": [["name": "v", "emptyDir": ["medium": "Memory"]]]]],
                [
                    "spec": [
                        "volumes": [["name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": ["path": "/x"]]]
                    ]
                ])
                == ["spec": ["volumes": [["name": "v", "hostPath": ["path": "/x"]]]]])
    }

    @Test func atomicListsAreReplaced() throws {
        #expect(
            try patched(
                ["spec": ["tolerations": [["key": "a"]]]], ["spec": ["tolerations": [["key": "b"]]]])
                == ["spec": ["tolerations": [["key": "b"]]]])
    }

    // MARK: lists of plain values

    @Test func mergesFinalizers() throws {
        #expect(
            Set(
                try patched(["metadata": ["finalizers": ["a", "b"]]], ["metadata": ["finalizers": ["b", "c"]]])
                    .finalizers)
                == ["a", "b", "c"])
        #expect(
            try patched(
                ["metadata": ["finalizers": ["a", "b", "c"]]],
                [
                    "metadata": [
                        "$deleteFromPrimitiveList/finalizers": ["b"], "$setElementOrder/finalizers": ["a", "c"],
                    ]
                ])
                == ["metadata": ["finalizers": ["a", "c"]]])
    }

    // MARK: order

    @Test func followsTheOrderAskedFor() throws {
        let merged = try patched(
            containers("a", "b", "c"),
            [
                "spec": [
                    "$setElementOrder/containers": [["name": "c"], ["name": "d"], ["name": "a"]],
                    "containers": [["name": "d"], ["name": "b", "$patch": "delete"]],
                ]
            ])
        #expect(names(merged["spec"]["containers"]) == ["c", "d", "a"])
    }

    /// What the server added stays before what it preceded there.
    @Test func keepsTheServersOwnInPlace() throws {
        let merged = try patched(
            containers("own-1", "a", "own-2", "b"),
            ["spec": ["$setElementOrder/containers": [["name": "b"], ["name": "a"]]]])
        #expect(names(merged["spec"]["containers"]) == ["own-1", "own-2", "b", "a"])
    }

    /// Kubernetes deletes in place and appends: what is added counts as if it had been where something was deleted.
    @Test func whatIsAddedTakesThePlaceOfWhatIsDeleted() throws {
        let added: JSON = [
            "spec": [
                "$setElementOrder/containers": [["name": "c"], ["name": "a"]],
                "containers": [["name": "c"], ["name": "a"], ["name": "b", "$patch": "delete"]],
            ]
        ]
        #expect(names(try patched(containers("c", "b", "own"), added)["spec"]["containers"]) == ["c", "own", "a"])
        let plain: JSON = [
            "spec": [
                "$setElementOrder/containers": [["name": "c"], ["name": "a"]],
                "containers": [["name": "c"], ["name": "a"]],
            ]
        ]
        #expect(names(try patched(containers("c", "own"), plain)["spec"]["containers"]) == ["c", "a", "own"])
    }

    @Test func ordersWithoutChanges() throws {
        let merged = try patched(
            ["metadata": ["finalizers": ["a", "b", "c"]]], ["metadata": ["$setElementOrder/finalizers": ["c", "a"]]])
        #expect(merged.finalizers == ["b", "c", "a"])
    }

    /// What `kubectl apply` 1.33 sends for a pod whose image, environment, ports and volumes have changed.
    @Test func appliesWhatKubectlSends() throws {
        let original = try JSON.parse(
            #"""
            {"metadata":{"name":"web","uid":"u","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"old"}},
            "spec":{"nodeName":"n1","containers":[{"name":"a","image":"i:1","imagePullPolicy":"Always",
            "env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"ports":[{"containerPort":53,"protocol":"TCP"}]},
            {"name":"injected","image":"proxy"}],"volumes":[{"name":"v","emptyDir":{}},{"name":"token","projected":{}}]}}
            """#)
        let patch = try JSON.parse(
            #"""
            {"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"new"}},
            "spec":{"$setElementOrder/containers":[{"name":"a"}],"$setElementOrder/volumes":[{"name":"v"}],
            "containers":[{"$setElementOrder/env":[{"name":"B"}],"$setElementOrder/ports":[{"containerPort":53},{"containerPort":80}],
            "env":[{"$patch":"delete","name":"A"}],"image":"i:2","name":"a","ports":[{"containerPort":80}]}],
            "volumes":[{"$retainKeys":["hostPath","name"],"emptyDir":null,"hostPath":{"path":"/x"},"name":"v"}]}}
            """#)
        #expect(
            try patched(original, patch)
                == JSON.parse(
                    #"""
                    {"metadata":{"name":"web","uid":"u","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"new"}},
                    "spec":{"nodeName":"n1","containers":[{"name":"a","image":"i:2","imagePullPolicy":"Always",
                    "env":[{"name":"B","value":"2"}],"ports":[{"containerPort":53,"protocol":"TCP"},{"containerPort":80}]},
                    {"name":"injected","image":"proxy"}],"volumes":[{"name":"v","hostPath":{"path":"/x"}},{"name":"token","projected":{}}]}}
                    """#))
    }

    // MARK: bad patches

    @Test(arguments: [
        (#"{"spec":{"containers":[{"image":"i"}]}}"#, "map: map[image:i] does not contain declared merge key: name"),
        (
            #"{"spec":{"containers":[{"$patch":"bogus","name":"a"}]}}"#,
            "unknown patch type: bogus in map: map[$patch:bogus name:a]"
        ),
        (#"{"spec":{"$patch":"bogus"}}"#, "unknown patch type: bogus in map: map[$patch:bogus]"),
        (#"{"spec":{"$patch":5}}"#, "unknown patch type: %!s(int64=5) in map: map[$patch:5]"),
        (#"{"spec":{"$retainKeys":["a"],"b":1}}"#, "invalid patch format of retainKeys"),
        (#"{"spec":{"$setElementOrder/containers":"a"}}"#, "invalid patch format of setElementOrder list"),
        (
            #"{"spec":{"$setElementOrder/containers":[{"name":"b"}],"containers":[{"name":"a"}]}}"#,
            "The order in patch list:\n[map[name:a]]\n doesn't match $setElementOrder list:\n[map[name:b]]\n"
        ),
        (#"[]"#, "invalid JSON document"),
    ])
    func refusesInKubernetesWords(patch: String, message: String) throws {
        let patch = try JSON.parse(patch)
        let error = #expect(throws: StatusError.self) { try patched(containers("a"), patch) }
        #expect(error?.code == 400)
        #expect(error?.message == message)
    }

    // MARK: properties

    @Test func patchingWithItselfChangesNothing() throws {
        for kind in SchemaSample.kinds.prefix(12) {
            let schema = try SchemaSample.schema(kind)
            for seed in 0..<20 as Range<UInt64> {
                var sample = SchemaSample(seed: seed)
                let object = try sample.object(kind)
                #expect(
                    try StrategicMergePatch.apply(["metadata": ["labels": [:]]], to: object, schema: schema)["spec"]
                        == object["spec"])
                #expect(
                    try StrategicMergePatch.apply([:], to: object, schema: schema) == object,
                    "\(kind.kind), seed \(seed)")
            }
        }
    }

    /// Nothing that a client sends leaves a directive behind, or crashes.
    @Test func storesNoDirectives() throws {
        let base = UInt64.random(in: 0..<1 << 48)
        for seed in base..<base + 500 {
            var sample = SchemaSample(seed: seed)
            let kind = SchemaSample.kinds[Int(seed % 12)]
            let object = try sample.object(kind)
            var patch = try sample.object(kind)
            Self.strew(&patch, &sample.random)
            guard let merged = try? StrategicMergePatch.apply(patch, to: object, schema: try SchemaSample.schema(kind))
            else {
                continue  // most of these patches make no sense
            }
            #expect(!merged.description.contains("\"$"), "seed \(seed)")
        }
    }

    private static func strew(_ value: inout JSON, _ random: inout SeededGenerator) {
        switch value {
        case .object(var object):
            for name in object.names {
                var member = object[name] ?? .null
                strew(&member, &random)
                object[name] = member
                switch Int.random(in: 0..<20, using: &random) {
                case 0: object[name] = JSON.null
                case 1: object["$setElementOrder/\(name)"] = member.array == nil ? [] : member
                case 2: object["$deleteFromPrimitiveList/\(name)"] = ["a"]
                case 3: object["$retainKeys"] = JSON(object.names)
                default: break
                }
            }
            if Int.random(in: 0..<12, using: &random) == 0 {
                object["$patch"] = .string(["delete", "replace", "merge"].randomElement(using: &random) ?? "delete")
            }
            value = .object(object)
        case .array(var elements):
            for index in elements.indices { strew(&elements[index], &random) }
            value = .array(elements)
        default: break
        }
    }
}
