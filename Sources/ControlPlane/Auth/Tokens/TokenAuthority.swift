import KubeAPI

/// In whose name tokens are issued, and for whom.
public struct TokenAuthority: Sendable {
    /// The name under which Kubernetes' own clusters issue by default.
    static let defaultIssuer = "https://kubernetes.default.svc.cluster.local"

    let key: TokenKey
    let issuer: String
    /// Under which names this API server takes tokens.
    let audiences: [String]

    init(key: TokenKey, issuer: String = TokenAuthority.defaultIssuer) {
        self.key = key
        self.issuer = issuer
        audiences = [issuer]
    }

    /// What a verifier needs to know (OpenID Connect Discovery 1.0, section 4.2). `server` is host and port under which
    /// this API server is reached.
    func configuration(server: String) -> JSON {
        [
            "issuer": .string(issuer), "jwks_uri": .string("https://\(server)/openid/v1/jwks"),
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [.string(TokenKey.algorithm)],
        ]
    }

    var keys: JSON { ["keys": [key.publicJSON]] }
}
