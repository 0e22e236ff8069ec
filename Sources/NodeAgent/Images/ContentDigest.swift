import Crypto

/// A SHA-256 that is fed while bytes stream by.
struct ContentDigest {
    private var hash = SHA256()

    mutating func add(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    /// `sha256:` and 64 hexadecimal digits.
    func text() -> String { "sha256:" + hexadecimal(hash.finalize()) }

    static func of(_ bytes: [UInt8]) -> String { "sha256:" + hexadecimal(SHA256.hash(data: bytes)) }
}

/// Bytes in lower-case hexadecimal digits.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
