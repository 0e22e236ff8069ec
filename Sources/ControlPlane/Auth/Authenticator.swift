import Crypto
import KubeAPI
import Transport

/// Finds out who makes a request: by client certificate, then by bearer token; who shows neither is anonymous.
///
/// As in Kubernetes, credentials that are shown and wrong are an error (401), never anonymous.
struct Authenticator: Sendable {
    /// By SHA-256 of the token, so that looking one up takes the same time whatever it resembles.
    private let tokens: [SHA256Digest: UserInfo]
    let serviceAccounts: TokenVerifier?
    private let now: @Sendable () -> Timestamp

    /// `tokens` are static bearer tokens.
    init(
        tokens: [String: UserInfo] = [:], serviceAccounts: TokenVerifier? = nil,
        now: @escaping @Sendable () -> Timestamp = Timestamp.now
    ) {
        self.serviceAccounts = serviceAccounts
        self.tokens = Dictionary(
            tokens.map { (SHA256.hash(data: Array($0.key.utf8)), $0.value) }, uniquingKeysWith: { first, _ in first })
        self.now = now
    }

    /// The user, or the error to answer with.
    func authenticate(_ request: HTTPServerRequest) -> Result<UserInfo, StatusError> {
        do {
            return .success(try identify(request))
        } catch {
            return .failure(error)
        }
    }

    private func identify(_ request: HTTPServerRequest) throws(StatusError) -> UserInfo {
        var isRefused = request.peer.certificateError != nil
        if let certificate = request.peer.certificate {
            // Connections may outlive certificates.
            if certificate.notAfter < now() {
                isRefused = true
            } else if !certificate.commonName.isEmpty {
                return UserInfo(
                    name: certificate.commonName, groups: certificate.organizations + [UserInfo.authenticatedGroup],
                    extra: ["authentication.kubernetes.io/credential-id": ["X509SHA256=\(certificate.fingerprint)"]])
            }
        }
        if let token = Self.bearerToken(request) {
            guard let verifier = serviceAccounts else {
                guard let user = staticUser(token) else { throw .unauthorized() }
                return user
            }
            do {
                guard let user = try self.user(of: token, audiences: verifier.authority.audiences)?.user else {
                    throw StatusError.unauthorized()
                }
                return user
            } catch {
                throw .unauthorized()
            }
        }
        if isRefused { throw .unauthorized() }
        return .anonymous
    }

    /// Whose a token is; nil for a token that nobody has issued. Static tokens are for this API server alone.
    func user(of token: String, audiences: [String]) throws(TokenRefusal) -> TokenVerifier.Verified? {
        if let user = staticUser(token) {
            let matching = audiences.filter { serviceAccounts?.authority.audiences.contains($0) ?? true }
            return matching.isEmpty ? nil : TokenVerifier.Verified(user: user, audiences: matching)
        }
        return try serviceAccounts?.verify(token, audiences: audiences)
    }

    private func staticUser(_ token: String) -> UserInfo? {
        if tokens.isEmpty { return nil }
        guard var user = tokens[SHA256.hash(data: Array(token.utf8))] else { return nil }
        if !user.groups.contains(UserInfo.authenticatedGroup) { user.groups.append(UserInfo.authenticatedGroup) }
        return user
    }

    /// Nil where there is none; other schemes of `Authorization` count as none, as in Kubernetes.
    static func bearerToken(_ request: HTTPServerRequest) -> String? {
        guard let header = request.header("authorization") else { return nil }
        let parts = header.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0].lowercased() == "bearer", !parts[1].isEmpty else { return nil }
        return String(parts[1])
    }
}
