@testable import KubeAPI
import Testing

/// Unknown and duplicate fields, in the words and the order of Go's strict decoder.
@Suite struct StrictDecodingTests {
    private func errors(_ text: String, apiVersion: String = "v1", kind: String) throws -> [String] {
        let schema = try SchemaSample.schema((apiVersion, kind))
        var duplicates: [String] = []
        var object = try JSON.parse(Array(text.utf8), duplicates: &duplicates)
        let unknown = schema.prune(&object)
        return Schema.strictErrors(Array(text.utf8), unknown: unknown, duplicates: duplicates)
    }

    @Test func namesUnknownFieldsByPath() throws {
        let text = #"""
            {"spec":{"ports":[{"port":80},{"potr":81,"port":82}],"selectr":{"a":"b"}},"metadata":{"lables":{}},"x y":1}
            """#
        #expect(
            try errors(text, kind: "Service") == [
                #"unknown field "spec.ports[1].potr""#, #"unknown field "spec.selectr""#,
                #"unknown field "metadata.lables""#,
                #"unknown field "x y""#,
            ])
    }

    @Test func keysOfMapsAreNoFields() throws {
        #expect(try errors(#"{"data":{"anything":"x"},"metadata":{"labels":{"any":"y"}}}"#, kind: "ConfigMap") == [])
    }

    @Test func namesAreCaseSensitive() throws {
        #expect(try errors(#"{"Data":{"a":"x"}}"#, kind: "ConfigMap") == [#"unknown field "Data""#])
    }

    @Test func ordersUnknownAndDuplicateFieldsAsTheyCome() throws {
        let text =
            #"{"kind":"ConfigMap","bogus":1,"kind":"ConfigMap","data":{"a":"1","b":"2","a":"3"},"metadata":{"nmae":"x"}}"#
        #expect(
            try errors(text, kind: "ConfigMap") == [
                #"unknown field "bogus""#, #"duplicate field "kind""#, #"duplicate field "data.a""#,
                #"unknown field "metadata.nmae""#,
            ])
    }

    @Test func looksIntoNoUnknownField() throws {
        #expect(
            try errors(#"{"bogus":{"a":1,"a":2},"bogus":[{"b":1,"b":2}]}"#, kind: "ConfigMap")
                == [#"unknown field "bogus""#])
    }

    @Test func namesAHundredAtMost() throws {
        let fields = (0..<500).map { "\"x\($0)\":1" }.joined(separator: ",")
        let errors = try errors("{\(fields)}", kind: "Pod")
        #expect(errors.count == 100)
        #expect(errors.last == #"unknown field "x99""#)
    }

    @Test func removesWhatItDoesNotKnow() throws {
        var object: JSON = [
            "spec": ["containers": [["name": "a", "imagee": "b"]], "bogus": 1],
            "metadata": ["labels": ["any": "thing"], "managedFields": [["fieldsV1": ["f:any": ["f:thing": [:]]]]]],
        ]
        let unknown = try SchemaSample.schema(("v1", "Pod")).prune(&object)
        #expect(unknown == ["spec.containers[0].imagee", "spec.bogus"])
        #expect(
            object == [
                "spec": ["containers": [["name": "a"]]],
                "metadata": ["labels": ["any": "thing"], "managedFields": [["fieldsV1": ["f:any": ["f:thing": [:]]]]]],
            ])
    }

    @Test func knowsAllThatKindsHold() throws {
        for kind in SchemaSample.kinds {
            for seed in 0..<10 as Range<UInt64> {
                var sample = SchemaSample(seed: seed)
                var object = try sample.object(kind)
                let before = object
                #expect(try SchemaSample.schema(kind).prune(&object) == [], "\(kind.kind), seed \(seed)")
                #expect(object == before, "\(kind.kind), seed \(seed)")
            }
        }
    }
}
