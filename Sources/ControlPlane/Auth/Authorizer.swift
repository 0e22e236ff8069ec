import KubeAPI

/// Decides who may do what, by the tables of `AuthorizationRules`.
public struct Authorizer: Sendable {
    public enum Decision: Sendable {
        case allow
        /// With the error to answer (403), in Kubernetes' words.
        case deny(StatusError)
    }

    public init() {}

    /// `resource` is empty for paths outside resources, which are then decided by `path` with the method in lower
    /// case as `verb`. `namespace` is empty at the cluster scope, `name` for collections.
    public func authorize(
        user: UserInfo, verb: String, group: String, resource: String, subresource: String, namespace: String,
        name: String, path: String
    ) -> Decision {
        if user.isMaster { return .allow }
        for (subject, rules) in AuthorizationRules.all where subject.matches(user) {
            for rule in rules {
                let isAllowed =
                    resource.isEmpty
                    ? rule.allows(verb: verb, path: path)
                    : rule.allows(
                        user: user, verb: verb, group: group, resource: resource, subresource: subresource,
                        namespace: namespace, name: name)
                if isAllowed { return .allow }
            }
        }
        return .deny(
            Denial(
                user: user, verb: verb, group: group, resource: resource, subresource: subresource,
                namespace: namespace, name: name, path: path
            ).error)
    }
}

/// What was refused, in Kubernetes' words.
struct Denial {
    let user: UserInfo
    let verb: String
    let group: String
    let resource: String
    let subresource: String
    let namespace: String
    let name: String
    let path: String

    var error: StatusError {
        let reason = Self.sanitized(self.reason)
        guard !resource.isEmpty else {
            return StatusError(code: 403, reason: "Forbidden", message: "forbidden: \(reason)", details: [:])
        }
        let qualified = group.isEmpty ? resource : "\(resource).\(group)"
        return .forbidden(
            name.isEmpty
                ? "\(qualified) is forbidden: \(reason)" : "\(qualified) \(Self.quoted(name)) is forbidden: \(reason)",
            resource, group: group, name: name)
    }

    private var reason: String {
        let user = Self.quoted(user.name)
        guard !resource.isEmpty else { return "User \(user) cannot \(verb) path \(Self.quoted(path))" }
        let full = Self.quoted(subresource.isEmpty ? resource : "\(resource)/\(subresource)")
        let place = namespace.isEmpty ? "at the cluster scope" : "in the namespace \(Self.quoted(namespace))"
        return "User \(user) cannot \(verb) resource \(full) in API group \(Self.quoted(group)) \(place)"
    }

    /// As Go's `%q`, for what names and paths can hold.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                result += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Browsers may show the text as HTML.
    private static func sanitized(_ text: String) -> String {
        guard text.utf8.contains(where: { [UInt8(ascii: "&"), UInt8(ascii: "<"), UInt8(ascii: ">")].contains($0) })
        else { return text }
        return text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            default: result.append(character)
            }
        }
    }
}
