import KubeAPI
import Testing

@testable import ControlPlane

/// What bodies may look like, and what is said of those that may not.
@Suite struct BodyTests {
    private let server: TestServer
    private let path = "/api/v1/namespaces/default/configmaps"
    init() async throws { server = try await TestServer() }

    private func post(_ text: String, type: String = "application/json", path: String? = nil) async throws -> Answer {
        try await server.send("POST", path ?? self.path, Array(text.utf8), type: type)
    }

    @Test func yamlIsTaken() async throws {
        let answer = try await post("metadata: {name: x}\ndata:\n  a: \"1\"\n", type: "application/yaml")
        #expect(answer.status == 201)
        #expect(answer.json["data"] == ["a": "1"])
    }

    @Test func aCharsetDoesNotMatter() async throws {
        #expect(try await post(#"{"metadata":{"name":"x"}}"#, type: "application/json; charset=utf-8").status == 201)
    }

    @Test func protobufIsTaken() async throws {
        let body = Protobuf.envelope(
            "v1", "ConfigMap",
            Protobuf.message(1, Protobuf.string(1, "x"))
                + Protobuf.message(2, Protobuf.string(1, "a") + Protobuf.string(2, "1")))
        let answer = try await server.send("POST", path, body, type: "application/vnd.kubernetes.protobuf")
        #expect(answer.status == 201, "\(answer.text)")
        #expect(answer.json.name == "x" && answer.json["data"] == ["a": "1"])
        // The answer is JSON all the same.
        #expect(answer.header("Content-Type") == "application/json")
    }

