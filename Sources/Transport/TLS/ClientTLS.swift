import NIOSSL

/// How a client trusts servers and shows who it is. Immutable: a renewed certificate makes a new one.
public final class ClientTLS: Sendable {
    let context: NIOSSLContext
    /// Instead of the URL's host, for names and certificates.
    let serverName: String?

    /// All in PEM. Without `authorities` the system's roots are trusted. `isInsecure` believes any server: for tests
    /// and for kubeconfigs that say so.
    public init(
        authorities: [UInt8]? = nil, certificateChain: [UInt8]? = nil, privateKey: [UInt8]? = nil,
        serverName: String? = nil, isInsecure: Bool = false
    ) throws {
        self.serverName = serverName
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            if let authorities {
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(authorities))
            }
            if let certificateChain, let privateKey {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(certificateChain)
                    .map { .certificate($0) }
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: privateKey, format: .pem))
            }
            if isInsecure { configuration.certificateVerification = .none }
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw TransportError(
                .invalidConfiguration, "cannot use the client's certificate, key or CA: \(error)")
        }
    }
}
