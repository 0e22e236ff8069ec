@testable import KubeAPI
import Testing

/// The one form in which objects are stored and answered: that in which Kubernetes writes them back.
@Suite struct NormalizingTests {
    private func normalized(_ text: String, kind: String, apiVersion: String = "v1") throws -> JSON {
        var object = try JSON.parse(text)
        try SchemaSample.schema((apiVersion, kind)).normalize(&object)
        return object
    }

    @Test func leavesOutWhatGoLeavesOut() throws {
        #expect(
            try normalized(
                #"{"metadata":{"name":"a","namespace":"","labels":{},"finalizers":[],"creationTimestamp":null,"generation":0},"spec":{"containers":[],"nodeName":"","hostNetwork":false,"securityContext":{}},"status":{}}"#,
                kind: "Pod")
                // Lists without omitempty, pointers and structs stay.
                == ["metadata": ["name": "a"], "spec": ["containers": [], "securityContext": [:]], "status": [:]])
    }

    @Test func keepsZeroBehindPointers() throws {
        #expect(
            try normalized(
                #"{"spec":{"terminationGracePeriodSeconds":0,"enableServiceLinks":false,"containers":[{"name":"a","securityContext":{"runAsUser":0}}]}}"#,
                kind: "Pod")
                == [
                    "spec": [
                        "terminationGracePeriodSeconds": 0, "enableServiceLinks": false,
                        "containers": [["name": "a", "securityContext": ["runAsUser": 0]]],
                    ]
                ])
    }

    /// A number or text is a struct to Go, which it writes whatever it holds.
    @Test func keepsThePortZero() throws {
        #expect(
            try normalized(#"{"spec":{"ports":[{"port":80,"targetPort":0}]}}"#, kind: "Service")
                == ["spec": ["ports": [["port": 80, "targetPort": 0]]]])
    }

    @Test func givesQuantitiesTheirSpelling() throws {
        #expect(
            try normalized(
                #"{"status":{"capacity":{"a":"1024Mi","b":0.5,"c":1000,"d":" 1 ","e":"1500m","f":"2.500","g":"0.100","h":null}}}"#,
                kind: "Node")
                == [
                    "status": [
                        "capacity": [
                            "a": "1Gi", "b": "500m", "c": "1k", "d": "1", "e": "1500m", "f": "2.500", "g": "100m",
                            "h": "0",
                        ]
                    ]
                ])
    }

    @Test(
        arguments: [
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"), ("2024-01-02T03:04:05.999Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"),
            ("9999-12-31T23:59:59+01:00", "9999-12-31T22:59:59Z"),
            ("0001-01-01T00:00:00Z", nil), ("0001-01-01T01:00:00+01:00", nil),
        ] as [(String, String?)])
    func givesTimesTheirSpelling(text: String, expected: String?) throws {
        let object = try normalized("{\"metadata\":{\"deletionTimestamp\":\"\(text)\"}}", kind: "Pod")
        #expect(object["metadata"]["deletionTimestamp"].string == expected)
    }

    @Test func givesMicroTimesSixDigits() throws {
        #expect(
            try normalized(
                #"{"spec":{"renewTime":"2024-01-02T03:04:05.123456+01:00"}}"#, kind: "Lease",
                apiVersion: "coordination.k8s.io/v1")
                == ["spec": ["renewTime": "2024-01-02T02:04:05.123456Z"]])
    }

    @Test func fillsNullElements() throws {
        #expect(
            try normalized(#"{"spec":{"containers":[null,{"args":[null,"a"]}]}}"#, kind: "Pod")
                == ["spec": ["containers": [[:], ["args": ["", "a"]]]]])
    }

    @Test func keepsRawValuesAsTheyAre() throws {
        let text = #"{"metadata":{"managedFields":[{"fieldsV1":{"f:a":{},"f:b":null,"f:c":[]}}]}}"#
        #expect(try normalized(text, kind: "Pod").description == text)
    }

    @Test func isIdempotentOverEveryKind() throws {
        for kind in SchemaSample.kinds {
            for seed in 0..<20 as Range<UInt64> {
                var sample = SchemaSample(seed: seed)
                let once = try sample.object(kind)
                var twice = once
                try SchemaSample.schema(kind).normalize(&twice)
                #expect(twice.description == once.description, "\(kind.kind), seed \(seed)")
            }
        }
    }
}
