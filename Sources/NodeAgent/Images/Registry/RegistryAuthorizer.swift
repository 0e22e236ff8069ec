import KubeAPI
import Synchronization
import Transport

/// Gets and keeps what registries want to see: access tokens, by the repository that they are for, and which hosts want
/// a password (distribution-spec's token and OAuth2 documents).
final class RegistryAuthorizer: Sendable {
    struct Key: Hashable, Sendable {
        var endpoint: String
        var repository: String
        var credential: RegistryCredential?
    }
    private struct Known {
        var header: String
        var expiresAt: ContinuousClock.Instant
    }

    /// Tokens that are kept; the node has few registries, a client of the command one.
    private static let keptLimit = 512
    /// A token server's answer is a few KB.
    private static let answerLimit = 1 << 20
    /// What a token lasts that does not say so (token specification).
    private static let defaultSeconds = 60

    private let connections: RegistryConnections
    private let known = Mutex<[Key: Known]>([:])

    init(connections: RegistryConnections) { self.connections = connections }

    /// The value of `Authorization`, where one is known that still holds.
    func header(_ key: Key) -> String? {
        known.withLock { known in
            guard let found = known[key], found.expiresAt > .now else { return nil }
            return found.header
        }
    }

    func forget(_ key: Key) { known.withLock { _ = $0.removeValue(forKey: key) } }

    /// Answers a registry's challenge.
    /// - Throws: `RegistryError` of kind `denied` where there is nothing to show, or where it is refused.
    func authorize(
        _ challenges: [AuthChallenge], _ key: Key, at endpoint: RegistryEndpoint,
        config: RegistriesConfig
    ) async throws -> String {
        if let bearer = challenges.first(where: { $0.scheme == "bearer" }) {
            return try await token(bearer, key, at: endpoint, config: config)
        }
        guard challenges.contains(where: { $0.scheme == "basic" }), let credential = key.credential else {
            throw RegistryError(.denied, "\(Self.denied): no basic auth credentials")
        }
        keep(credential.basic, for: .seconds(3600), key)
        return credential.basic
    }

    /// containerd's words, which people search for.
    static let denied = "pull access denied, repository does not exist or may require authorization"

    private func keep(_ header: String, for lifetime: Duration, _ key: Key) {
        known.withLock { known in
            if known.count >= Self.keptLimit { known.removeAll() }
            known[key] = Known(header: header, expiresAt: .now + lifetime)
        }
    }

    private func token(
        _ challenge: AuthChallenge, _ key: Key, at endpoint: RegistryEndpoint, config: RegistriesConfig
    ) async throws -> String {
        let realm = challenge.parameters["realm"] ?? ""
        guard let (scheme, authority, _) = RegistryEndpoint.split(realm) else {
            throw RegistryError(
                .denied, "failed to authorize: invalid token auth challenge realm: \"\(realm.prefix(200))\"")
        }
        // A password must not travel less protected than to the registry itself.
        guard scheme == "https" || endpoint.scheme == "http" || key.credential == nil else {
            throw RegistryError(.denied, "failed to authorize: the token server \(realm) is asked without TLS")
        }
        let client = try connections.client(for: config.endpoint(scheme: scheme, authority: authority))
        let scope = challenge.parameters["scope"] ?? "repository:\(key.repository):pull"
        var fields = [(name: String, value: String)]()
        if let service = challenge.parameters["service"] { fields.append(("service", service)) }
        let answer: HTTPClientResponse
        let isPost = key.credential?.identityToken.isEmpty == false
        do {
            if let credential = key.credential, isPost {
                fields += [
                    ("scope", scope), ("grant_type", "refresh_token"), ("refresh_token", credential.identityToken),
                    ("client_id", "swiftlet"),
                ]
                answer = try await client.send(
                    "POST", realm, headers: [("Content-Type", "application/x-www-form-urlencoded")],
                    body: Array(PercentCoding.target(path: "", query: fields).drop { $0 == "?" }.utf8),
                    timeout: .seconds(30))
            } else {
                if let credential = key.credential { fields.append(("account", credential.username)) }
                // The scope's parts are separate (`repository:a:pull repository:b:pull`).
                for part in scope.split(separator: " ") { fields.append(("scope", String(part))) }
                let query = PercentCoding.target(path: "", query: fields).drop { $0 == "?" }
                answer = try await client.send(
                    "GET", realm + (realm.contains("?") ? "&" : "?") + query,
                    headers: key.credential.map { [("Authorization", $0.basic)] } ?? [], timeout: .seconds(30))
            }
        } catch let error as TransportError {
            throw RegistryError(error, isPost ? "POST" : "GET", realm)
        }
        let whose = key.credential == nil ? "anonymous" : "oauth"
        guard answer.status == 200 else {
            let cause = RegistryError(status: answer.status, isPost ? "POST" : "GET", realm, body: answer.body)
            throw RegistryError(cause.kind, "failed to authorize: failed to fetch \(whose) token: \(cause)")
        }
        let json = try? JSON.parse(answer.body)  // what is none has no token either
        guard let token = json?["token"].string ?? json?["access_token"].string, !token.isEmpty,
            token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else {
            throw RegistryError(.denied, "failed to authorize: failed to fetch \(whose) token: the answer has none")
        }
        let seconds = max(json?["expires_in"].int ?? Self.defaultSeconds, Self.defaultSeconds)
        // Early, so that none ends on its way.
        keep("Bearer \(token)", for: .seconds(min(seconds, 86_400)) * 9 / 10, key)
        return "Bearer \(token)"
    }
}
