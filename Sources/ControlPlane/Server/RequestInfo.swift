/// What a request is about, read from its method, path and query: what authorization, metrics and handlers go by.
struct RequestInfo: Sendable, Equatable {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; the method in lower case for
    /// paths outside resources.
    var verb: String
    var path: String
    var isResource = false
    var group = ""
    var version = ""
    var resource = ""
    var subresource = ""
    /// Empty outside namespaces, and for all namespaces at once.
    var namespace = ""
    var name = ""

    /// The label of metrics: how far the request reaches.
    var scope: String {
        guard isResource else { return "" }
        if !name.isEmpty { return "resource" }
        return namespace.isEmpty ? "cluster" : "namespace"
    }

    /// `/api/v1/[namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE]]`, the same under `/apis/GROUP/VERSION`.
    ///
    /// `namespaces` is a resource itself: what follows it is the name of one, unless a resource follows that.
    init(method: String, path: String, isWatch: Bool) {
        self.path = path
        verb = method.lowercased()
        var parts = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }[...]
        switch parts.first {
        case "api" where parts.count >= 3:
            version = parts[1]
            parts = parts.dropFirst(2)
        case "apis" where parts.count >= 4:
            group = parts[1]
            version = parts[2]
            parts = parts.dropFirst(3)
        default:
            return
        }
        // The old form /api/v1/watch/…, which some clients still use.
        let isOldWatch = parts.first == "watch" && parts.count > 1
        if isOldWatch { parts = parts.dropFirst() }
        isResource = true
        if parts.first == "namespaces", parts.count > 1 {
            let second = parts[parts.startIndex + 1]
            let third = parts.count > 2 ? parts[parts.startIndex + 2] : ""
            if parts.count > 2 && !Self.namespaceSubresources.contains(third) {
                namespace = second
                parts = parts.dropFirst(2)
            } else {
                // As Kubernetes has it, requests about a namespace are in it.
                namespace = second
            }
        }
        resource = parts.first ?? ""
        name = parts.dropFirst().first ?? ""
        // What follows `proxy` is a path on the other side.
        subresource =
            parts.dropFirst(2).first == "proxy" ? "proxy" : parts.dropFirst(2).joined(separator: "/")
        // As in Kubernetes, one named object is got whatever the query says.
        verb = Self.verb(method: method, hasName: !name.isEmpty, isWatch: isOldWatch || isWatch && name.isEmpty)
    }

    private static let namespaceSubresources: Set<String> = ["status", "finalize"]

    private static func verb(method: String, hasName: Bool, isWatch: Bool) -> String {
        switch method {
        case "GET", "HEAD": isWatch ? "watch" : hasName ? "get" : "list"
        case "POST": "create"
        case "PUT": "update"
        case "PATCH": "patch"
        case "DELETE": hasName ? "delete" : "deletecollection"
        default: method.lowercased()
        }
    }
}
