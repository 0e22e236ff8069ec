import KubeAPI

/// Asks the API server who somebody is (TokenReview) and what they may do on this node (SubjectAccessReview), and
/// remembers the answers for as long as a kubelet does.
actor NodeAuthorizer {
    enum Client: Sendable, Hashable {
        case token(String)
        case user(name: String, groups: [String])
    }

    /// Who a token is.
    static let identityTTL = Duration.seconds(120)
    static let allowedTTL = Duration.seconds(300)
    static let deniedTTL = Duration.seconds(30)
    /// Answers that are kept; beyond, all are forgotten: who floods us with tokens pays with looking each up.
    private static let limit = 1024

    private struct User: Sendable, Hashable {
        var name: String
        var groups: [String]
        var uid = ""
        var extra: JSON = .null

        static func == (left: User, right: User) -> Bool {
            left.name == right.name && left.groups == right.groups && left.uid == right.uid
                && left.extra.description == right.extra.description
        }
        func hash(into hasher: inout Hasher) {
            hasher.combine(name)
            hasher.combine(groups)
        }
    }
    private struct Question: Hashable {
        let user: User
        let verb: String
        let subresource: String
    }
    private struct Known<Value> {
        let value: Value
        let until: ContinuousClock.Instant
    }

    private let client: (any APIClient)?
    private let nodeName: String
    private var users: [String: Known<User?>] = [:]
    private var answers: [Question: Known<Bool>] = [:]

    /// Without a client nobody is known.
    init(client: (any APIClient)?, nodeName: String) {
        self.client = client
        self.nodeName = nodeName
    }

    /// Nil for whoever may; any one of the subresources is enough.
    func refusal(of client: Client, verb: String, subresources: [String]) async -> StatusError? {
        let user: User
        switch client {
        case .user(let name, let groups): user = User(name: name, groups: groups + ["system:authenticated"])
        case .token(let token):
            guard let known = await identify(token) else { return .unauthorized() }
            user = known
        }
        for subresource in subresources {
            if await isAllowed(Question(user: user, verb: verb, subresource: subresource)) { return nil }
        }
        return .forbidden(
            "Forbidden (user=\(user.name), verb=\(verb), resource=nodes, "
                + "subresource(s)=[\(subresources.joined(separator: " "))])")
    }

    private func identify(_ token: String) async -> User? {
        if let known = users[token], known.until > .now { return known.value }
        guard let client else { return nil }
        let review: JSON = [
            "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": ["token": .string(token)],
        ]
        // Who can't be looked up is nobody, and is looked up again the next time.
        guard let answer = try? await client.create(.tokenReviews, review) else { return nil }
        let status = answer["status"]
        var user: User?
        if status["authenticated"].bool == true {
            user = User(
                name: status["user"]["username"].stringValue,
                groups: status["user"]["groups"].items.compactMap(\.string),
                uid: status["user"]["uid"].stringValue, extra: status["user"]["extra"])
        }
        if users.count >= Self.limit { users = [:] }
        users[token] = Known(value: user, until: .now + (user == nil ? Self.deniedTTL : Self.identityTTL))
        return user
    }

    private func isAllowed(_ question: Question) async -> Bool {
        if let known = answers[question], known.until > .now { return known.value }
        guard let client else { return false }
        let user = question.user
        var spec: JSON = [
            "user": .string(user.name), "groups": JSON(user.groups),
            "resourceAttributes": [
                "verb": .string(question.verb), "version": "v1", "resource": "nodes",
                "subresource": .string(question.subresource), "name": .string(nodeName),
            ],
        ]
        if !user.uid.isEmpty { spec["uid"] = .string(user.uid) }
        if user.extra.isObject { spec["extra"] = user.extra }
        let review: JSON = [
            "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": spec,
        ]
        // What can't be asked is not allowed, and is asked again the next time.
        guard let answer = try? await client.create(.subjectAccessReviews, review) else { return false }
        let isAllowed = answer["status"]["allowed"].bool ?? false
        if answers.count >= Self.limit { answers = [:] }
        answers[question] = Known(value: isAllowed, until: .now + (isAllowed ? Self.allowedTTL : Self.deniedTTL))
        return isAllowed
    }
}

extension ResourcePath {
    static let tokenReviews = ResourcePath(
        group: "authentication.k8s.io", resource: "tokenreviews", kind: "TokenReview", isNamespaced: false)
    static let subjectAccessReviews = ResourcePath(
        group: "authorization.k8s.io", resource: "subjectaccessreviews", kind: "SubjectAccessReview",
        isNamespaced: false)
}
