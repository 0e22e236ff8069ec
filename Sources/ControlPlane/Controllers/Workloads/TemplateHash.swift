import KubeAPI

/// A short name for a pod template: what `pod-template-hash` and `controller-revision-hash` say. The order of members
/// does not count.
enum TemplateHash {
    /// `collisions` makes another hash of the same template, where the first was taken.
    static func make(_ template: JSON, collisions: Int?) -> String {
        var hash = FNV1a()
        hash.feed(template)
        if let collisions { withUnsafeBytes(of: UInt64(collisions).littleEndian) { $0.forEach { hash.feed($0) } } }
        // Digits become letters that can't form words.
        return String(String(hash.value).unicodeScalars.map { alphabet[Int($0.value) % alphabet.count] })
    }

    private static let alphabet = NameGenerator.alphabet

    private struct FNV1a {
        private(set) var value: UInt32 = 2_166_136_261

        mutating func feed(_ byte: UInt8) { value = (value ^ UInt32(byte)) &* 16_777_619 }

        mutating func feed(_ bytes: some Sequence<UInt8>) { for byte in bytes { feed(byte) } }

        mutating func feed(_ json: JSON) {
            switch json {
            case .object(let object):
                feed(UInt8(ascii: "{"))
                for (key, value) in object.sorted(by: { $0.key < $1.key }) {
                    feed(key.utf8)
                    feed(UInt8(ascii: ":"))
                    feed(value)
                }
                feed(UInt8(ascii: "}"))
            case .array(let elements):
                feed(UInt8(ascii: "["))
                for element in elements { feed(element) }
                feed(UInt8(ascii: "]"))
            default:
                feed(json.serialized())
                feed(UInt8(ascii: ","))
            }
        }
    }
}
