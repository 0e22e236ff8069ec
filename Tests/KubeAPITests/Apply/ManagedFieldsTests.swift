import Testing

@testable import KubeAPI

/// What `metadata.managedFields` says after writes that do not apply.
@Suite struct ManagedFieldsTests {
    private let pods = BuiltinResources.schema("core/v1.Pod")
    private let configMaps = BuiltinResources.schema("core/v1.ConfigMap")
    private let author = ManagedFields.Author(manager: "m", apiVersion: "v1")

    private func created(_ yaml: String, _ schema: Schema) throws -> JSON {
        var object = try #require(try YAML.parse(yaml).first)
        schema.normalize(&object)
        schema.applyDefaults(&object)
        var managed = ManagedFields()
        managed.recordUpdate(
            from: nil, to: object, by: author, schema, ignoring: ["status"], at: "2026-01-01T00:00:00Z")
        return managed.json
    }

    private func json(_ text: String) throws -> JSON { try JSON.parse(text) }

    @Test func whoMakesAConfigMapOwnsItsData() throws {
        #expect(
            try created("metadata: {name: x, namespace: default, uid: u}\ndata: {a: '1', b: '2'}", configMaps)
                == json(
                    """
                    [{"manager":"m","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z",
                    "fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:a":{},"f:b":{}}}}]
                    """))
    }

    /// As a real API server has it for `kubectl run`: structs that are always there are no members, new ones are.
    @Test func whoMakesAPodOwnsItsDefaultsToo() throws {
        let managed = try created(
            """
            metadata: {name: x, labels: {run: x}, ownerReferences: [{apiVersion: v1, kind: Node, name: n, uid: u1}]}
            spec:
              containers:
              - name: x
                image: nginx
                ports: [{containerPort: 80}]
                env: [{name: A, value: b}]
              nodeSelector: {disk: ssd}
            status: {phase: Running}
            """, pods)
        #expect(
            try managed[0]["fieldsV1"]
                == json(
                    """
                    {"f:metadata":{"f:labels":{".":{},"f:run":{}},"f:ownerReferences":{".":{},"k:{\\"uid\\":\\"u1\\"}":{}}},
                    "f:spec":{"f:containers":{"k:{\\"name\\":\\"x\\"}":{".":{},
                    "f:env":{".":{},"k:{\\"name\\":\\"A\\"}":{".":{},"f:name":{},"f:value":{}}},
                    "f:image":{},"f:imagePullPolicy":{},"f:name":{},
                    "f:ports":{".":{},"k:{\\"containerPort\\":80,\\"protocol\\":\\"TCP\\"}":{".":{},"f:containerPort":{},"f:protocol":{}}},
                    "f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},
                    "f:dnsPolicy":{},"f:enableServiceLinks":{},"f:nodeSelector":{},"f:restartPolicy":{},"f:schedulerName":{},
                    "f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}
                    """))
    }

    // MARK: updates

    private func changed(_ managed: JSON, _ old: JSON, _ new: JSON, by manager: String) throws -> JSON {
        var fields = try #require(ManagedFields(managed))
        fields.recordUpdate(
            from: old, to: new, by: ManagedFields.Author(manager: manager, apiVersion: "v1"), configMaps,
            at: "2026-01-02T00:00:00Z")
        return fields.json
    }

    private func owners(_ managed: JSON) -> [String: [String]] {
        var owners: [String: [String]] = [:]
        for entry in managed.items {
            owners[entry["manager"].stringValue] = FieldSet(root: entry["fieldsV1"].object).paths
        }
        return owners
    }

    @Test func whoChangesAFieldTakesItFromItsOwner() throws {
        let old: JSON = ["metadata": ["name": "x"], "data": ["a": "1", "b": "2"]]
        let managed = try created("metadata: {name: x}\ndata: {a: '1', b: '2'}", configMaps)
        var new = old
        new["data"]["b"] = "3"
        new["data"]["c"] = "4"
        let after = try changed(managed, old, new, by: "other")
        #expect(owners(after) == ["m": [".data", ".data.a"], "other": [".data.b", ".data.c"]])
        #expect(after.items.map { $0["time"].stringValue } == ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])
    }

    @Test func whatIsRemovedBelongsToNobody() throws {
        let old: JSON = ["metadata": ["name": "x"], "data": ["a": "1", "b": "2"]]
        let managed = try created("metadata: {name: x}\ndata: {a: '1', b: '2'}", configMaps)
        let after = try changed(managed, old, ["metadata": ["name": "x"], "data": ["a": "1"]], by: "other")
        #expect(owners(after) == ["m": [".data", ".data.a"]])
        #expect(try changed(managed, old, ["metadata": ["name": "x"]], by: "other").isNull)
    }

    @Test func anObjectThatNobodyKeptAccountOfStaysSo() throws {
        let old: JSON = ["metadata": ["name": "x"]]
        #expect(try changed(.null, old, ["metadata": ["name": "x"], "data": ["a": "1"]], by: "other").isNull)
    }

    @Test func identityIsOwnedByNobody() throws {
        let old: JSON = ["metadata": ["name": "x", "resourceVersion": "1", "generation": 1], "data": ["a": "1"]]
        let managed = try created("metadata: {name: x}\ndata: {a: '1'}", configMaps)
        var new = old
        new["metadata"]["resourceVersion"] = "2"
        new["metadata"]["generation"] = 2
        new["metadata"]["labels"] = ["l": "v"]
        #expect(
            try owners(changed(managed, old, new, by: "other"))
                == ["m": [".data", ".data.a"], "other": [".metadata.labels", ".metadata.labels.l"]])
    }

    @Test func onlyTenThatUpdateAreToldApart() throws {
        var object: JSON = ["metadata": ["name": "x"], "data": ["0": "0"]]
        var managed = ManagedFields()
        managed.recordUpdate(
            from: nil, to: object, by: ManagedFields.Author(manager: "m0", apiVersion: "v1"), configMaps,
            at: "2026-01-01T00:00:00Z")
        for number in 1..<13 {
            let old = object
            object["data"]["\(number)"] = "x"
            let second = number < 10 ? "0\(number)" : "\(number)"
            managed.recordUpdate(
                from: old, to: object, by: ManagedFields.Author(manager: "m\(number)", apiVersion: "v1"), configMaps,
                at: "2026-01-01T00:00:\(second)Z")
        }
        #expect(managed.entries.count == 10)
        #expect(managed.entries[0].author.manager == "ancient-changes")
        #expect(managed.entries[0].fields.paths == [".data", ".data.0", ".data.1", ".data.2", ".data.3"])
        #expect(managed.entries[0].time == "2026-01-01T00:00:03Z")
    }

    @Test func entriesAreReadAsTheyAreWritten() throws {
        let managed = try created("metadata: {name: x}\ndata: {a: '1'}", configMaps)
        #expect(ManagedFields(managed)?.json == managed)
        #expect(
            ManagedFields([["manager": "m", "operation": "Steal", "fieldsType": "FieldsV1", "fieldsV1": [:]]]) == nil)
        #expect(
            ManagedFields([["manager": "m", "operation": "Apply", "fieldsType": "FieldsV2", "fieldsV1": [:]]]) == nil)
        #expect(JSON.array([[:]]).resetsManagedFields)
        #expect(!JSON.array([]).resetsManagedFields)
        #expect(!managed.resetsManagedFields)
    }
}
