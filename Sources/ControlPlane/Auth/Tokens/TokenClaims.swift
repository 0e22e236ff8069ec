import KubeAPI

/// What a token of a service account says, under Kubernetes' names for it
/// (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens).
struct TokenClaims: Sendable, Equatable {
    /// An object with its identity.
    struct Reference: Sendable, Equatable {
        var name: String
        var uid: String

        init(name: String, uid: String) {
            self.name = name
            self.uid = uid
        }

        fileprivate init?(_ json: JSON) {
            guard json.isObject else { return nil }
            self.init(name: json["name"].stringValue, uid: json["uid"].stringValue)
        }

        fileprivate var json: JSON {
            ["name": .string(name), "uid": uid.isEmpty ? .null : .string(uid)]
        }
    }

    var issuer: String
    var audiences: [String]
    /// Seconds since 1970, like all times here.
    var issuedAt: Int64
    var expiresAt: Int64
    var id: String
    var namespace: String
    var account: Reference
    /// What the token ends with.
    var pod: Reference?
    var secret: Reference?
    /// Of the pod, or bound to itself.
    var node: Reference?
    /// From when on a holder should have asked for another one.
    var warnAfter: Int64?

    var subject: String { UserInfo.serviceAccountName(namespace: namespace, name: account.name) }

    init(
        issuer: String, audiences: [String], issuedAt: Int64, expiresAt: Int64, namespace: String, account: Reference
    ) {
        self.issuer = issuer
        self.audiences = audiences
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        id = ObjectUID.random()
        self.namespace = namespace
        self.account = account
    }

    /// Nil where the claims are not those of a service account.
    init?(_ json: JSON) {
        let own = json["kubernetes.io"]
        guard let account = Reference(own["serviceaccount"]), let expiresAt = json["exp"].int else { return nil }
        issuer = json["iss"].stringValue
        audiences = json["aud"].string.map { [$0] } ?? json["aud"].items.map(\.stringValue)
        issuedAt = Int64(json["nbf"].int ?? json["iat"].int ?? 0)
        self.expiresAt = Int64(expiresAt)
        id = json["jti"].stringValue
        namespace = own["namespace"].stringValue
        self.account = account
        pod = Reference(own["pod"])
        secret = Reference(own["secret"])
        node = Reference(own["node"])
        warnAfter = own["warnafter"].int.map(Int64.init)
        guard json["sub"].string == subject else { return nil }
    }

    var json: JSON {
        [
            "aud": JSON(audiences), "exp": .int(expiresAt), "iat": .int(issuedAt), "iss": .string(issuer),
            "jti": .string(id),
            "kubernetes.io": [
                "namespace": .string(namespace), "node": node.map(\.json) ?? .null, "pod": pod.map(\.json) ?? .null,
                "secret": secret.map(\.json) ?? .null, "serviceaccount": account.json,
                "warnafter": warnAfter.map { .int($0) } ?? .null,
            ],
            "nbf": .int(issuedAt), "sub": .string(subject),
        ]
    }

    var user: UserInfo {
        var extra: [String: [String]] = [:]
        let prefix = "authentication.kubernetes.io/"
        if !id.isEmpty { extra[prefix + "credential-id"] = ["JTI=\(id)"] }
        for (kind, reference) in [("pod", pod), ("node", node)] {
            guard let reference else { continue }
            extra["\(prefix)\(kind)-name"] = [reference.name]
            if !reference.uid.isEmpty { extra["\(prefix)\(kind)-uid"] = [reference.uid] }
        }
        return .serviceAccount(namespace: namespace, name: account.name, uid: account.uid, extra: extra)
    }
}

/// The tokens that Secrets of the type kubernetes.io/service-account-token hold. They name no end: they go with their
/// Secret.
struct SecretTokenClaims: Sendable, Equatable {
    static let issuer = "kubernetes/serviceaccount"
    private static let prefix = "kubernetes.io/serviceaccount/"

    var namespace: String
    var account: TokenClaims.Reference
    var secret: String

    init(namespace: String, account: TokenClaims.Reference, secret: String) {
        self.namespace = namespace
        self.account = account
        self.secret = secret
    }

    init?(_ json: JSON) {
        namespace = json[Self.prefix + "namespace"].stringValue
        account = TokenClaims.Reference(
            name: json[Self.prefix + "service-account.name"].stringValue,
            uid: json[Self.prefix + "service-account.uid"].stringValue)
        secret = json[Self.prefix + "secret.name"].stringValue
        guard !namespace.isEmpty, !account.name.isEmpty, !secret.isEmpty,
            json["sub"].string == UserInfo.serviceAccountName(namespace: namespace, name: account.name)
        else { return nil }
    }

    var json: JSON {
        [
            "iss": .string(Self.issuer), Self.prefix + "namespace": .string(namespace),
            Self.prefix + "secret.name": .string(secret),
            Self.prefix + "service-account.name": .string(account.name),
            Self.prefix + "service-account.uid": .string(account.uid),
            "sub": .string(UserInfo.serviceAccountName(namespace: namespace, name: account.name)),
        ]
    }

    var user: UserInfo {
        .serviceAccount(namespace: namespace, name: account.name, uid: account.uid, extra: [:])
    }
}
