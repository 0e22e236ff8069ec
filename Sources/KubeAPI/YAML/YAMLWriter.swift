/// Writes block style, in the manner of kubectl's own files: lists at the level of their name, strings quoted only where
/// they would be read as something else.
struct YAMLWriter {
    private(set) var text = ""

    mutating func writeDocument(_ value: JSON) {
        switch value {
        case .object(let object) where !object.isEmpty: writeMembers(object, indent: 0, isFirstIndented: true)
        case .array(let elements) where !elements.isEmpty: writeElements(elements, indent: 0, isFirstIndented: true)
        default: text += Self.scalar(value, indent: 0) + "\n"
        }
    }

    private mutating func pad(_ indent: Int) { text += String(repeating: " ", count: indent) }

    private mutating func writeMembers(_ object: JSONObject, indent: Int, isFirstIndented: Bool) {
        var isIndented = isFirstIndented
        for (key, value) in object {
            if isIndented { pad(indent) }
            isIndented = true
            text += Self.quoted(key, allowsLiteral: false, indent: indent)
            switch value {
            case .object(let inner) where !inner.isEmpty:
                text += ":\n"
                writeMembers(inner, indent: indent + 2, isFirstIndented: true)
            case .array(let elements) where !elements.isEmpty:
                text += ":\n"
                writeElements(elements, indent: indent, isFirstIndented: true)
            default: text += ": \(Self.scalar(value, indent: indent + 2))\n"
            }
        }
    }

    private mutating func writeElements(_ elements: [JSON], indent: Int, isFirstIndented: Bool) {
        var isIndented = isFirstIndented
        for element in elements {
            if isIndented { pad(indent) }
            isIndented = true
            text += "- "
            switch element {
            case .object(let object) where !object.isEmpty:
                writeMembers(object, indent: indent + 2, isFirstIndented: false)
            case .array(let inner) where !inner.isEmpty:
                writeElements(inner, indent: indent + 2, isFirstIndented: false)
            default: text += "\(Self.scalar(element, indent: indent + 2))\n"
            }
        }
    }

    // MARK: Scalars

    private static func scalar(_ value: JSON, indent: Int) -> String {
        if case .string(let string) = value { return quoted(string, allowsLiteral: indent > 0, indent: indent) }
        // Go's yaml reads 1e+21 and -0 like JSON does; {} and [] are flow style.
        return value.description
    }

    /// Plain where that reads back as the same string, a literal block for lines, else in double quotes.
    private static func quoted(_ string: String, allowsLiteral: Bool, indent: Int) -> String {
        if isPlain(string) { return string }
        if allowsLiteral, isLiteral(string) {
            let pad = String(repeating: " ", count: indent)
            let newlines = string.utf8.reversed().prefix { $0 == 0x0a }.count
            let header = newlines == 0 ? "|-" : newlines == 1 ? "|" : "|+"
            let body = newlines > 0 ? String(string.dropLast()) : string
            let lines = body.split(separator: "\n", omittingEmptySubsequences: false)
            return header + lines.map { $0.isEmpty ? "\n" : "\n\(pad)\($0)" }.joined()
        }
        var result = ""
        for scalar in JSON.string(string).description.unicodeScalars {
            if isPrintable(scalar) {
                result.unicodeScalars.append(scalar)
            } else {
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            }
        }
        return result
    }

    /// Characters that YAML readers take as they are. Line and paragraph separators are breaks in YAML 1.1.
    private static func isPrintable(_ scalar: UnicodeScalar) -> Bool {
        switch scalar.value {
        case 0x20..<0x7f, 0xa0..<0x2028, 0x202a..<0xd800, 0xe000..<0xfeff, 0xff00..<0xfffe, 0x10000...0x10ffff: true
        default: false
        }
    }

    private static func isPlain(_ string: String) -> Bool {
        guard let first = string.utf8.first, let last = string.utf8.last, first != 0x20, last != 0x20,
            last != UInt8(ascii: ":"), string.unicodeScalars.allSatisfy(isPrintable)
        else { return false }
        if "-?:,[]{}#&*!|>'\"%@`=<".utf8.contains(first) { return false }
        if string.contains(": ") || string.contains(" #") || string == "..." { return false }
        // Dates and sexagesimal numbers, which other readers see in digits with these characters.
        if first &- 0x30 < 10 || first == UInt8(ascii: "+") || first == UInt8(ascii: "."),
            string.utf8.allSatisfy({ $0 &- 0x30 < 10 || "-:.+_TZtz ".utf8.contains($0) }),
            string.utf8.contains(where: { "-:_".utf8.contains($0) })
        {
            return false
        }
        if case .string = YAMLScalar.resolve(string) { return true }
        return false
    }

    /// Several lines, of which the first tells the indentation.
    private static func isLiteral(_ string: String) -> Bool {
        guard string.utf8.contains(0x0a), let first = string.utf8.first, first != 0x20, first != 0x09, first != 0x0a
        else { return false }
        return string.unicodeScalars.allSatisfy { isPrintable($0) || $0 == "\n" || $0 == "\t" }
    }
}
