/// Names for objects that bring only `metadata.generateName`.
public enum NameGenerator {
    /// Characters that cannot form words (no vowels, none that look alike).
    public static let alphabet = Array("bcdfghjklmnpqrstvwxz2456789")
    static let suffixLength = 5
    /// A base longer than this is cut, so that the name stays a DNS label.
    static let maxBaseLength = 63 - suffixLength

    /// Five random characters.
    public static func suffix() -> String {
        var random = SystemRandomNumberGenerator()
        return String((0..<suffixLength).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] })
    }

    /// The base, cut to 58 bytes, and a random suffix.
    public static func name(base: String) -> String {
        String(decoding: Array(base.utf8.prefix(maxBaseLength)), as: UTF8.self) + suffix()
    }
}
