import KubeAPI
import NIOSSL
import Synchronization

/// How a client trusts servers and shows who it is. Immutable: a renewed certificate makes a new one.
public final class ClientTLS: Sendable {
    private let context: NIOSSLContext
    /// Nil: any server is believed.
    private let verifier: CertificateVerifier?
    /// Instead of the URL's host, for names and certificates.
    private let serverName: String?

    /// All in PEM. Without `authorities` the system's roots are trusted, with `addsToSystem` these beside the given ones.
    /// `isInsecure` believes any server: for tests, and for configurations that say so. `protocols` are what is spoken
    /// over it, as ALPN names them.
    public init(
        authorities: [UInt8]? = nil, addsToSystem: Bool = false, certificateChain: [UInt8]? = nil,
        privateKey: [UInt8]? = nil, serverName: String? = nil, isInsecure: Bool = false,
        protocols: [String] = ["http/1.1"]
    ) throws {
        self.serverName = serverName
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = protocols
            // The verifier checks chain and name; the library only passes on what the server shows.
            configuration.certificateVerification = isInsecure ? .none : .noHostnameVerification
            configuration.trustRoots = .certificates([])
            verifier = isInsecure ? nil : try CertificateVerifier(authorities: authorities, addsToSystem: addsToSystem)
            if let certificateChain, let privateKey {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(certificateChain)
                    .map { .certificate($0) }
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: privateKey, format: .pem))
            }
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw TransportError(
                .invalidConfiguration, "cannot use the client's certificate, key or CA: \(error)")
        }
    }

    /// The handler for one connection to `host`. `verdict` learns why a server was refused.
    func makeHandler(host: String, verdict: ServerVerdict) throws -> NIOSSLClientHandler {
        let name = serverName ?? host
        // An address is no name to send (RFC 6066).
        let sentName = IPAddress(name) == nil ? name : nil
        guard let verifier else { return try NIOSSLClientHandler(context: context, serverHostname: sentName) }
        return try NIOSSLClientHandler(context: context, serverHostname: sentName) { certificates, promise in
            do {
                let chain = try certificates.prefix(9).map { try $0.toDERBytes() }
                Task {
                    switch await verifier.verify(chain: chain, for: .server(name)) {
                    case .trusted: promise.succeed(.certificateVerified)
                    case .refused(let reason):
                        verdict.refusal = reason
                        promise.succeed(.failed)
                    }
                }
            } catch {
                promise.fail(error)
            }
        }
    }
}

/// Why a server's certificate was refused, between the handshake that finds out and the exchange that tells.
final class ServerVerdict: Sendable {
    private let reason = Mutex<String?>(nil)
    var refusal: String? {
        get { reason.withLock { $0 } }
        set { reason.withLock { $0 = newValue } }
    }
}