    @Test func deleteOptionsMayBeProtobuf() async throws {
        try await server.makeConfigMap("x")
        let wrong = Protobuf.envelope("v1", "DeleteOptions", Protobuf.message(2, Protobuf.string(1, "another-uid")))
        let answer = try await server.send("DELETE", "\(path)/x", wrong, type: "application/vnd.kubernetes.protobuf")
        #expect(answer.status == 409)
        #expect(answer.json["message"].stringValue.contains("the UID in the precondition (another-uid)"))
        let right = Protobuf.envelope("v1", "DeleteOptions", Protobuf.string(4, "Background"))
        #expect(
            try await server.send("DELETE", "\(path)/x", right, type: "application/vnd.kubernetes.protobuf").status
                == 200)
    }

    @Test(arguments: ["text/html", "application/cbor", "application/json-patch+json", "application/octet-stream"])
    func otherTypesAre415(type: String) async throws {
        let answer = try await post("{}", type: type)
        #expect(answer.status == 415)
        #expect(answer.json["reason"] == "UnsupportedMediaType")
        #expect(
            answer.json["message"]
                == "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf"
        )
    }

    @Test(arguments: [
        (
            #"{"a":"#,
            #"the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input ({"a":)"#
        ),
        (
            "",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"
        ),
        (
            "[1]",
            #"the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" } (5b315d)"#
        ),
        (
            #"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":1}}"#,
            #"ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string"#
        ),
        (
            #"{"kind":"Pod","apiVersion":"v1"}"#,
            #"Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion"#
        ),
        (
            #"{"kind":"Foo","apiVersion":"v1"}"#,
            #"Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30""#
        ),
        (
            #"{"kind":"ConfigMap","apiVersion":"v2"}"#,
            "the API version in the data (v2) does not match the expected API version (v1)"
        ),
    ])
    func malformedBodiesAre400(body: String, message: String) async throws {
        let answer = try await post(body)
        #expect(answer.status == 400)
        #expect(answer.json["reason"] == "BadRequest")
        #expect(answer.json["message"].stringValue == message)
    }

    @Test func malformedYAMLIs400() async throws {
        let answer = try await post("a: b: c", type: "application/yaml")
        #expect(answer.status == 400)
        #expect(
            answer.json["message"].stringValue.hasPrefix(
                "the object provided is unrecognized (must be of type ConfigMap): error converting YAML to JSON: yaml: "
            ))
    }

    // MARK: - Field validation

    private let odd =
        #"{"metadata":{"name":"s"},"spec":{"ports":[{"port":80,"potr":1}],"prots":[],"type":"ClusterIP","type":"ClusterIP"}}"#
    private let services = "/api/v1/namespaces/default/services"

    @Test func strictNamesWhatIsUnknownOrTwice() async throws {
        let answer = try await post(odd, path: "\(services)?fieldValidation=Strict")
        #expect(answer.status == 400)
        #expect(
            answer.json["message"].stringValue
                == #"Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field "spec.ports[0].potr", unknown field "spec.prots", duplicate field "spec.type""#
        )
        #expect(try await server.get("\(services)/s").status == 404)
    }

    @Test func strictNamesWhatIsTwiceInYAML() async throws {
        let text = "metadata: {name: x}\ndata:\n  a: \"1\"\n  a: \"2\"\n"
        let answer = try await post(text, type: "application/yaml", path: "\(path)?fieldValidation=Strict")
        #expect(answer.status == 400)
        #expect(
            answer.json["message"].stringValue.hasSuffix(
                "strict decoding error: yaml: unmarshal errors:\n  line 4: key \"a\" already set in map"))
        // The last one counts otherwise.
        #expect(try await post(text, type: "application/yaml").json["data"] == ["a": "2"])
    }

    @Test(arguments: ["?fieldValidation=Warn", ""])
    func warnSaysSoInHeaders(query: String) async throws {
        let answer = try await post(odd, path: services + query)
        #expect(answer.status == 201)
        #expect(
            answer.headers("Warning") == [
                #"299 - "unknown field \"spec.ports[0].potr\"""#, #"299 - "unknown field \"spec.prots\"""#,
                #"299 - "duplicate field \"spec.type\"""#,
            ])
        #expect(answer.json["spec"]["prots"].isNull && answer.json["spec"]["ports"][0]["potr"].isNull)
    }

    @Test func ignoreDropsInSilence() async throws {
        let answer = try await post(odd, path: "\(services)?fieldValidation=Ignore")
        #expect(answer.status == 201)
        #expect(answer.headers("Warning").isEmpty)
    }

    @Test func anotherValidationIsRefused() async throws {
        let answer = try await post(odd, path: "\(services)?fieldValidation=Maybe")
        #expect(answer.status == 422)
        #expect(
            answer.json["message"]
                == "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Maybe\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""
        )
    }

    @Test func longWarningsAreCut() {
        let headers = WarningHeader.headers(
            (0..<100).map { "unknown field \"" + String(repeating: "x", count: 500) + "\($0)\"" })
        #expect(headers.count == 16)
        #expect(headers.allSatisfy { $0.1.utf8.count < 300 })
    }

    // MARK: - Anything at all

    /// Whatever the bytes: an answer with a status of 4xx or a created object, and the server goes on.
    @Test(arguments: ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"])
    func survivesMangledBodies(type: String) async throws {
        var system = SystemRandomNumberGenerator()
        let seed = system.next()
        var random = SplitMix(state: seed)
        let template = Array(
            """
            {"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","labels":{"a":"b"}},"spec":{"containers":[{"name":"c",
            "image":"i","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"1","memory":"1Gi"}}}],"nodeName":null}}
            """.utf8)
        let sample =
            type.hasSuffix("protobuf")
            ? Protobuf.envelope(
                "v1", "Pod",
                Protobuf.message(1, Protobuf.string(1, "x"))
                    + Protobuf.message(2, Protobuf.message(2, Protobuf.string(1, "c") + Protobuf.string(2, "i"))))
            : template
        for round in 0..<400 {
            var body = sample
            for _ in 0..<(1 + random.next() % 6) where !body.isEmpty {
                let position = Int(random.next() % UInt64(body.count))
                switch random.next() % 4 {
                case 0: body[position] = UInt8(truncatingIfNeeded: random.next())
                case 1: body.removeSubrange(position..<min(body.count, position + Int(random.next() % 20)))
                case 2: body.insert(contentsOf: body[position..<min(body.count, position + 9)], at: position)
                default: body.removeLast(Int(random.next() % UInt64(body.count)))
                }
            }
            let answer = try await server.send(
                "POST", "/api/v1/namespaces/default/pods?dryRun=All", body, type: type)
            #expect(
                answer.status == 201 || (400..<500).contains(answer.status),
                "seed \(seed), round \(round): \(answer.status) \(answer.text)")
        }
    }
}

/// Just enough of the protobuf wire format to make bodies.
enum Protobuf {
    private static func varint(_ value: Int) -> [UInt8] {
        var value = value
        var bytes: [UInt8] = []
        while value > 0x7f {
            bytes.append(UInt8(value & 0x7f | 0x80))
            value >>= 7
        }
        return bytes + [UInt8(value)]
    }

    static func message(_ field: Int, _ content: [UInt8]) -> [UInt8] {
        varint(field << 3 | 2) + varint(content.count) + content
    }
    static func string(_ field: Int, _ text: String) -> [UInt8] { message(field, Array(text.utf8)) }
    static func number(_ field: Int, _ value: Int) -> [UInt8] { varint(field << 3) + varint(value) }

    /// A whole body.
    static func envelope(_ apiVersion: String, _ kind: String, _ content: [UInt8]) -> [UInt8] {
        [0x6b, 0x38, 0x73, 0x00] + message(1, string(1, apiVersion) + string(2, kind)) + message(2, content)
    }
}
