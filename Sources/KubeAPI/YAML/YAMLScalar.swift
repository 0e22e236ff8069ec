/// What a plain scalar stands for: the table of `sigs.k8s.io/yaml`'s resolver.
enum YAMLScalar {
    /// A string where the text is nothing else; nil for infinities and NaN, which JSON cannot say.
    static func resolve(_ text: String) -> JSON? {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "y", "Y", "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return .bool(true)
        case "n", "N", "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return .bool(false)
        case ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF":
            return nil
        default: break
        }
        guard let first = text.utf8.first, first &- 0x30 < 10 || "+-.".utf8.contains(first) else {
            return .string(text)
        }
        return number(text) ?? .string(text)
    }

    /// Integers in Go's notation (`0x1f`, `0o17`, `017`, `0b1`), else floating-point numbers; underscores are ignored.
    static func number(_ text: String) -> JSON? {
        let digits = text.utf8.filter { $0 != UInt8(ascii: "_") }
        var rest = digits[...]
        var isNegative = false
        if let first = rest.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            isNegative = first == UInt8(ascii: "-")
            rest = rest.dropFirst()
        }
        guard let first = rest.first else { return nil }
        var radix = 10
        var body = rest
        if first == UInt8(ascii: "0"), rest.count > 1 {
            switch rest[rest.startIndex + 1] | 0x20 {
            case UInt8(ascii: "x"): (radix, body) = (16, rest.dropFirst(2))
            case UInt8(ascii: "o"): (radix, body) = (8, rest.dropFirst(2))
            case UInt8(ascii: "b"): (radix, body) = (2, rest.dropFirst(2))
            default: (radix, body) = (8, rest.dropFirst(1))
            }
        }
        // Int(_:radix:) would take a second sign.
        if let start = body.first, start != UInt8(ascii: "-"), start != UInt8(ascii: "+"),
            let magnitude = UInt64(String(decoding: body, as: UTF8.self), radix: radix)
        {
            if !isNegative { return Int64(exactly: magnitude).map(JSON.int) ?? .double(Double(magnitude)) }
            if magnitude <= Int64.min.magnitude { return .int(Int64(truncatingIfNeeded: 0 &- magnitude)) }
        }
        guard isFloat(rest) else { return nil }
        guard let number = Double(String(decoding: digits, as: UTF8.self)), number.isFinite else { return nil }
        // As JSON, which Kubernetes makes of it first, 3.0 is 3.
        guard number.magnitude < 1e15, let whole = Int64(exactly: number) else { return .double(number) }
        return .int(whole)
    }

    /// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
    private static func isFloat(_ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes
        func takeDigits() -> Int {
            let digits = rest.prefix { $0 &- 0x30 < 10 }
            rest = rest.dropFirst(digits.count)
            return digits.count
        }
        let whole = takeDigits()
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            fraction = takeDigits()
        }
        guard whole + fraction > 0 else { return false }
        if let exponent = rest.first, exponent | 0x20 == UInt8(ascii: "e") {
            rest = rest.dropFirst()
            if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest = rest.dropFirst() }
            guard takeDigits() > 0 else { return false }
        }
        return rest.isEmpty
    }
}
