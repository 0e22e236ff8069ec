import Crypto
import KubeAPI
import Synchronization

/// Why a token is not taken, in Kubernetes' words. Clients of the API only hear `Unauthorized`; a TokenReview tells.
struct TokenRefusal: Error, Equatable {
    let why: String
    init(_ why: String) { self.why = why }
}

/// Finds out whose a token of a service account is: by its signature, its times, its audiences, and by whether the
/// account and what the token is bound to are still there.
final class TokenVerifier: Sendable {
    struct Verified: Sendable, Equatable {
        var user: UserInfo
        /// Those of the wanted audiences that the token is for.
        var audiences: [String]
    }

    /// Clocks differ, and deletions take a moment, as in Kubernetes.
    private static let leewaySeconds: Int64 = 60
    /// Tokens whose signatures are remembered: some 60 µs each are saved.
    private static let maxRemembered = 4096

    /// A token with a good signature, and what it spoke of when it was looked at last.
    private struct Known: Sendable {
        enum Claims: Sendable {
            case bound(TokenClaims)
            case secret(SecretTokenClaims)
        }
        let claims: Claims
        let user: UserInfo
        var seen: [Seen] = []
        /// Which of `seen` is looked at next.
        var position = 0
        var hasChanged = false
    }
    /// An object that a token depends on, as it was found.
    private struct Seen: Sendable {
        let object: StoredObject
        let uid: String
        let deletedAt: Timestamp?
    }

    let authority: TokenAuthority
    private let resources: [String: ServedResource]
    private let now: @Sendable () -> Timestamp
    private let known = Mutex<[SHA256Digest: Known]>([:])

    init(_ authority: TokenAuthority, registry: Registry, now: @escaping @Sendable () -> Timestamp = Timestamp.now) {
        self.authority = authority
        var resources: [String: ServedResource] = [:]
        for name in ["serviceaccounts", "secrets", "pods", "nodes"] { resources[name] = registry.find("", "v1", name) }
        self.resources = resources
        self.now = now
    }

    /// Nil for what is no token of a service account at all. `audiences`: who wants to know; the token must be for one
    /// of them.
    func verify(_ token: String, audiences: [String]) throws(TokenRefusal) -> Verified? {
        let digest = SHA256.hash(data: Array(token.utf8))
        var entry: Known
        if let remembered = known.withLock({ $0[digest] }) {
            entry = remembered
        } else {
            guard let read = try read(token) else { return nil }
            entry = read
        }
        entry.position = 0
        entry.hasChanged = entry.seen.isEmpty
        let matching: [String]
        switch entry.claims {
        case .bound(let claims):
            matching = audiences.filter(claims.audiences.contains)
            guard !matching.isEmpty else {
                throw TokenRefusal(
                    "token audiences \(Self.list(claims.audiences)) is invalid for the target audiences "
                        + Self.list(audiences))
            }
            try checkTimes(claims)
            try checkObjects(claims, &entry)
        case .secret(let claims):
            // Such a token is for this API server alone.
            matching = audiences.filter(authority.audiences.contains)
            guard !matching.isEmpty else {
                throw TokenRefusal(
                    "token audiences \(Self.list(authority.audiences)) is invalid for the target audiences "
                        + Self.list(audiences))
            }
            try checkObjects(claims, token, &entry)
        }
        if entry.hasChanged { remember(digest, entry) }
        return Verified(user: entry.user, audiences: matching)
    }

    private func remember(_ digest: SHA256Digest, _ entry: Known) {
        known.withLock { known in
            if known.count >= Self.maxRemembered, known[digest] == nil { known.removeAll(keepingCapacity: true) }
            known[digest] = entry
        }
    }

    private func read(_ token: String) throws(TokenRefusal) -> Known? {
        guard let signed = SignedToken(token) else { return nil }
        let issuer = signed.claims["iss"].stringValue
        if issuer == authority.issuer {
            guard authority.key.hasSigned(signed) else { throw TokenRefusal("invalid signature") }
            guard let claims = TokenClaims(signed.claims) else {
                throw TokenRefusal("service account token claims could not be validated")
            }
            return Known(claims: .bound(claims), user: claims.user)
        }
        guard issuer == SecretTokenClaims.issuer else { return nil }
        guard authority.key.hasSigned(signed) else { throw TokenRefusal("invalid signature") }
        guard let claims = SecretTokenClaims(signed.claims) else {
            throw TokenRefusal("service account token claims could not be validated")
        }
        return Known(claims: .secret(claims), user: claims.user)
    }

