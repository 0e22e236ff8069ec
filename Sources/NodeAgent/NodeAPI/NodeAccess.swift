import KubeAPI
import Transport

/// Who may ask the node: whoever can open its socket, and clients with a certificate that says that they are the API
/// server or an administrator.
enum NodeAccess {
    static func isLocal(_ peer: PeerIdentity) -> Bool { !peer.isTLS && peer.port == 0 && peer.address.isEmpty }

    /// Nil for whoever may.
    static func refusal(of peer: PeerIdentity, now: Timestamp = .now()) -> StatusError? {
        if isLocal(peer) { return nil }
        guard let certificate = peer.certificate, peer.isTLS, certificate.notAfter > now else { return .unauthorized() }
        if certificate.organizations.contains("system:masters") || certificate.commonName == NodeServer.apiServerClient
        {
            return nil
        }
        return .forbidden("Forbidden (user=\(certificate.commonName), resource=nodes)")
    }
}
