import Crypto
import KubeAPI
import SwiftASN1
import X509

/// Decides whether a peer's certificate comes from a CA that we trust, and is meant for what it is used for.
///
/// Not left to the TLS library, because a client's bad certificate is to be answered rather than hung up on, a server's
/// name must match even where its address does, and because the reason is worth telling.
struct CertificateVerifier: Sendable {
    enum Purpose: Sendable {
        case client
        /// The name or address by which the server was called.
        case server(String)
    }

    enum Outcome: Sendable {
        case trusted(Certificate)
        /// With the reason.
        case refused(String)
    }

    private let roots: CertificateStore

    /// The CA certificates in PEM; the system's where nil, and beside them where `addsToSystem`.
    init(authorities: [UInt8]?, addsToSystem: Bool = false) throws {
        guard let authorities else {
            roots = CertificateStore.systemTrustRoots
            return
        }
        let documents = try PEMDocument.parseMultiple(pemString: String(decoding: authorities, as: UTF8.self))
        let given = try documents.map { try Certificate(pemDocument: $0) }
        var store = addsToSystem ? CertificateStore.systemTrustRoots : CertificateStore()
        store.append(contentsOf: given)
        roots = store
    }

    /// `chain` in DER, the leaf first.
    func verify(chain: [[UInt8]], for purpose: Purpose) async -> Outcome {
        guard let leafBytes = chain.first else { return .refused("there is no certificate") }
        let leaf: Certificate
        let intermediates: [Certificate]
        do {
            leaf = try Certificate(derEncoded: leafBytes)
            intermediates = try chain.dropFirst().map { try Certificate(derEncoded: $0) }
        } catch {
            return .refused("certificate cannot be parsed: \(error)")
        }
        let result: CertificateValidationResult
        switch purpose {
        case .client:
            var verifier = Verifier(rootCertificates: roots) {
                RFC5280Policy()
                UsagePolicy(usage: .clientAuth)
            }
            result = await verifier.validate(leaf: leaf, intermediates: CertificateStore(intermediates))
        case .server(let name):
            let isAddress = IPAddress(name) != nil
            var verifier = Verifier(rootCertificates: roots) {
                RFC5280Policy()
                UsagePolicy(usage: .serverAuth)
                ServerIdentityPolicy(serverHostname: isAddress ? nil : name, serverIP: isAddress ? name : nil)
            }
            result = await verifier.validate(leaf: leaf, intermediates: CertificateStore(intermediates))
        }
        switch result {
        case .validCertificate: return .trusted(leaf)
        case .couldNotValidate(let failures):
            guard let failure = failures.first else { return .refused("certificate signed by unknown authority") }
            return .refused("certificate is not valid: \(failure.policyFailureReason)")
        }
    }
}

/// The leaf must be meant for what it is used for (extended key usage), as Kubernetes demands.
private struct UsagePolicy: VerifierPolicy {
    let usage: ExtendedKeyUsage.Usage
    let verifyingCriticalExtensions: [ASN1ObjectIdentifier] = [.X509ExtensionID.extendedKeyUsage]

    func chainMeetsPolicyRequirements(chain: UnverifiedCertificateChain) -> PolicyEvaluationResult {
        do {
            guard let usages = try chain.leaf.extensions.extendedKeyUsage, usages.contains(usage) else {
                return .failsToMeetPolicy(
                    reason: usage == .clientAuth ? "it is not meant for clients" : "it is not meant for servers")
            }
            return .meetsPolicy
        } catch {
            return .failsToMeetPolicy(reason: "its extended key usage cannot be parsed: \(error)")
        }
    }
}

extension ClientCertificate {
    init(_ certificate: Certificate, der: [UInt8]) {
        var commonName = ""
        var organizations: [String] = []
        for attribute in certificate.subject.joined() {
            guard let value = String(attribute.value) else { continue }
            if attribute.type == .RDNAttributeType.commonName { commonName = value }
            if attribute.type == .RDNAttributeType.organizationName { organizations.append(value) }
        }
        let hexadecimal = Array("0123456789abcdef".utf8)
        let fingerprint = SHA256.hash(data: der).flatMap { [hexadecimal[Int($0 >> 4)], hexadecimal[Int($0 & 15)]] }
        self.init(
            commonName: commonName, organizations: organizations,
            notAfter: Timestamp(unixSeconds: Int64(certificate.notValidAfter.timeIntervalSince1970)),
            fingerprint: String(decoding: fingerprint, as: UTF8.self))
    }
}
