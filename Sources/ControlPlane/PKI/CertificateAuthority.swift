import Crypto
import FoundationEssentials
import KubeAPI
import SwiftASN1
import X509

/// The cluster's CA: an ECDSA P-256 key and its self-signed certificate.
struct CertificateAuthority: Sendable {
    static let lifetimeDays = 3_650
    static let leafLifetimeDays = 365
    /// Clocks of other machines may be behind ours.
    private static let backdating = Duration.seconds(300)

    let certificate: Certificate
    let key: P256.Signing.PrivateKey

    /// Makes a new certificate for `key`.
    init(key: P256.Signing.PrivateKey, now: Timestamp) throws {
        self.key = key
        let name = try DistinguishedName { CommonName("swiftlet-ca") }
        certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: Certificate.PublicKey(key.publicKey),
            notValidBefore: Self.date(now - Self.backdating),
            notValidAfter: Self.date(now + .seconds(86_400 * Self.lifetimeDays)), issuer: name, subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(digitalSignature: true, keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
            },
            issuerPrivateKey: Certificate.PrivateKey(key))
    }

    /// Checks that both belong together and may sign; the error says which does not hold.
    init(certificate: Certificate, key: P256.Signing.PrivateKey, now: Timestamp) throws(PKIError) {
        guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else {
            throw PKIError("the certificate belongs to another key")
        }
        let isAuthority: Bool
        do {
            if case .isCertificateAuthority = try certificate.extensions.basicConstraints {
                isAuthority = true
            } else {
                isAuthority = false
            }
        } catch {
            throw PKIError("its extensions cannot be parsed: \(error)")
        }
        guard isAuthority else { throw PKIError("it is not the certificate of a CA") }
        let end = Self.timestamp(certificate.notValidAfter)
        guard end > now else { throw PKIError("it has expired at \(end.rfc3339)") }
        self.certificate = certificate
        self.key = key
    }

    /// Signs a leaf; it never outlives the CA.
    func issue(_ profile: CertificateProfile, for key: P256.Signing.PublicKey, now: Timestamp) throws -> Certificate {
        let end = min(
            Self.date(now + .seconds(86_400 * Self.leafLifetimeDays)), certificate.notValidAfter)
        let names = profile.alternativeNames
        return try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: Certificate.PublicKey(key),
            notValidBefore: Self.date(now - Self.backdating), notValidAfter: end, issuer: certificate.subject,
            subject: try profile.subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage(profile.usage.extended)
                AuthorityKeyIdentifier(
                    keyIdentifier: SubjectKeyIdentifier(hash: certificate.publicKey).keyIdentifier)
                if !names.isEmpty { names }
            },
            issuerPrivateKey: Certificate.PrivateKey(self.key))
    }

    func hasIssued(_ leaf: Certificate) -> Bool {
        leaf.issuer == certificate.subject && certificate.publicKey.isValidSignature(leaf.signature, for: leaf)
    }

    static func date(_ time: Timestamp) -> Date { Date(timeIntervalSince1970: Double(time.unixSeconds)) }
    static func timestamp(_ date: Date) -> Timestamp {
        Timestamp(unixSeconds: Int64(date.timeIntervalSince1970.rounded(.down)))
    }
}
