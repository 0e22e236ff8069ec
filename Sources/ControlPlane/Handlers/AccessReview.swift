import KubeAPI

/// Whether somebody may do something, and what all he may do (authorization.k8s.io/v1).
enum AccessReview {
    private static let group = "authorization.k8s.io"

    // MARK: - One request

    static func answer(_ review: inout JSON, _ user: UserInfo, _ context: ServerContext) throws(StatusError) {
        let problems = problems(review)
        if !problems.isEmpty {
            throw .invalid(kind: review["kind"].stringValue, group: group, name: review.name, problems)
        }
        let (isAllowed, reason) = context.authorizer.review(request(review["spec"], user))
        var status: JSON = ["allowed": .bool(isAllowed)]
        if !reason.isEmpty { status["reason"] = .string(reason) }
        review["status"] = status
    }

    /// Who is asked about.
    static func subject(_ review: JSON) throws(StatusError) -> UserInfo {
        let spec = review["spec"]
        var extra: [String: [String]] = [:]
        for (key, values) in spec["extra"].object ?? JSONObject() { extra[key] = values.items.map(\.stringValue) }
        return UserInfo(
            name: spec["user"].stringValue, groups: spec["groups"].items.map(\.stringValue),
            uid: spec["uid"].stringValue, extra: extra)
    }

    private static func request(_ spec: JSON, _ user: UserInfo) -> AccessRequest {
        let resource = spec["resourceAttributes"]
        guard resource.isObject else {
            let path = spec["nonResourceAttributes"]
            return AccessRequest(user: user, verb: path["verb"].stringValue, path: path["path"].stringValue)
        }
        return AccessRequest(
            user: user, verb: resource["verb"].stringValue, group: resource["group"].stringValue,
            resource: resource["resource"].stringValue, subresource: resource["subresource"].stringValue,
            namespace: resource["namespace"].stringValue, name: resource["name"].stringValue,
            fields: fields(resource["fieldSelector"]))
    }

    /// What nodes may list depends on it.
    private static func fields(_ json: JSON) -> FieldSelector? {
        var text = json["rawSelector"].stringValue
        if text.isEmpty {
            let terms = json["requirements"].items.filter {
                $0["operator"].string == "In" && $0["values"].items.count == 1
            }
            text = terms.map { "\($0["key"].stringValue)=\($0["values"][0].stringValue)" }.joined(separator: ",")
        }
        if text.isEmpty { return nil }
        return try? FieldSelector(parsing: text)  // what can't be read limits nothing
    }

    private static func problems(_ review: JSON) -> [FieldError] {
        let spec = review["spec"]
        let (resource, path) = (spec["resourceAttributes"], spec["nonResourceAttributes"])
        let kind = review["kind"].stringValue
        var problems: [FieldError] = []
        if resource.isObject, path.isObject {
            problems.append(
                .invalid(
                    "spec.nonResourceAttributes", path, "cannot be specified in combination with resourceAttributes"))
        }
        if !resource.isObject, !path.isObject {
            problems.append(
                .invalid(
                    "spec.resourceAttributes", .null,
                    "exactly one of nonResourceAttributes or resourceAttributes must be specified"))
        }
        guard kind != "SelfSubjectAccessReview" else { return problems }
        if spec["user"].stringValue.isEmpty, spec["groups"].items.isEmpty {
            problems.append(.invalid("spec.user", "", "at least one of user or group must be specified"))
        }
        guard kind == "LocalSubjectAccessReview" else { return problems }
        if resource.isObject, resource["namespace"].stringValue != review.namespace {
            problems.append(
                .invalid(
                    "spec.resourceAttributes.namespace", .string(resource["namespace"].stringValue),
                    "must match metadata.namespace"))
        }
        if path.isObject {
            problems.append(.invalid("spec.nonResourceAttributes", path, "disallowed on this kind of request"))
        }
        return problems
    }

    // MARK: - All rules

    static func answerRules(_ review: inout JSON, _ user: UserInfo, _ context: ServerContext) throws(StatusError) {
        let namespace = review["spec"]["namespace"].stringValue
        if namespace.isEmpty { throw .badRequest("no namespace on request") }
        var (rules, errors) = context.authorizer.rbac.rules(for: user, in: namespace)
        if user.isMaster {
            rules.insert(PolicyRule(verbs: ["*"], groups: ["*"], resources: ["*"]), at: 0)
            rules.insert(PolicyRule(verbs: ["*"], paths: ["*"]), at: 1)
        }
        let isNode = NodeAuthorizer.node(user) != nil
        if isNode { errors.insert("node authorizer does not support user rule resolution", at: 0) }
        review["status"] = [
            "resourceRules": .array(rules.filter(\.paths.isEmpty).map(\.json)),
            "nonResourceRules": .array(rules.filter { !$0.paths.isEmpty }.map(\.json)),
            "incomplete": .bool(isNode),
        ]
        if !errors.isEmpty {
            review["status"]["evaluationError"] = .string(
                errors.count == 1 ? errors[0] : "[\(errors.joined(separator: ", "))]")
        }
    }
}
