import Crypto
import KubeAPI
import Transport

/// Finds out who makes a request: by client certificate, then by bearer token; who shows neither is anonymous.
///
/// As in Kubernetes, credentials that are shown and wrong are an error (401), never anonymous.
public struct Authenticator: Sendable {
    /// By SHA-256 of the token, so that looking one up takes the same time whatever it resembles.
    private let tokens: [SHA256Digest: UserInfo]
    private let now: @Sendable () -> Timestamp

    /// `tokens` are static bearer tokens.
    public init(tokens: [String: UserInfo] = [:]) {
        self.init(tokens: tokens, now: Timestamp.now)
    }

    init(tokens: [String: UserInfo], now: @escaping @Sendable () -> Timestamp) {
        self.tokens = Dictionary(
            tokens.map { (SHA256.hash(data: Array($0.key.utf8)), $0.value) }, uniquingKeysWith: { first, _ in first })
        self.now = now
    }

    /// The user, or the error to answer with.
    public func authenticate(_ request: HTTPServerRequest) -> Result<UserInfo, StatusError> {
        do {
            return .success(try Impersonation.apply(request, by: try identify(request)))
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
            guard var user = tokens[SHA256.hash(data: Array(token.utf8))] else { throw .unauthorized() }
            if !user.groups.contains(UserInfo.authenticatedGroup) { user.groups.append(UserInfo.authenticatedGroup) }
            return user
        }
        if isRefused { throw .unauthorized() }
        return .anonymous
    }

    /// Nil where there is none; other schemes of `Authorization` count as none, as in Kubernetes.
    static func bearerToken(_ request: HTTPServerRequest) -> String? {
        guard let header = request.header("authorization") else { return nil }
        let parts = header.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0].lowercased() == "bearer", !parts[1].isEmpty else { return nil }
        return String(parts[1])
    }
}
