/// What a registry wants to see (RFC 9110, 11.6.1: `WWW-Authenticate`).
struct AuthChallenge: Sendable, Equatable {
    /// In lower case: `bearer`, `basic`.
    var scheme: String
    /// By their names in lower case.
    var parameters: [String: String] = [:]

    /// All challenges of the headers' values, in their order; what can't be read is left out.
    static func parse(_ values: [String]) -> [AuthChallenge] { values.flatMap { parse($0) } }

    private static func parse(_ value: String) -> [AuthChallenge] {
        var reader = Reader(bytes: Array(value.utf8))
        var challenges: [AuthChallenge] = []
        while true {
            reader.skip { $0 == UInt8(ascii: ",") || Reader.isSpace($0) }
            guard let word = reader.token() else { return challenges }
            let hadSpace = reader.skip(Reader.isSpace)
            if reader.take(UInt8(ascii: "=")) {
                // A parameter of the scheme before it.
                reader.skip(Reader.isSpace)
                guard let text = reader.quoted() ?? reader.token(), !challenges.isEmpty else { return challenges }
                challenges[challenges.count - 1].parameters[word.lowercased()] = text
            } else {
                guard hadSpace || reader.isAtEnd || reader.peek == UInt8(ascii: ",") else { return challenges }
                challenges.append(AuthChallenge(scheme: word.lowercased()))
            }
        }
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        var isAtEnd: Bool { position == bytes.count }
        var peek: UInt8? { isAtEnd ? nil : bytes[position] }
        static func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

        @discardableResult mutating func skip(_ isSkipped: (UInt8) -> Bool) -> Bool {
            let start = position
            while let byte = peek, isSkipped(byte) { position += 1 }
            return position > start
        }

        mutating func take(_ byte: UInt8) -> Bool {
            guard peek == byte else { return false }
            position += 1
            return true
        }

        mutating func token() -> String? {
            let start = position
            skip { !Self.isSpace($0) && !Array(",=\"".utf8).contains($0) }
            return position == start ? nil : String(decoding: bytes[start..<position], as: UTF8.self)
        }

        mutating func quoted() -> String? {
            guard take(UInt8(ascii: "\"")) else { return nil }
            var text: [UInt8] = []
            while let byte = peek {
                position += 1
                if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
                if byte == UInt8(ascii: "\\"), let next = peek {
                    position += 1
                    text.append(next)
                } else {
                    text.append(byte)
                }
            }
            return nil
        }
    }
}
