import KubeAPI

/// Who is at the other end of a connection, as far as the transport can tell.
public struct PeerIdentity: Sendable {
    /// The peer's IP address without port; empty on unix sockets.
    public var address: String
    /// 0 on unix sockets.
    public var port: Int
    public var isTLS: Bool
    /// Our own address of this connection; the path on unix sockets.
    public var localAddress: String
    /// The certificate that the peer presented.
    public var certificate: ClientCertificate?
    /// Why the presented certificate was not believed; nil where none was presented or it is good. Whoever presents a
    /// bad certificate is refused (401), not taken for anonymous.
    public var certificateError: String?

    public init(
        address: String, port: Int = 0, isTLS: Bool = false, localAddress: String = "",
        certificate: ClientCertificate? = nil, certificateError: String? = nil
    ) {
        self.address = address
        self.port = port
        self.isTLS = isTLS
        self.localAddress = localAddress
        self.certificate = certificate
        self.certificateError = certificateError
    }
}

/// What a client certificate says, after its chain was verified against the client CA.
public struct ClientCertificate: Sendable, Hashable {
    /// The user.
    public var commonName: String
    /// The user's groups, in the order of the certificate.
    public var organizations: [String]
    /// The connection outlives it: checked again with each request.
    public var notAfter: Timestamp
    /// SHA-256 of the DER form, lower-case hexadecimal.
    public var fingerprint: String

    public init(commonName: String, organizations: [String], notAfter: Timestamp, fingerprint: String) {
        self.commonName = commonName
        self.organizations = organizations
        self.notAfter = notAfter
        self.fingerprint = fingerprint
    }
}
