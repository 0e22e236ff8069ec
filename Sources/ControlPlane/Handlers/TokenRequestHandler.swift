import KubeAPI

/// POST to `serviceaccounts/NAME/token`: a token of that account (authentication.k8s.io/v1 TokenRequest), by itself or
/// bound to a pod, a Secret or a node, with which it then ends.
struct TokenRequestHandler {
    private let exchange: Exchange
    private let resource: ServedResource
    private let context: ServerContext
    private let authority: TokenAuthority

    private static let minSeconds = 600
    private static let maxSeconds = 1 << 32
    /// What Kubernetes' admission asks for in the volumes that it adds: programs that don't read the file again are
    /// given a year in place of an hour.
    static let projectedSeconds = 3607
    private static let extendedSeconds: Int64 = 365 * 24 * 3600

    static func handle(
        _ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext
    ) throws(StatusError) {
        guard let verifier = context.tokens else { throw .unknownPath }
        try TokenRequestHandler(
            exchange: exchange, resource: resource, context: context, authority: verifier.authority
        ).run()
    }

    private func run() throws(StatusError) {
        let write = try WriteOptions(exchange)
        var request = try body(write)
        let account = try resource.get(namespace: exchange.info.namespace, name: exchange.info.name).tree
        try place(&request, account)
        var claims = try claims(&request, account)
        let seconds = Int64(request["spec"]["expirationSeconds"].int ?? 3600)
        let end = Timestamp(unixSeconds: claims.issuedAt + seconds)
        if claims.pod != nil, seconds == Self.projectedSeconds,
            authority.audiences.contains(where: claims.audiences.contains)
        {
            claims.warnAfter = claims.expiresAt
            claims.expiresAt = claims.issuedAt + Self.extendedSeconds
        }
        request["status"] = ["token": "", "expirationTimestamp": .string(end.rfc3339)]
        if !write.isDryRun {
            do {
                request["status"]["token"] = .string(try authority.key.sign(claims.json))
            } catch {
                throw .internalError("failed to generate token: \(error)")
            }
        }
        exchange.send(request, status: 201)
    }

    private func body(_ write: WriteOptions) throws(StatusError) -> JSON {
        let scheme = context.registry.scheme
        guard let schema = scheme.schema(apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest") else {
            throw .unknownPath
        }
        let decoder = BodyDecoder(
            kind: "TokenRequest", group: "authentication.k8s.io", version: "v1", schema: schema, scheme: scheme)
        let decoded = try decoder.decode(exchange.request)
        _ = try decoder.judge(decoded, write.validation)
        var request = decoded.object
        schema.applyDefaults(&request)
        request["status"] = .null
        let seconds = request["spec"]["expirationSeconds"]
        guard let asked = seconds.int, asked < Self.minSeconds || asked > Self.maxSeconds else { return request }
        throw .invalid(
            kind: "TokenRequest", group: "authentication.k8s.io", name: "",
            [
                .invalid(
                    "spec.expirationSeconds", seconds,
                    asked < Self.minSeconds
                        ? "may not specify a duration less than 10 minutes"
                        : "may not specify a duration larger than 2^32 seconds")
            ])
    }

    private func place(_ request: inout JSON, _ account: JSON) throws(StatusError) {
        let name = request.name
        guard name.isEmpty || name == account.name else {
            throw .badRequest(
                "the name of the object (\(name)) does not match the name on the URL (\(account.name))")
        }
        try NamespaceGuard.place(&request, account.namespace, isNamespaced: true)
        request["metadata"]["name"] = .string(account.name)
        request["metadata"]["creationTimestamp"] = .string(Timestamp.now().rfc3339)
        if request["spec"]["audiences"].items.isEmpty { request["spec"]["audiences"] = JSON(authority.audiences) }
    }

    // MARK: claims

    private func claims(_ request: inout JSON, _ account: JSON) throws(StatusError) -> TokenClaims {
        let now = Timestamp.now().unixSeconds
        var claims = TokenClaims(
            issuer: authority.issuer, audiences: request["spec"]["audiences"].items.map(\.stringValue), issuedAt: now,
            expiresAt: now + Int64(request["spec"]["expirationSeconds"].int ?? 3600), namespace: account.namespace,
            account: TokenClaims.Reference(name: account.name, uid: account.uid))
        let reference = request["spec"]["boundObjectRef"]
        try NodeRestriction.checkToken(reference, account, exchange.request.user, context.registry)
        guard reference.isObject else { return claims }
        try bind(&claims, reference, account)
        return claims
    }

    private func bind(_ claims: inout TokenClaims, _ reference: JSON, _ account: JSON) throws(StatusError) {
        let name = reference["name"].stringValue
        let version = reference["apiVersion"].stringValue
        let kind = reference["kind"].stringValue
        let parts = version.split(separator: "/", maxSplits: 1).map(String.init)
        let group = parts.count > 1 ? parts[0] : ""
        let found: JSON
        switch (group, kind) {
        case ("", "Pod"):
            found = try object("pods", name, in: account.namespace)
            let runs = found["spec"]["serviceAccountName"].stringValue
            guard runs == account.name else {
                throw .badRequest(
                    "cannot bind token for serviceaccount \(GoText.quoted(account.name)) to pod running with different "
                        + "serviceaccount name.")
            }
            claims.pod = TokenClaims.Reference(name: found.name, uid: found.uid)
            let node = found["spec"]["nodeName"].stringValue
            if !node.isEmpty {
                let uid = context.registry.find("", "v1", "nodes")?.cache.get(node)?.tree.uid ?? ""
                claims.node = TokenClaims.Reference(name: node, uid: uid)
            }
        case ("", "Secret"):
            found = try object("secrets", name, in: account.namespace)
            claims.secret = TokenClaims.Reference(name: found.name, uid: found.uid)
        case ("", "Node"):
            found = try object("nodes", name, in: "")
            claims.node = TokenClaims.Reference(name: found.name, uid: found.uid)
        default:
            let printed = version.isEmpty ? "/" : parts.count > 1 ? version : "/\(version)"
            throw .badRequest("cannot bind token to object of type \(printed), Kind=\(kind)")
        }
        let uid = reference["uid"].stringValue
        guard uid.isEmpty || uid == found.uid else {
            throw .conflict(
                kind, group: group, name: name,
                "the UID in the bound object reference (\(uid)) does not match the UID in record. "
                    + "The object might have been deleted and then recreated")
        }
    }

    private func object(_ resource: String, _ name: String, in namespace: String) throws(StatusError) -> JSON {
        guard let served = context.registry.find("", "v1", resource) else { throw .unknownPath }
        return try served.get(namespace: namespace, name: name).tree
    }
}
