import KubeAPI

/// What was refused, in Kubernetes' words.
struct Denial {
    private let request: AccessRequest
    /// What speaks against it beside that nothing speaks for it; may be empty.
    private let why: String

    init(_ request: AccessRequest, reason: String = "") {
        self.request = request
        why = reason
    }

    var error: StatusError {
        let reason = Self.sanitized(self.reason)
        guard request.isResource else {
            return StatusError(code: 403, reason: "Forbidden", message: "forbidden: \(reason)", details: [:])
        }
        let (resource, group, name) = (request.resource, request.group, request.name)
        let qualified = group.isEmpty ? resource : "\(resource).\(group)"
        return .forbidden(
            name.isEmpty
                ? "\(qualified) is forbidden: \(reason)"
                : "\(qualified) \(GoText.quoted(name)) is forbidden: \(reason)",
            resource, group: group, name: name)
    }

    private var reason: String {
        let user = GoText.quoted(request.user.name)
        let tail = why.isEmpty ? "" : ": \(why)"
        guard request.isResource else {
            return "User \(user) cannot \(request.verb) path \(GoText.quoted(request.path))\(tail)"
        }
        let namespace = request.namespace
        let place = namespace.isEmpty ? "at the cluster scope" : "in the namespace \(GoText.quoted(namespace))"
        return "User \(user) cannot \(request.verb) resource \(GoText.quoted(request.fullResource)) "
            + "in API group \(GoText.quoted(request.group)) \(place)\(tail)"
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
