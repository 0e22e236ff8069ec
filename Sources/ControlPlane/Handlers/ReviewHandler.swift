import KubeAPI

/// What is only asked about access: POST of a review, which is answered with its status filled in and leaves nothing
/// behind.
enum ReviewHandler {
    static func handle(_ exchange: Exchange, _ type: ResourceType, _ context: ServerContext) throws(StatusError) {
        guard exchange.info.verb == "create", exchange.info.name.isEmpty else { throw .methodNotAllowed() }
        let options = try WriteOptions(exchange)
        let scheme = context.registry.scheme
        let decoder = BodyDecoder(
            kind: type.path.kind, group: type.path.group, version: type.path.version, schema: type.schema,
            scheme: scheme)
        let decoded = try decoder.decode(exchange.request)
        let warnings = try decoder.judge(decoded, options.validation)
        var review = decoded.object
        try NamespaceGuard.place(&review, exchange.info.namespace, isNamespaced: type.path.isNamespaced)
        review["status"] = .null
        let user = exchange.request.user
        switch type.path.kind {
        case "TokenReview": try TokenReview.answer(&review, context)
        case "SelfSubjectReview":
            review["metadata"]["creationTimestamp"] = .string(Timestamp.now().rfc3339)
            review["status"] = ["userInfo": user.json]
        case "SelfSubjectRulesReview": try AccessReview.answerRules(&review, user, context)
        case "SelfSubjectAccessReview": try AccessReview.answer(&review, user, context)
        default: try AccessReview.answer(&review, try AccessReview.subject(review), context)
        }
        exchange.send(review, status: 201, headers: warnings)
    }
}

/// Whose a token is (authentication.k8s.io/v1 TokenReview).
enum TokenReview {
    static func answer(_ review: inout JSON, _ context: ServerContext) throws(StatusError) {
        let token = review["spec"]["token"].stringValue
        if token.isEmpty { throw .badRequest("token is required for TokenReview in authentication") }
        let own = context.tokens?.authority.audiences ?? []
        let asked = review["spec"]["audiences"].items.map(\.stringValue)
        let refused = "invalid bearer token"
        do throws(TokenRefusal) {
            let found = try context.authenticator.user(of: token, audiences: asked.isEmpty ? own : asked)
            guard let found else {
                review["status"] = ["user": .emptyObject, "error": .string(refused)]
                return
            }
            review["status"] = [
                "authenticated": true, "user": found.user.json, "audiences": JSON(found.audiences),
            ]
        } catch {
            review["status"] = ["user": .emptyObject, "error": .string("[\(refused), \(error.why)]")]
        }
    }
}

extension UserInfo {
    /// As the API tells of users (authentication.k8s.io/v1 UserInfo).
    var json: JSON {
        var json: JSON = ["username": .string(name)]
        if !uid.isEmpty { json["uid"] = .string(uid) }
        if !groups.isEmpty { json["groups"] = JSON(groups) }
        for (key, values) in extra.sorted(by: { $0.key < $1.key }) { json["extra"][key] = JSON(values) }
        return json
    }
}
