import KubeAPI
import Transport

/// `kubectl --as`: the headers by which somebody with the right to do so acts as somebody else.
///
/// Only system:masters have that right; to ignore the headers for others would run their request with rights that they
/// meant to give up.
enum Impersonation {
    static func apply(_ request: HTTPServerRequest, by user: UserInfo) throws(StatusError) -> UserInfo {
        let names = request.headers(named: "impersonate-user")
        let groups = request.headers(named: "impersonate-group")
        let uid = request.header("impersonate-uid") ?? ""
        let prefix = "impersonate-extra-"
        var extra: [String: [String]] = [:]
        // Looked for only where there is any of them: this is on every request's way.
        if !names.isEmpty {
            for (name, value) in request.headers where name.lowercased().hasPrefix(prefix) {
                extra[String(name.lowercased().dropFirst(prefix.count)), default: []].append(value)
            }
        }
        guard let name = names.first else {
            if groups.isEmpty && uid.isEmpty { return user }
            throw .internalError("invalid impersonation: user is required with groups and uid")
        }
        guard user.isMaster else {
            throw Denial(
                user: user, verb: "impersonate", group: "", resource: "users", subresource: "", namespace: "",
                name: name, path: request.path
            ).error
        }
        var all = groups
        let implied =
            name == UserInfo.anonymous.name ? UserInfo.unauthenticatedGroup : UserInfo.authenticatedGroup
        if !all.contains(implied) { all.append(implied) }
        return UserInfo(name: name, groups: all, uid: uid, extra: extra)
    }
}
