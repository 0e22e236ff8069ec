import Crypto
import KubeAPI
import Synchronization
import Testing
import Transport

@testable import ControlPlane

@Suite struct TokenKeyTests {
    private let key = TokenKey(P256.Signing.PrivateKey())

    @Test func whatItSignsItKnowsAgain() throws {
        let token = try key.sign(["iss": "here", "n": 1])
        let read = try #require(SignedToken(token))
        #expect(read.claims == ["iss": "here", "n": 1])
        #expect(read.algorithm == "ES256" && read.keyID == key.id)
        #expect(key.hasSigned(read))
        #expect(!TokenKey(P256.Signing.PrivateKey()).hasSigned(read))
    }

    /// Every changed byte is noticed.
    @Test func aChangedTokenIsNotSigned() throws {
        let token = Array(try key.sign(["iss": "here"]).utf8)
        for index in token.indices where token[index] != UInt8(ascii: ".") {
            var changed = token
            changed[index] = changed[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            let read = SignedToken(String(decoding: changed, as: UTF8.self))
            // The last digit of the signature has bits that stand for nothing, which Base64 must refuse or ignore.
            if index == token.count - 1,
                read?.signature == SignedToken(String(decoding: token, as: UTF8.self))?.signature
            {
                continue
            }
            #expect(read.map(key.hasSigned) ?? false == false, "\(index)")
        }
    }

    @Test(arguments: [
        "", ".", "..", "a.b", "a.b.c", "e30.e30.", "e30.e30.AA", "e30.e30.e30.e30", "W10.W10.AA", "e30=.e30.AA",
    ])
    func garbageIsNotSigned(text: String) {
        #expect(SignedToken(text).map(key.hasSigned) ?? false == false)
    }

    @Test func otherAlgorithmsAreRefused() throws {
        let parts = try key.sign(["iss": "here"]).split(separator: ".")
        for header in [#"{"alg":"none"}"#, #"{"alg":"HS256"}"#, "{}"] {
            let token = "\(Base64URL.encode(Array(header.utf8))).\(parts[1]).\(parts[2])"
            #expect(SignedToken(token).map(key.hasSigned) == false)
        }
    }

    @Test func showsItsPublicHalfAlone() {
        let json = key.publicJSON
        #expect(json["kty"] == "EC" && json["crv"] == "P-256" && json["alg"] == "ES256" && json["d"].isNull)
        #expect(Base64URL.decode(json["x"].stringValue)?.count == 32)
        #expect(Base64URL.decode(json["y"].stringValue)?.count == 32)
    }
}

/// Tokens as they are asked for and taken.
@Suite final class ServiceAccountTokenTests: Sendable {
    private let server: TestServer
    private let account: JSON

    init() async throws {
        server = try await TestServer()
        account = try await server.admin.create(.serviceAccounts, namespace: "default", ["metadata": ["name": "robot"]])
    }

    private func ask(_ spec: JSON, account: String = "robot", as user: UserInfo = .apiserver) async throws -> JSON {
        try await server.client(as: user).create(
            .serviceAccounts, namespace: "default", name: account, subresource: "token", ["spec": spec])
    }

    private func verifier(secondsLater: Int64 = 0) -> TokenVerifier {
        TokenVerifier(
            TokenAuthority(key: server.tokenKey), registry: server.registry,
            now: { Timestamp.now() + .seconds(secondsLater) })
    }

    private func why(_ verifier: TokenVerifier, _ token: String, _ audiences: [String]? = nil) -> String? {
        do {
            return try verifier.verify(token, audiences: audiences ?? verifier.authority.audiences) == nil
                ? "not ours" : nil
        } catch {
            return error.why
        }
    }

