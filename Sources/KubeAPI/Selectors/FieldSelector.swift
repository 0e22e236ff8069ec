/// Requirements on fields, all of which must hold: `status.phase!=Running,spec.nodeName=node-1`.
public struct FieldSelector: Sendable, Hashable, CustomStringConvertible {
    public struct Requirement: Sendable, Hashable {
        /// The path, `metadata.name`.
        public let field: String
        public let isEqual: Bool
        public let value: String

        public init(_ field: String, isEqual: Bool = true, _ value: String) {
            self.field = field
            self.isEqual = isEqual
            self.value = value
        }
    }

    public let requirements: [Requirement]

    public static let everything = FieldSelector(requirements: [])

    public init(requirements: [Requirement]) { self.requirements = requirements }

    /// Reads terms `field=value`, `field==value`, `field!=value`, joined by commas; in values `\\`, `\,` and `\=` stand
    /// for the character after the backslash.
    public init(parsing text: String) throws(SelectorError) {
        var requirements: [Requirement] = []
        // Sorted, as Kubernetes reads and writes them.
        for term in Self.terms(Array(text.utf8)).sorted(by: { $0.lexicographicallyPrecedes($1) }) where !term.isEmpty {
            guard let (field, isEqual, value) = Self.split(term) else {
                throw SelectorError(
                    "invalid selector: '\(text)'; can't understand '\(String(decoding: term, as: UTF8.self))'")
            }
            let requirement = Requirement(
                String(decoding: field, as: UTF8.self), isEqual: isEqual, try Self.unescape(value))
            // A term that names nothing asks for nothing.
            if !requirement.field.isEmpty || !requirement.value.isEmpty { requirements.append(requirement) }
        }
        self.requirements = requirements
    }

    private static func terms(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var terms: [ArraySlice<UInt8>] = []
        var start = 0
        var isEscaped = false
        for (position, byte) in bytes.enumerated() {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: ",") {
                terms.append(bytes[start..<position])
                start = position + 1
            }
        }
        terms.append(bytes[start...])
        return terms
    }

    /// At the first operator.
    private static func split(_ term: ArraySlice<UInt8>) -> (ArraySlice<UInt8>, Bool, ArraySlice<UInt8>)? {
        for position in term.indices {
            let rest = term[position...]
            if rest.starts(with: "!=".utf8) { return (term[..<position], false, rest.dropFirst(2)) }
            if rest.starts(with: "==".utf8) { return (term[..<position], true, rest.dropFirst(2)) }
            if rest.starts(with: "=".utf8) { return (term[..<position], true, rest.dropFirst(1)) }
        }
        return nil
    }

    private static func unescape(_ value: ArraySlice<UInt8>) throws(SelectorError) -> String {
        var result: [UInt8] = []
        var isEscaped = false
        for (position, byte) in zip(value.indices, value) {
            let isSpecial = byte == UInt8(ascii: "\\") || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "=")
            if isEscaped {
                guard isSpecial else {
                    let character = String(decoding: value[position...], as: UTF8.self).unicodeScalars.prefix(1)
                    throw SelectorError("invalid field selector: invalid escape sequence: \\\(String(character))")
                }
                result.append(byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if isSpecial {
                // Go prints the character's number.
                throw SelectorError("invalid field selector: unescaped character in value: \(byte)")
            } else {
                result.append(byte)
            }
        }
        if isEscaped { throw SelectorError("invalid field selector: invalid escape sequence: \\") }
        return String(decoding: result, as: UTF8.self)
    }

    /// Whether all requirements hold; `value` tells a field's value, empty where there is none.
    public func matches(_ value: (_ path: String) -> String) -> Bool {
        requirements.allSatisfy { (value($0.field) == $0.value) == $0.isEqual }
    }

    public var isEverything: Bool { requirements.isEmpty }

    /// The value that the field must have, nil where it may have several.
    public func exactValue(_ field: String) -> String? {
        requirements.first { $0.field == field && $0.isEqual }?.value
    }

    public var description: String {
        requirements.map { requirement in
            var escaped = ""
            for character in requirement.value.unicodeScalars {
                if character == "\\" || character == "," || character == "=" { escaped += "\\" }
                escaped.unicodeScalars.append(character)
            }
            return "\(requirement.field)\(requirement.isEqual ? "=" : "!=")\(escaped)"
        }.joined(separator: ",")
    }
}
