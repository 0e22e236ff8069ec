import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct AccountControllerTests {
    private func run(
        _ body: (RunningControllers) async throws -> Void
    ) async throws {
        let server = try await TestServer()
        let controllers = try await RunningControllers(server) { client, informers, _ in
            [
                RootCAPublisher(client: client, informers: informers, authority: { Array("PEM".utf8) }, log: quiet),
                SecretTokens(
                    client: client, informers: informers, authority: { Array("PEM".utf8) }, key: { server.tokenKey },
                    log: quiet
                ),
            ]
        }
        try await body(controllers)
        await controllers.stop()
    }

    @Test func everyNamespaceIsToldTheCA() async throws {
        try await run { controllers in
            func data() async throws -> JSON? {
                try await controllers.get(.configMaps, "kube-root-ca.crt")?["data"]
            }
            #expect(try await eventually { try await data() == ["ca.crt": "PEM"] })
            try await controllers.admin.patch(
                .configMaps, namespace: "default", name: "kube-root-ca.crt", ["data": ["ca.crt": "no", "x": "y"]])
            #expect(try await eventually { try await data() == ["ca.crt": "PEM"] })
            let uid = try await controllers.get(.configMaps, "kube-root-ca.crt")?.uid
            try await controllers.admin.delete(.configMaps, namespace: "default", name: "kube-root-ca.crt")
            #expect(
                try await eventually {
                    let map = try await controllers.get(.configMaps, "kube-root-ca.crt")
                    return map != nil && map?.uid != uid
                })
        }
    }

    @Test func secretsForTokensAreFilledAndGoWithTheirAccount() async throws {
        try await run { controllers in
            let account = try await controllers.admin.create(
                .serviceAccounts, namespace: "default", ["metadata": ["name": "robot"]])
            try await controllers.admin.create(
                .secrets, namespace: "default",
                [
                    "metadata": [
                        "name": "t", "annotations": ["kubernetes.io/service-account.name": "robot"],
                    ], "type": "kubernetes.io/service-account-token",
                ])
            #expect(
                try await eventually {
                    !(try await controllers.get(.secrets, "t")?["data"]["token"].stringValue ?? "").isEmpty
                })
            let secret = try #require(try await controllers.get(.secrets, "t"))
            #expect(secret.annotations["kubernetes.io/service-account.uid"] == account.uid)
            #expect(secret["data"]["namespace"].string == Base64.encode(Array("default".utf8)))
            #expect(secret["data"]["ca.crt"].string == Base64.encode(Array("PEM".utf8)))
            let token = String(
                decoding: Base64.decode(secret["data"]["token"].stringValue) ?? [], as: UTF8.self)
            let verifier = try #require(controllers.server.context.tokens)
            let user = try #require(try verifier.verify(token, audiences: verifier.authority.audiences)).user
            #expect(user.name == "system:serviceaccount:default:robot" && user.uid == account.uid)
            // A token that the Secret does not hold any more is worth nothing.
            try await controllers.admin.patch(
                .secrets, namespace: "default", name: "t", ["data": ["token": .string(Base64.encode([1]))]])
            #expect(throws: TokenRefusal.self) {
                try verifier.verify(token, audiences: verifier.authority.audiences)
            }
            try await controllers.admin.delete(.serviceAccounts, namespace: "default", name: "robot")
            #expect(try await eventually { try await controllers.get(.secrets, "t") == nil })
        }
    }
}
