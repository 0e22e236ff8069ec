import KubeAPI
import NIOSSL
import Synchronization
import X509

/// The TLS identity of a server, and the CA that its clients' certificates must come from. Reloading takes effect for
/// new connections; those that exist go on.
///
/// Client certificates are optional, and one that is not to be believed does not end the handshake: as in Kubernetes,
/// the request is answered with 401, so that the user sees why.
public final class ServerTLS: Sendable {
    struct Material: Sendable {
        let context: NIOSSLContext
        let verifier: CertificateVerifier?
    }
    private let material: Mutex<Material>

    /// All three in PEM; `certificateChain` begins with the leaf. Without `clientCA` no client certificate is asked
    /// for.
    public init(certificateChain: [UInt8], privateKey: [UInt8], clientCA: [UInt8]? = nil) throws {
        material = Mutex(try Self.load(certificateChain, privateKey, clientCA))
    }

    /// Replaces everything; keeps the old material where this throws.
    public func reload(certificateChain: [UInt8], privateKey: [UInt8], clientCA: [UInt8]? = nil) throws {
        let fresh = try Self.load(certificateChain, privateKey, clientCA)
        material.withLock { $0 = fresh }
    }

    var current: Material { material.withLock { $0 } }

    private static func load(_ chain: [UInt8], _ key: [UInt8], _ clientCA: [UInt8]?) throws -> Material {
        do {
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMBytes(chain).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(bytes: key, format: .pem)))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            if let clientCA {
                configuration.certificateVerification = .optionalVerification
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(clientCA))
                // Clients with several certificates choose by these names.
                configuration.sendCANameList = true
            }
            return Material(
                context: try NIOSSLContext(configuration: configuration),
                verifier: try clientCA.map { try CertificateVerifier(authorities: $0) })
        } catch {
            throw TransportError(
                .invalidConfiguration, "cannot use the server's certificate, key or client CA: \(error)")
        }
    }
}
