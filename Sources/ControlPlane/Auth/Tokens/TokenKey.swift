import Crypto
import KubeAPI
import Transport

/// The key that signs tokens of service accounts: ECDSA on P-256, as ES256 (RFC 7518, section 3.4).
///
/// Not RS256: signing with RSA costs a millisecond, and every pod's start asks for a token.
public struct TokenKey: Sendable {
    static let algorithm = "ES256"

    private let key: P256.Signing.PrivateKey
    /// By which verifiers choose among keys: the digest of the public key, as Kubernetes makes it.
    let id: String

    init(_ key: P256.Signing.PrivateKey) {
        self.key = key
        id = Base64URL.encode(Array(SHA256.hash(data: key.publicKey.derRepresentation)))
    }

    /// The key that a cluster keeps in that file (PEM). Throws what names file and cause.
    public static func load(_ path: String) throws -> TokenKey {
        let text = String(decoding: try PrivateFile.read(path, maximumBytes: 1 << 20), as: UTF8.self)
        do {
            return TokenKey(try P256.Signing.PrivateKey(pemRepresentation: text))
        } catch {
            throw PKIError("cannot use \(path): it is not an ECDSA P-256 key in PEM: \(error)")
        }
    }

    /// The claims as a signed token (RFC 7515, compact serialization).
    func sign(_ claims: JSON) throws -> String {
        let header: JSON = ["alg": .string(Self.algorithm), "kid": .string(id)]
        let input = "\(Base64URL.encode(header.serialized())).\(Base64URL.encode(claims.serialized()))"
        let signature = try key.signature(for: Array(input.utf8))
        return "\(input).\(Base64URL.encode(Array(signature.rawRepresentation)))"
    }

    /// Whether this key has signed it.
    func hasSigned(_ token: SignedToken) -> Bool {
        guard token.algorithm == Self.algorithm, token.keyID.isEmpty || token.keyID == id,
            let signature = try? P256.Signing.ECDSASignature(rawRepresentation: token.signature)  // nil: wrong length
        else { return false }
        return key.publicKey.isValidSignature(signature, for: token.signedBytes)
    }

    /// The public key in JSON (RFC 7517), for whoever verifies tokens without asking us.
    var publicJSON: JSON {
        let point = Array(key.publicKey.rawRepresentation)
        return [
            "use": "sig", "kty": "EC", "kid": .string(id), "crv": "P-256", "alg": .string(Self.algorithm),
            "x": .string(Base64URL.encode(Array(point.prefix(32)))),
            "y": .string(Base64URL.encode(Array(point.dropFirst(32)))),
        ]
    }
}

/// A signed token taken apart; nothing of it is verified.
struct SignedToken {
    /// Kubernetes' own tokens have some 1,000 bytes; nothing longer is worth reading.
    private static let maxBytes = 16 << 10

    let algorithm: String
    let keyID: String
    let claims: JSON
    let signedBytes: [UInt8]
    let signature: [UInt8]

    /// Nil where the text is no such token.
    init?(_ text: String) {
        guard text.utf8.count <= Self.maxBytes else { return nil }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let head = Base64URL.decode(parts[0]), let body = Base64URL.decode(parts[1]),
            let signature = Base64URL.decode(parts[2]),
            let header = try? JSON.parse(head), header.isObject,  // what is not JSON is no token
            let claims = try? JSON.parse(body), claims.isObject
        else { return nil }
        algorithm = header["alg"].stringValue
        keyID = header["kid"].stringValue
        self.claims = claims
        signedBytes = Array("\(parts[0]).\(parts[1])".utf8)
        self.signature = signature
    }
}
