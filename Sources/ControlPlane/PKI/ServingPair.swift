import Crypto
import KubeAPI
import X509

/// What a component's own port shows, and the CA whose clients it believes.
public struct ServingPair: Sendable, Equatable {
    /// In PEM, the leaf first.
    public let certificate: [UInt8]
    public let privateKey: [UInt8]
    /// Nil: no client is believed.
    public let clientCA: [UInt8]?

    public init(certificate: [UInt8], privateKey: [UInt8], clientCA: [UInt8]?) {
        self.certificate = certificate
        self.privateKey = privateKey
        self.clientCA = clientCA
    }

    /// Made up for this process, as Kubernetes' components do without a certificate: callers can't check it.
    public static func ephemeral(name: String, addresses: [IPAddress], clientCA: [UInt8]? = nil) throws -> ServingPair {
        let now = Timestamp.now()
        let ca = try CertificateAuthority(key: P256.Signing.PrivateKey(), now: now)
        let key = P256.Signing.PrivateKey()
        let profile = CertificateProfile(
            commonName: name, usage: .server, dnsNames: ["localhost"],
            addresses: [IPAddress(ipv4: 0x7f00_0001), IPAddress(ipv6: 1)] + addresses)
        let leaf = try ca.issue(profile, for: key.publicKey, now: now)
        return ServingPair(
            certificate: try CertificateFiles.pem(leaf), privateKey: CertificateFiles.pem(key), clientCA: clientCA)
    }

    /// Whether a certificate in PEM is meant for servers; false for what is no certificate.
    public static func isForServers(_ certificate: [UInt8]) -> Bool {
        let text = String(decoding: certificate, as: UTF8.self)
        // What can't be parsed is for nobody.
        guard let leaf = try? Certificate(pemEncoded: text), let usages = try? leaf.extensions.extendedKeyUsage else {
            return false
        }
        return usages.contains(.serverAuth)
    }
}
