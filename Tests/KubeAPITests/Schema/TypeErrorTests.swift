@testable import KubeAPI
import Testing

/// Values of the wrong type, in the words of the decoder of kube-apiserver.
@Suite struct TypeErrorTests {
    private func errors(_ text: String, kind: String, apiVersion: String = "v1") throws -> [String] {
        try SchemaSample.schema((apiVersion, kind)).typeErrors(try JSON.parse(text))
    }

    @Test(arguments: [
        (
            "Pod", #"{"spec":{"containers":"a"}}"#,
            "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container"
        ),
        (
            "Pod", #"{"spec":{"containers":[5]}}"#,
            "json: cannot unmarshal number into Go struct field PodSpec.spec.containers of type v1.Container"
        ),
        ("Pod", #"{"spec":[]}"#, "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec"),
        (
            "Pod", #"{"spec":{"hostNetwork":"yes"}}"#,
            "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool"
        ),
        (
            "Pod", #"{"metadata":{"labels":{"a":1}}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"
        ),
        (
            "Pod", #"{"metadata":{"labels":[]}}"#,
            "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string"
        ),
        (
            "Pod", #"{"metadata":{"uid":1}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.uid of type types.UID"
        ),
        (
            "Pod", #"{"metadata":{"creationTimestamp":1}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string"
        ),
        (
            "Pod", #"{"metadata":{"creationTimestamp":"today"}}"#,
            #"parsing time "today" as "2006-01-02T15:04:05Z07:00": cannot parse "today" as "2006""#
        ),
        (
            "Pod", #"{"spec":{"containers":[{"ports":[{"containerPort":"80"}]}]}}"#,
            "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"
        ),
        (
            "Pod", #"{"spec":{"containers":[{"ports":[{"containerPort":2147483648}]}]}}"#,
            "json: cannot unmarshal number 2147483648 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"
        ),
        (
            "Pod", #"{"spec":{"containers":[{"ports":[{"containerPort":1.5}]}]}}"#,
            "json: cannot unmarshal number 1.5 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"
        ),
        (
            "Pod", #"{"spec":{"containers":[{"livenessProbe":{"tcpSocket":{"port":true}}}]}}"#,
            "json: cannot unmarshal bool into Go struct field TCPSocketAction.spec.containers.livenessProbe.tcpSocket.port of type int32"
        ),
        (
            "Pod", #"{"spec":{"containers":[{"resources":{"limits":{"cpu":"lots"}}}]}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        ),
        (
            "Pod", #"{"spec":{"containers":[{"resources":{"limits":[]}}]}}"#,
            "json: cannot unmarshal array into Go struct field ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList"
        ),
        (
            "Pod", #"{"spec":{"restartPolicy":1}}"#,
            "json: cannot unmarshal number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy"
        ),
        ("Secret", #"{"data":{"a":"abc"}}"#, "illegal base64 data at input byte 0"),
        ("Secret", #"{"data":{"a":"aGk*"}}"#, "illegal base64 data at input byte 3"),
        (
            "Secret", #"{"data":{"a":{}}}"#,
            "json: cannot unmarshal object into Go struct field Secret.data of type []uint8"
        ),
        ("Pod", "[]", "json: cannot unmarshal array into Go value of type v1.Pod"),
    ])
    func saysWhatGoSays(kind: String, text: String, message: String) throws {
        #expect(try errors(text, kind: kind).first == message)
    }

    @Test func microTimesHaveSixDigits() throws {
        #expect(
            try errors(
                #"{"spec":{"renewTime":"2024-01-02T03:04:05Z"}}"#, kind: "Lease", apiVersion: "coordination.k8s.io/v1")
                == [
                    #"parsing time "2024-01-02T03:04:05Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000""#
                ])
    }

    /// Types that read their values themselves end Go's decoding: what they say is the answer.
    @Test func selfReadingTypesComeFirst() throws {
        let text = #"{"metadata":{"name":1,"creationTimestamp":"x"},"spec":{"nodeName":2}}"#
        #expect(
            try errors(text, kind: "Pod") == [
                #"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#,
                "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string",
            ])
    }

    @Test func tellsAllUpToALimit() throws {
        let text = #"{"metadata":{"name":1,"namespace":2,"labels":3}}"#
        #expect(try errors(text, kind: "Pod").count == 3)
        #expect(try SchemaSample.schema(("v1", "Pod")).typeErrors(try JSON.parse(text), limit: 2).count == 2)
    }

    @Test func nullFitsEverywhere() throws {
        let text = #"{"metadata":null,"spec":{"containers":[null],"nodeSelector":{"a":null},"hostNetwork":null}}"#
        #expect(try errors(text, kind: "Pod") == [])
    }

    @Test func whatKindsHoldHasNoErrors() throws {
        for kind in SchemaSample.kinds {
            for seed in 0..<10 as Range<UInt64> {
                var sample = SchemaSample(seed: seed)
                #expect(
                    try SchemaSample.schema(kind).typeErrors(sample.object(kind)) == [], "\(kind.kind), seed \(seed)")
            }
        }
    }
}
