import KubeAPI
import Transport

/// Who may ask the node: whoever can open its socket; the API server and administrators by their certificates; all others
/// as the API server says.
enum NodeAccess {
    /// What is to happen to a request.
    enum Verdict: Sendable {
        case allowed
        case refused(StatusError)
        /// Only the API server knows.
        case asked(NodeAuthorizer.Client)
    }

    static func isLocal(_ peer: PeerIdentity) -> Bool { !peer.isTLS && peer.port == 0 && peer.address.isEmpty }

    static func verdict(_ peer: PeerIdentity, authorization: String?, now: Timestamp = .now()) -> Verdict {
        if isLocal(peer) { return .allowed }
        guard peer.isTLS, peer.certificateError == nil else { return .refused(.unauthorized()) }
        if let certificate = peer.certificate {
            guard certificate.notAfter > now else { return .refused(.unauthorized()) }
            if certificate.organizations.contains("system:masters")
                || certificate.commonName == NodeServer.apiServerClient
            {
                return .allowed
            }
            return .asked(.user(name: certificate.commonName, groups: certificate.organizations))
        }
        guard let authorization, authorization.lowercased().hasPrefix("bearer ") else {
            return .refused(.unauthorized())
        }
        let token = authorization.dropFirst("bearer ".count).filter { $0 != " " }
        return token.isEmpty ? .refused(.unauthorized()) : .asked(.token(token))
    }

    /// The subresources of the node that a path belongs to; one of them is enough.
    static func subresources(of path: String) -> [String] {
        switch path.split(separator: "/").first {
        case "stats": ["stats"]
        case "metrics": ["metrics"]
        case "logs": ["log"]
        case "pods", "runningpods": ["pods", "proxy"]
        case "healthz": ["healthz", "proxy"]
        case "configz": ["configz", "proxy"]
        default: ["proxy"]
        }
    }

    static func verb(of method: String) -> String {
        switch method {
        case "POST": "create"
        case "PUT": "update"
        case "PATCH": "patch"
        case "DELETE": "delete"
        default: "get"
        }
    }
}