    @Test func aTokenSaysWhoseItIs() async throws {
        let answer = try await ask([:])
        #expect(answer["kind"] == "TokenRequest" && answer["apiVersion"] == "authentication.k8s.io/v1")
        #expect(answer.name == "robot" && answer.namespace == "default")
        #expect(answer["spec"]["expirationSeconds"] == 3600)
        #expect(answer["spec"]["audiences"] == ["https://kubernetes.default.svc.cluster.local"])
        let token = answer["status"]["token"].stringValue
        let claims = try #require(SignedToken(token)).claims
        #expect(claims["iss"] == "https://kubernetes.default.svc.cluster.local")
        #expect(claims["sub"] == "system:serviceaccount:default:robot")
        #expect(claims["kubernetes.io"]["serviceaccount"] == ["name": "robot", "uid": .string(account.uid)])
        #expect((claims["exp"].int ?? 0) - (claims["iat"].int ?? 0) == 3600 && claims["nbf"] == claims["iat"])
        let user = try #require(
            try verifier().verify(token, audiences: ["https://kubernetes.default.svc.cluster.local"])
        )
        .user
        #expect(user.name == "system:serviceaccount:default:robot" && user.uid == account.uid)
        #expect(
            user.groups == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"])
        #expect(
            user.extra == ["authentication.kubernetes.io/credential-id": ["JTI=\(claims["jti"].stringValue)"]])
    }

    @Test func aTokenEnds() async throws {
        let token = try await ask(["expirationSeconds": 600])["status"]["token"].stringValue
        #expect(why(verifier(), token) == nil)
        #expect(why(verifier(secondsLater: 650), token) == nil)
        #expect(why(verifier(secondsLater: 670), token) == "service account token has expired")
        #expect(why(verifier(secondsLater: -100), token) == "service account token is not valid yet")
    }

    @Test func aTokenIsForItsAudience() async throws {
        let token = try await ask(["audiences": ["vault"]])["status"]["token"].stringValue
        #expect(
            why(verifier(), token)
                == #"token audiences ["vault"] is invalid for the target audiences ["https://kubernetes.default.svc.cluster.local"]"#
        )
        #expect(try verifier().verify(token, audiences: ["x", "vault"])?.audiences == ["vault"])
    }

    @Test func aTokenGoesWithItsAccount() async throws {
        let token = try await ask([:])["status"]["token"].stringValue
        let verifier = verifier()
        #expect(why(verifier, token) == nil)
        // A change of the account alone changes nothing.
        _ = try await server.admin.patch(
            .serviceAccounts, namespace: "default", name: "robot", ["metadata": ["labels": ["a": "b"]]])
        #expect(why(verifier, token) == nil)
        try await server.admin.delete(.serviceAccounts, namespace: "default", name: "robot")
        #expect(why(verifier, token) == #"serviceaccounts "robot" not found"#)
        let other = try await server.admin.create(
            .serviceAccounts, namespace: "default", ["metadata": ["name": "robot"]])
        #expect(
            why(verifier, token) == "service account UID (\(other.uid)) does not match claim (\(account.uid))")
    }

    @Test func aTokenGoesWithThePodThatItIsBoundTo() async throws {
        let pod = try await makePod(account: "robot")
        let reference: JSON = ["kind": "Pod", "apiVersion": "v1", "name": "p", "uid": .string(pod.uid)]
        let answer = try await ask(["boundObjectRef": reference, "expirationSeconds": 3607])
        let token = answer["status"]["token"].stringValue
        let claims = try #require(SignedToken(token)).claims
        #expect(claims["kubernetes.io"]["pod"] == ["name": "p", "uid": .string(pod.uid)])
        #expect(claims["kubernetes.io"]["node"] == ["name": "n1"])
        // Programs that never read the file again are borne with.
        #expect((claims["exp"].int ?? 0) - (claims["iat"].int ?? 0) == 365 * 24 * 3600)
        #expect((claims["kubernetes.io"]["warnafter"].int ?? 0) - (claims["iat"].int ?? 0) == 3607)
        let verifier = verifier()
        let user = try #require(try verifier.verify(token, audiences: verifier.authority.audiences)).user
        #expect(user.extra["authentication.kubernetes.io/pod-name"] == ["p"])
        #expect(user.extra["authentication.kubernetes.io/pod-uid"] == [pod.uid])
        #expect(user.extra["authentication.kubernetes.io/node-name"] == ["n1"])
        try await server.admin.delete(.pods, namespace: "default", name: "p", options: ["gracePeriodSeconds": 0])
        #expect(why(verifier, token) == "service account token has been invalidated")
    }

    @Test func whatItIsBoundToMustBeThere() async throws {
        _ = try await makePod(account: "default")
        func refused(_ reference: JSON) async -> StatusError? {
            await refusal { try await ask(["boundObjectRef": reference]) }
        }
        #expect(
            await refused(["kind": "Pod", "apiVersion": "v1", "name": "q"])?.message == #"pods "q" not found"#)
        #expect(
            await refused(["kind": "Pod", "apiVersion": "v1", "name": "p"])?.message
                == #"cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name."#)
        #expect(
            await refused(["kind": "ConfigMap", "apiVersion": "v1", "name": "p"])?.message
                == "cannot bind token to object of type /v1, Kind=ConfigMap")
        try await server.admin.create(.secrets, namespace: "default", ["metadata": ["name": "s"]])
        let conflict = await refused(["kind": "Secret", "apiVersion": "v1", "name": "s", "uid": "other"])
        #expect(conflict?.code == 409)
        #expect(
            conflict?.message.hasPrefix(
                #"Operation cannot be fulfilled on Secret "s": the UID in the bound object reference (other) does not match"#
            ) == true)
    }

    @Test func aTokenLivesTenMinutesAtLeast() async throws {
        let error = await refusal { try await ask(["expirationSeconds": 10]) }
        #expect(error?.code == 422)
        #expect(
            error?.message
                == #"TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes"#
        )
        #expect(
            await refusal { try await ask([:], account: "nobody") }?.message == #"serviceaccounts "nobody" not found"#)
    }

    @Test func aNodeGetsTokensOfItsOwnPods() async throws {
        let pod = try await makePod(account: "robot")
        let reference: JSON = ["kind": "Pod", "apiVersion": "v1", "name": "p", "uid": .string(pod.uid)]
        _ = try await ask(["boundObjectRef": reference], as: .node("n1"))
        #expect(await refusal { try await ask(["boundObjectRef": reference], as: .node("n2")) }?.code == 403)
        #expect(
            await refusal { try await ask([:], as: .node("n1")) }?.message
                == #"serviceaccounts "robot" is forbidden: node requested token not bound to a pod"#)
    }

    private func makePod(account: String) async throws -> JSON {
        try await server.admin.create(
            .pods, namespace: "default",
            [
                "metadata": ["name": "p"],
                "spec": [
                    "serviceAccountName": .string(account), "nodeName": "n1",
                    "containers": [["name": "c", "image": "i"]],
                ],
            ])
    }
}
