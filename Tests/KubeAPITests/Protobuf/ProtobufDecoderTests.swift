@testable import KubeAPI
import Testing

@Suite struct ProtobufDecoderTests {
    private func decode(_ base64: String) throws -> JSON {
        try ProtobufDecoder.decode(try #require(Base64.decode(base64)), scheme: .builtin)
    }

    private func raw(_ kind: String, _ apiVersion: String = "v1", _ write: (inout ProtobufWriter) -> Void) throws
        -> JSON
    {
        var message = ProtobufWriter()
        write(&message)
        return try ProtobufDecoder.decode(
            ProtobufWriter.body(apiVersion: apiVersion, kind: kind, raw: message.bytes), scheme: .builtin)
    }

    // MARK: what kubectl 1.33 sends

    @Test(arguments: [
        (
            "azhzAAoPCgJ2MRIJTmFtZXNwYWNlEhoKEgoCbjESABoAIgAqADIAOABCABIAGgIKABoAIgA=",
            #"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n1"},"spec":{},"status":{}}"#
        ),
        (
            "azhzAAoPCgJ2MRIJQ29uZmlnTWFwEicKEgoCYzESABoAIgAqADIAOABCABIGCgFhEgFiEgkKAXgSBMOpIHkaACIA",
            #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c1"},"data":{"a":"b","x":"é y"}}"#
        ),
        (
            "azhzAAoMCgJ2MRIGU2VjcmV0Eh4KEgoCczESABoAIgAqADIAOABCABIGCgFhEgFiGgAaACIA",
            #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s1"},"data":{"a":"Yg=="}}"#
        ),
        (
            "azhzAAoUCgJ2MRIOU2VydmljZUFjY291bnQSFQoTCgNzYTESABoAIgAqADIAOABCABoAIgA=",
            #"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"sa1"}}"#
        ),
        (
            "azhzAAoNCgJ2MRIHU2VydmljZRJsCiEKBHN2YzESABoAIgAqADIAOABCAFoLCgNhcHASBHN2YzESQwobCgc4MC04MDgwEgNUQ1AYUCIHCAAQkD8aACgAEgsKA2FwcBIEc3ZjMRoAIglDbHVzdGVySVA6AEIAUgBaAGAAaAAaAgoAGgAiAA==",
            #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"svc1","labels":{"app":"svc1"}},"spec":{"ports":[{"name":"80-8080","protocol":"TCP","port":80,"targetPort":8080}],"selector":{"app":"svc1"},"type":"ClusterIP"},"status":{"loadBalancer":{}}}"#
        ),
    ])
    func readsWhatKubectlSends(body: String, expected: String) throws {
        #expect(try decode(body) == JSON.parse(expected))
    }

    // MARK: what Kubernetes' own encoder writes

    @Test(arguments: [
        (
            "azhzAAoNCgJ2MRIHU2VydmljZRKGAQoVCgN3ZWISABoAIgAqADIAOABCAHoAEmkKGAoEaHR0cBIDVENQGFAiBwgAEJA/GgAoAAobCgNkbnMSA1VEUBg1IgkIARAAGgNkbnMo5eoBEgoKA2FwcBIDd2ViGgAiCE5vZGVQb3J0OghDbGllbnRJUEIAUgBaAGAAaAByBAoCCAoaAgoAGgAiAA==",
            #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080},{"name":"dns","protocol":"UDP","port":53,"targetPort":"dns","nodePort":30053}],"selector":{"app":"web"},"type":"NodePort","sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10}}},"status":{"loadBalancer":{}}}"#
        ),
        (
            "azhzAAoPCgJ2MRIJQ29uZmlnTWFwEjYKEwoBYxIAGgAiACoAMgA4AEIAegASBgoBYRIBYhIJCgLDqRIDw7wKGgoKA2JpbhIDAAH/IAEaACIA",
            #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"b","é":"ü\n"},"binaryData":{"bin":"AAH/"},"immutable":true}"#
        ),
        (
            "azhzAAofChZjb29yZGluYXRpb24uazhzLmlvL3YxEgVMZWFzZRI3CiIKAWwSABoPa3ViZS1ub2RlLWxlYXNlIgAqADIAOABCAHoAEhEKAm4xECgiCQil+s2sBhDwLhoAIgA=",
            #"{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l","namespace":"kube-node-lease"},"spec":{"holderIdentity":"n1","leaseDurationSeconds":40,"renewTime":"2024-01-02T03:04:05.000006Z"}}"#
        ),
        (
            "azhzAAoXCg5hdXRvc2NhbGluZy92MRIFU2NhbGUSKAocCgJyYxIAGgdkZWZhdWx0IgAqADIBNzgAQgB6ABICCAMaBAgAEgAaACIA",
            #"{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"rc","namespace":"default","resourceVersion":"7"},"spec":{"replicas":3},"status":{"replicas":0}}"#
        ),
        (
            "azhzAAoNCgJ2MRIHQmluZGluZxIrChMKAXASABoAIgAqADIAOABCAHoAEhQKBE5vZGUSABoCbjEiACoAMgA6ABoAIgA=",
            #"{"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"kind":"Node","name":"n1"}}"#
        ),
        (
            "azhzAAoTCgJ2MRINRGVsZXRlT3B0aW9ucxIbCAASBgoBdRIBNSIKRm9yZWdyb3VuZCoDQWxsGgAiAA==",
            #"{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0,"preconditions":{"uid":"u","resourceVersion":"5"},"propagationPolicy":"Foreground","dryRun":["All"]}"#
        ),
        (
            "azhzAAoJCgJ2MRIDUG9kEuIDClgKA3dlYhIAGgdkZWZhdWx0IgAqADIAOABCCAil+s2sBhAAWgoKA2FwcBIDd2ViaiYKFVJlcGxpY2F0aW9uQ29udHJvbGxlchoDd2ViIgJ1MSoCdjEwAXoAEuICChMKBGRhdGESCxIJCgASBQoDMUdpChwKA2NmZxIVmgESCgUKA2NmZxIGCgFhEgFiGKQDEt4BCgFhEgNpOjEiAi12KgAyEQoEaHR0cBAAGFAiA1RDUCoAOgYKAUESATE6HAoBQhIAGhUKEwoCdjESDW1ldGFkYXRhLm5hbWVCIAoNCgNjcHUSBgoENTAwbQoPCgZtZW1vcnkSBQoDMUdpUhgKDBoKCgYIABBQGgASABAAGAAgACgAMABaJgoaEhgKAi96EgoIARAAGgRodHRwGgAiBEhUVFAQABgAIAUoADAAYg4SDAoKCgVzbGVlcAoBMWoAcgB6EQoLCglORVRfQURNSU4QACAAgAEAiAEAkAEAogEAGgZBbHdheXMgADIAOgsKBGRpc2sSA3NzZEIASgBSAFgBYABoAIIBAIoBAJoBALIBGgoBaxIGRXhpc3RzGgAiACj///////////8BwgEAGiEKB1BlbmRpbmcaACIAKgAyAEoAWgBiCgoIMTAuMC4wLjEaACIA",
            #"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"default","creationTimestamp":"2024-01-02T03:04:05Z","labels":{"app":"web"},"ownerReferences":[{"kind":"ReplicationController","name":"web","uid":"u1","apiVersion":"v1","controller":true}]},"spec":{"volumes":[{"name":"data","emptyDir":{"sizeLimit":"1Gi"}},{"name":"cfg","configMap":{"name":"cfg","items":[{"key":"a","path":"b"}],"defaultMode":420}}],"containers":[{"name":"a","image":"i:1","args":["-v"],"ports":[{"name":"http","containerPort":80,"protocol":"TCP"}],"env":[{"name":"A","value":"1"},{"name":"B","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}}],"resources":{"limits":{"cpu":"500m","memory":"1Gi"}},"livenessProbe":{"tcpSocket":{"port":80}},"readinessProbe":{"httpGet":{"path":"/z","port":"http","scheme":"HTTP"},"periodSeconds":5},"lifecycle":{"preStop":{"exec":{"command":["sleep","1"]}}},"securityContext":{"capabilities":{"add":["NET_ADMIN"]},"privileged":false,"runAsUser":0}}],"restartPolicy":"Always","terminationGracePeriodSeconds":0,"nodeSelector":{"disk":"ssd"},"hostNetwork":true,"tolerations":[{"key":"k","operator":"Exists","tolerationSeconds":-1}]},"status":{"phase":"Pending","podIPs":[{"ip":"10.0.0.1"}]}}"#
        ),
    ])
    func readsWhatKubernetesWrites(body: String, expected: String) throws {
        #expect(try decode(body) == JSON.parse(expected))
    }

    /// Every field of every kind, by its number.
    @Test(arguments: [false, true])
    func readsEveryFieldOfEveryKind(packs: Bool) throws {
        for kind in SchemaSample.kinds {
            let schema = try SchemaSample.schema(kind)
            for seed in 0..<40 as Range<UInt64> {
                var sample = SchemaSample(seed: seed)
                sample.percentage = 60
                let object = try sample.object(kind)
                var decoded = try ProtobufDecoder.decode(
                    ProtobufWriter.body(object, schema, packs: packs), scheme: .builtin)
                schema.normalize(&decoded)
                #expect(decoded == object, "\(kind.kind), seed \(seed)")
            }
        }
    }

    // MARK: the wire

    @Test func skipsUnknownFieldsOfEveryWireType() throws {
        let event = try raw("Event") { message in
            message.field(5000, varint: .max)
            message.tag(5001, 1)
            for byte in 1...8 as ClosedRange<UInt8> { message.varint(UInt64(byte)) }
            message.field(5002, Array("ignored".utf8))
            message.tag(5003, 5)
            for byte in 1...4 as ClosedRange<UInt8> { message.varint(UInt64(byte)) }
            message.field(3, Array("Pulled".utf8))
        }
        #expect(event == ["apiVersion": "v1", "kind": "Event", "reason": "Pulled"])
    }

    @Test func mergesMessagesThatComeTwice() throws {
        let event = try raw("Event") { message in
            for (number, text) in [(3, "name-1"), (1, "Pod"), (3, "name-2")] {
                var reference = ProtobufWriter()
                reference.field(number, Array(text.utf8))
                message.field(2, reference.bytes)
            }
        }
        #expect(event["involvedObject"] == ["name": "name-2", "kind": "Pod"])
    }

    @Test func tellsTheZeroTimeFromTheStartOf1970() throws {
        func time(_ contents: [UInt8]) throws -> JSON {
            try raw("Event") { $0.field(6, contents) }["firstTimestamp"]
        }
        #expect(try time([]) == .null)
        #expect(try time([0x08, 0x00, 0x10, 0x00]) == "1970-01-01T00:00:00Z")
        #expect(try time([0x08] + Array(repeating: 0xff, count: 9) + [0x01]) == "1969-12-31T23:59:59Z")
        // Nanoseconds count as in Go, also those that are more than a second.
        #expect(try time([0x08, 0x01, 0x10, 0x80, 0x94, 0xeb, 0xdc, 0x03]) == "1970-01-01T00:00:02Z")
        // The year 292277026596 has no JSON form.
        #expect(try time([0x08] + Array(repeating: 0xff, count: 8) + [0x7f]) == .null)
    }

    @Test func cutsNumbersTo32Bits() throws {
        let event = try raw("Event") { $0.field(8, varint: UInt64(bitPattern: -2)) }
        #expect(event["count"] == -2)
        #expect(try raw("Event") { $0.field(8, varint: 1 << 32 | 7) }["count"] == 7)
    }

    @Test(arguments: [
        ("azhzAQ==", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        ("", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        ("azhzAA==", "cannot decode the protobuf body: no kind \"\" is registered for version \"\""),
        ("azhzAAoF", "cannot decode the protobuf body: a length of 5 at byte 6 goes beyond the message"),
        ("azhzAP////////////8B", "cannot decode the protobuf body: a varint is longer than 10 bytes at byte 14"),
        ("azhzAAM=", "cannot decode the protobuf body: field number 0 at byte 5"),
        ("azhzAAs=", "cannot decode the protobuf body: wire type 3 at byte 5"),
    ])
    func saysWhatIsWrong(body: String, message: String) throws {
        let bytes = try #require(Base64.decode(body))
        let error = #expect(throws: StatusError.self) { try ProtobufDecoder.decode(bytes, scheme: .builtin) }
        #expect(error?.code == 400)
        #expect(error?.message == message)
    }

    @Test func refusesAFieldOfTheWrongWireType() {
        let error = #expect(throws: StatusError.self) { try raw("Event") { $0.field(3, varint: 1) } }
        #expect(error?.message == "cannot decode the protobuf body: field Event.reason has wire type 0")
    }

    @Test func refusesTextThatIsNotUTF8() {
        #expect(throws: StatusError.self) { try raw("Event") { $0.field(3, [0xff]) } }
    }

    @Test func knowsDeleteOptionsInEveryGroup() throws {
        let options = try raw("DeleteOptions", "meta.k8s.io/v1") { $0.field(1, varint: 30) }
        #expect(options["gracePeriodSeconds"] == 30)
    }
}
