import KubeAPI
import Transport

/// `kubectl --as`: the headers by which somebody with the right to do so acts as somebody else
/// (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation).
///
/// Everything that is asked for must be allowed by the verb `impersonate`; to ignore a header would run the request with
/// rights that its author meant to give up.
enum Impersonation {
    private static let extraPrefix = "impersonate-extra-"

    static func apply(
        _ request: HTTPServerRequest, by user: UserInfo, _ authorizer: Authorizer
    ) throws(StatusError) -> UserInfo {
        let names = request.headers(named: "impersonate-user")
        let groups = request.headers(named: "impersonate-group")
        let uid = request.header("impersonate-uid") ?? ""
        // Others are looked for only where there is any of these: this is on every request's way.
        if names.isEmpty, groups.isEmpty, uid.isEmpty { return user }
        var extra: [String: [String]] = [:]
        for (name, value) in request.headers {
            let name = name.lowercased()
            guard name.hasPrefix(extraPrefix) else { continue }
            let key = String(name.dropFirst(extraPrefix.count))
            extra[PercentCoding.decode(key, plusIsSpace: false) ?? key, default: []].append(value)
        }
        guard let name = names.first, !name.isEmpty else {
            throw .internalError(
                "requested [\(asked(groups, uid, extra))] without impersonating a user")
        }
        for request in requests(name, groups, uid, extra, by: user) { try authorizer.check(request) }
        return UserInfo(name: name, groups: completed(groups, name), uid: uid, extra: extra)
    }

    private static func asked(_ groups: [String], _ uid: String, _ extra: [String: [String]]) -> String {
        var parts: [String] = []
        if !groups.isEmpty { parts.append("groups") }
        if !uid.isEmpty { parts.append("uid") }
        if !extra.isEmpty { parts.append("extra") }
        return parts.joined(separator: " ")
    }

    /// All that must be allowed.
    private static func requests(
        _ name: String, _ groups: [String], _ uid: String, _ extra: [String: [String]], by user: UserInfo
    ) -> [AccessRequest] {
        func request(
            _ resource: String, _ name: String, group: String = "", subresource: String = "", namespace: String = ""
        ) -> AccessRequest {
            AccessRequest(
                user: user, verb: "impersonate", group: group, resource: resource, subresource: subresource,
                namespace: namespace, name: name)
        }
        let authentication = "authentication.k8s.io"
        var requests: [AccessRequest] = []
        if let account = account(name) {
            requests.append(request("serviceaccounts", account.name, namespace: account.namespace))
        } else {
            requests.append(request("users", name))
        }
        requests += groups.map { request("groups", $0) }
        if !uid.isEmpty { requests.append(request("uids", uid, group: authentication)) }
        for (key, values) in extra.sorted(by: { $0.key < $1.key }) {
            requests += values.map { request("userextras", $0, group: authentication, subresource: key) }
        }
        return requests
    }

    /// The service account that a user's name stands for.
    private static func account(_ name: String) -> (namespace: String, name: String)? {
        guard name.hasPrefix(UserInfo.serviceAccountPrefix) else { return nil }
        let parts = name.dropFirst(UserInfo.serviceAccountPrefix.count).split(
            separator: ":", omittingEmptySubsequences: false
        ).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
        return (parts[0], parts[1])
    }

    /// The groups that the user would have had by logging in.
    private static func completed(_ groups: [String], _ name: String) -> [String] {
        var groups = groups
        if groups.isEmpty, let account = account(name) {
            groups = [UserInfo.serviceAccountsGroup, "\(UserInfo.serviceAccountsGroup):\(account.namespace)"]
        }
        let implied =
            name == UserInfo.anonymous.name ? UserInfo.unauthenticatedGroup : UserInfo.authenticatedGroup
        if !groups.contains(UserInfo.authenticatedGroup), !groups.contains(UserInfo.unauthenticatedGroup) {
            groups.append(implied)
        }
        return groups
    }
}