    private func checkTimes(_ claims: TokenClaims) throws(TokenRefusal) {
        let seconds = now().unixSeconds
        if seconds > claims.expiresAt + Self.leewaySeconds { throw TokenRefusal("service account token has expired") }
        if seconds < claims.issuedAt - Self.leewaySeconds {
            throw TokenRefusal("service account token is not valid yet")
        }
    }

    // MARK: objects

    private func checkObjects(_ claims: TokenClaims, _ entry: inout Known) throws(TokenRefusal) {
        try checkAccount(claims.namespace, claims.account, &entry)
        let invalidated = "service account token has been invalidated"
        let bound: [(String, TokenClaims.Reference?, String)] = [
            ("secrets", claims.secret, "secret"), ("pods", claims.pod, "pod"),
            // A pod's token names the node for information alone.
            ("nodes", claims.pod == nil ? claims.node : nil, "node"),
        ]
        for (resource, reference, what) in bound {
            guard let reference else { continue }
            let key = resource == "nodes" ? reference.name : "\(claims.namespace)/\(reference.name)"
            guard let object = look(resource, key, &entry), !isGone(object) else {
                throw TokenRefusal(invalidated)
            }
            guard object.uid == reference.uid else {
                throw TokenRefusal(
                    "\(what) UID (\(object.uid)) does not match service account \(what) ref claim (\(reference.uid))")
            }
        }
    }

    private func checkObjects(_ claims: SecretTokenClaims, _ token: String, _ entry: inout Known) throws(TokenRefusal) {
        try checkAccount(claims.namespace, claims.account, &entry)
        let before = entry.position < entry.seen.count ? entry.seen[entry.position].object : nil
        guard let secret = look("secrets", "\(claims.namespace)/\(claims.secret)", &entry), !isGone(secret)
        else { throw TokenRefusal("service account token has been invalidated") }
        // Whoever replaces the Secret's token takes the old one back.
        if secret.object !== before {
            let held = Base64.decode(secret.object.tree["data"]["token"].stringValue) ?? []
            guard held == Array(token.utf8) else {
                throw TokenRefusal("service account token does not match server's copy")
            }
        }
    }

    private func checkAccount(
        _ namespace: String, _ account: TokenClaims.Reference, _ entry: inout Known
    ) throws(TokenRefusal) {
        guard let object = look("serviceaccounts", "\(namespace)/\(account.name)", &entry) else {
            throw TokenRefusal("serviceaccounts \"\(account.name)\" not found")
        }
        if isGone(object) {
            throw TokenRefusal("service account \(namespace)/\(account.name) has been deleted")
        }
        guard object.uid == account.uid else {
            throw TokenRefusal("service account UID (\(object.uid)) does not match claim (\(account.uid))")
        }
    }

    /// The object, read anew only where it has changed since it was seen.
    private func look(_ resource: String, _ key: String, _ entry: inout Known) -> Seen? {
        let position = entry.position
        entry.position += 1
        guard let object = resources[resource]?.cache.get(key) else { return nil }
        if position < entry.seen.count, entry.seen[position].object === object { return entry.seen[position] }
        let tree = object.tree
        let found = Seen(
            object: object, uid: tree.uid, deletedAt: Timestamp(tree["metadata"]["deletionTimestamp"]))
        if position < entry.seen.count { entry.seen[position] = found } else { entry.seen.append(found) }
        entry.hasChanged = true
        return found
    }

    private func isGone(_ object: Seen) -> Bool {
        guard let time = object.deletedAt else { return false }
        return time < now() - .seconds(Self.leewaySeconds)
    }

    private static func list(_ audiences: [String]) -> String {
        "[\(audiences.map(GoText.quoted).joined(separator: " "))]"
    }
}
