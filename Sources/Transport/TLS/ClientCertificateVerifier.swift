import Crypto
import KubeAPI
import SwiftASN1
import X509

/// Decides whether a client's certificate comes from our CA, and reads the user out of it.
struct ClientCertificateVerifier: Sendable {
    enum Outcome: Sendable {
        case trusted(ClientCertificate)
        /// With the reason, for the log.
        case refused(String)
    }

    private let roots: CertificateStore

    /// The CA certificates in PEM.
    init(authorities: [UInt8]) throws {
        let documents = try PEMDocument.parseMultiple(pemString: String(decoding: authorities, as: UTF8.self))
        roots = CertificateStore(try documents.map { try Certificate(pemDocument: $0) })
    }

    /// `chain` in DER, the leaf first.
    func verify(chain: [[UInt8]]) async -> Outcome {
        guard let leafBytes = chain.first else { return .refused("no certificate") }
        let leaf: Certificate
        let intermediates: [Certificate]
        do {
            leaf = try Certificate(derEncoded: leafBytes)
            intermediates = try chain.dropFirst().map { try Certificate(derEncoded: $0) }
        } catch {
            return .refused("the certificate cannot be parsed: \(error)")
        }
        var verifier = Verifier(rootCertificates: roots) {
            RFC5280Policy()
            ClientAuthPolicy()
        }
        switch await verifier.validate(leaf: leaf, intermediates: CertificateStore(intermediates)) {
        case .validCertificate:
            return .trusted(Self.identity(of: leaf, der: leafBytes))
        case .couldNotValidate(let failures):
            let reason = failures.first.map { String(describing: $0.policyFailureReason) }
            return .refused(reason ?? "certificate signed by unknown authority")
        }
    }

    static func identity(of leaf: Certificate, der: [UInt8]) -> ClientCertificate {
        var commonName = ""
        var organizations: [String] = []
        for relativeName in leaf.subject {
            for attribute in relativeName {
                guard let value = String(attribute.value) else { continue }
                if attribute.type == .RDNAttributeType.commonName { commonName = value }
                if attribute.type == .RDNAttributeType.organizationName { organizations.append(value) }
            }
        }
        return ClientCertificate(
            commonName: commonName, organizations: organizations,
            notAfter: Timestamp(unixSeconds: Int64(leaf.notValidAfter.timeIntervalSince1970)),
            fingerprint: SHA256.hash(data: der).map { byte in
                let text = String(byte, radix: 16)
                return text.count == 1 ? "0" + text : text
            }.joined())
    }
}

/// The certificate must be meant for clients (extended key usage), as Kubernetes demands.
private struct ClientAuthPolicy: VerifierPolicy {
    let verifyingCriticalExtensions: [ASN1ObjectIdentifier] = [.X509ExtensionID.extendedKeyUsage]

    func chainMeetsPolicyRequirements(chain: UnverifiedCertificateChain) -> PolicyEvaluationResult {
        do {
            guard let usage = try chain.leaf.extensions.extendedKeyUsage, usage.contains(.clientAuth) else {
                return .failsToMeetPolicy(reason: "the certificate is not meant for clients (extended key usage)")
            }
            return .meetsPolicy
        } catch {
            return .failsToMeetPolicy(reason: "the extended key usage cannot be parsed: \(error)")
        }
    }
}
