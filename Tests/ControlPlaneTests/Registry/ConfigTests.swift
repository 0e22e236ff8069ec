import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct ConfigTests {
    private let server: TestServer
    init() async throws { server = try await TestServer() }

    private func why(_ resource: ResourcePath, _ object: JSON) async -> String? {
        var object = object
        object["metadata"]["name"] = "x"
        return await refusal { try await server.admin.create(resource, namespace: "default", object) }?.message
    }

    private static func bytes(_ count: Int) -> String { String(repeating: "a", count: count) }

    @Test func keysAreFileNames() async {
        #expect(
            await why(.configMaps, ["data": ["a/b": ""]])
                == #"ConfigMap "x" is invalid: data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"#
        )
        #expect(
            await why(.configMaps, ["data": ["a": ""], "binaryData": ["a": ""]])
                == #"ConfigMap "x" is invalid: data[a]: Invalid value: "a": duplicate of key present in binaryData"#)
        #expect(
            await why(.secrets, ["data": ["..": ""]])
                == #"Secret "x" is invalid: data[..]: Invalid value: "..": must not be '..'"#)
    }

    @Test func oneMebibyteIsTheMost() async {
        #expect(await why(.configMaps, ["data": ["a": .string(Self.bytes(1 << 20))]]) == nil)
        #expect(
            await why(.configMaps, ["data": ["a": .string(Self.bytes(1 << 20)), "b": "1"]])
                == #"ConfigMap "x" is invalid: : Too long: may not be more than 1048576 bytes"#)
        // Secrets count what base64 stands for.
        let full = Base64.encode([UInt8](repeating: 7, count: 1 << 20))
        #expect(
            await why(.secrets, ["data": ["a": .string(full), "b": "AA=="]])
                == #"Secret "x" is invalid: data: Too long: may not be more than 1048576 bytes"#)
        #expect(await why(.secrets, ["data": ["a": .string(full)]]) == nil)
    }

    @Test func whatIsMarkedImmutableStays() async throws {
        for resource in [ResourcePath.configMaps, .secrets] {
            var object = try await server.admin.create(
                resource, namespace: "default",
                ["metadata": ["name": "fixed"], "data": ["a": "QQ=="], "immutable": true])
            object["metadata"]["labels"] = ["x": "y"]
            object = try await server.admin.update(resource, object)
            object["data"]["a"] = "QUE="
            object["immutable"] = false
            let error = await refusal { try await server.admin.update(resource, object) }
            #expect(
                error?.message
                    == "\(resource.kind) \"fixed\" is invalid: [immutable: Forbidden: field is immutable when `immutable` is set, data: Forbidden: field is immutable when `immutable` is set]"
            )
        }
    }

    @Test func plainTextIsFoldedIntoData() async throws {
        let secret = try await server.admin.create(
            .secrets, namespace: "default",
            ["metadata": ["name": "s"], "data": ["a": "QQ==", "b": "Qg=="], "stringData": ["b": "new", "c": ""]])
        #expect(secret["type"] == "Opaque" && secret["stringData"].isNull)
        #expect(secret["data"] == ["a": "QQ==", "b": "bmV3", "c": ""])
        let patched = try await server.admin.patch(
            .secrets, namespace: "default", name: "s", ["stringData": ["a": "x"]])
        #expect(patched["data"]["a"] == "eA==" && patched["data"]["b"] == "bmV3")
    }

    @Test(arguments: [
        (#"{"type":"kubernetes.io/tls","data":{"tls.crt":""}}"#, "data[tls.key]: Required value"),
        (
            #"{"type":"kubernetes.io/basic-auth"}"#,
            "[data[username]: Required value, data[password]: Required value]"
        ),
        (#"{"type":"kubernetes.io/ssh-auth"}"#, "data[ssh-privatekey]: Required value"),
        (#"{"type":"kubernetes.io/dockerconfigjson"}"#, "data[.dockerconfigjson]: Required value"),
        (
            #"{"type":"kubernetes.io/service-account-token"}"#,
            "metadata.annotations[kubernetes.io/service-account.name]: Required value"
        ),
    ])
    func typesRequireTheirKeys(_ secret: String, _ why: String) async throws {
        #expect(await self.why(.secrets, try JSON.parse(Array(secret.utf8))) == #"Secret "x" is invalid: "# + why)
    }

    @Test func registryConfigurationIsJSONAndIsNotShown() async {
        let why = await why(
            .secrets,
            [
                "type": "kubernetes.io/dockerconfigjson",
                "data": [".dockerconfigjson": .string(Base64.encode(Array("hunter2".utf8)))],
            ])
        #expect(
            why?.hasPrefix(
                #"Secret "x" is invalid: data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": "#)
                == true)
        #expect(why?.contains("hunter2") == false)
    }

    @Test func theTypeOfASecretStays() async throws {
        try await server.admin.create(.secrets, namespace: "default", ["metadata": ["name": "s"]])
        let error = await refusal {
            try await server.admin.patch(.secrets, namespace: "default", name: "s", ["type": "other"])
        }
        #expect(error?.message == #"Secret "s" is invalid: type: Invalid value: "other": field is immutable"#)
    }

    @Test func serviceAccountsNameTheirSecrets() async throws {
        let account = try await server.admin.create(
            .serviceAccounts, namespace: "default",
            ["metadata": ["name": "a"], "secrets": [["name": "s", "namespace": "other", "uid": "1"]]])
        #expect(account["secrets"] == [["name": "s"]])
    }
}
