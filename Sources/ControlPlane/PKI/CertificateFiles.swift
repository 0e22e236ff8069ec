import Crypto
import Glibc
import SwiftASN1
import Transport
import X509

/// Certificates and keys as PEM files `NAME.crt` and `NAME.key` in one directory, 0600 in 0700.
struct CertificateFiles: Sendable {
    let directory: String

    func certificatePath(_ name: String) -> String { "\(directory)/\(name).crt" }
    func keyPath(_ name: String) -> String { "\(directory)/\(name).key" }

    /// Nil where the file is not there.
    func certificate(_ name: String) throws(PKIError) -> Certificate? {
        let path = certificatePath(name)
        guard let text = try read(path) else { return nil }
        do {
            return try Certificate(pemEncoded: text)
        } catch {
            throw PKIError("cannot use \(path): it is not a certificate in PEM: \(error)")
        }
    }

    /// Nil where the file is not there.
    func key(_ name: String) throws(PKIError) -> P256.Signing.PrivateKey? {
        let path = keyPath(name)
        guard let text = try read(path) else { return nil }
        // One that others could read, say after a copy, is closed to them again.
        chmod(path, 0o600)
        do {
            return try P256.Signing.PrivateKey(pemRepresentation: text)
        } catch {
            throw PKIError("cannot use \(path): it is not an ECDSA P-256 key in PEM: \(error)")
        }
    }

    func write(_ certificate: Certificate, _ name: String) throws {
        try PrivateFile.write(Self.pem(certificate), to: certificatePath(name))
    }

    func write(_ key: P256.Signing.PrivateKey, _ name: String) throws {
        try PrivateFile.write(Self.pem(key), to: keyPath(name))
    }

    func removeCertificate(_ name: String) { unlink(certificatePath(name)) }

    static func pem(_ certificate: Certificate) throws -> [UInt8] {
        Array((try certificate.serializeAsPEM().pemString + "\n").utf8)
    }

    static func pem(_ key: P256.Signing.PrivateKey) -> [UInt8] { Array((key.pemRepresentation + "\n").utf8) }

    private func read(_ path: String) throws(PKIError) -> String? {
        do {
            return String(decoding: try PrivateFile.read(path, maximumBytes: 1 << 20), as: UTF8.self)
        } catch {
            if error.isMissing { return nil }
            throw PKIError(error.description)
        }
    }
}
