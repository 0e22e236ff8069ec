/// The grammar of label selectors in queries, as `k8s.io/apimachinery/pkg/labels` reads it: same tokens, same texts.
struct LabelSelectorParser {
    private enum Kind {
        case error, end, closed, comma, not, doubleEquals, equals, greater, identifier, `in`, less, notEquals, notIn,
            open
    }
    private struct Token {
        let kind: Kind
        let text: String

        /// After an operator, `in` and `notin` are values like others.
        var asValue: Kind { kind == .in || kind == .notIn ? .identifier : kind }
    }

    private var tokens: [Token]
    private var position = 0

    init(_ text: String) { tokens = Self.scan(Array(text.utf8)) }

    // MARK: Tokens

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d
    }
    private static func isSymbol(_ byte: UInt8) -> Bool { "=!(),><".utf8.contains(byte) }

    private static let symbols: [String: Kind] = [
        ")": .closed, ",": .comma, "!": .not, "==": .doubleEquals, "=": .equals, ">": .greater, "<": .less,
        "!=": .notEquals, "(": .open,
    ]

    private static func scan(_ bytes: [UInt8]) -> [Token] {
        var tokens: [Token] = []
        var position = 0
        // A zero byte ends the text, as it does in Go's lexer.
        let bytes = bytes.prefix { $0 != 0 }
        while true {
            while position < bytes.count, isSpace(bytes[position]) { position += 1 }
            guard position < bytes.count else { break }
            let start = position
            if isSymbol(bytes[position]) {
                // The longest symbol; all have one or two characters, and every single one is a symbol.
                if position + 1 < bytes.count,
                    let kind = symbols[String(decoding: bytes[start...start + 1], as: UTF8.self)]
                {
                    tokens.append(Token(kind: kind, text: String(decoding: bytes[start...start + 1], as: UTF8.self)))
                    position += 2
                } else {
                    let text = String(decoding: bytes[start...start], as: UTF8.self)
                    tokens.append(Token(kind: symbols[text] ?? .error, text: text))
                    position += 1
                }
            } else {
                while position < bytes.count, !isSymbol(bytes[position]), !isSpace(bytes[position]) { position += 1 }
                let text = String(decoding: bytes[start..<position], as: UTF8.self)
                tokens.append(Token(kind: text == "in" ? .in : text == "notin" ? .notIn : .identifier, text: text))
            }
        }
        tokens.append(Token(kind: .end, text: ""))
        return tokens
    }

    /// The last token, the end, is never passed.
    private var next: Token { tokens[min(position, tokens.count - 1)] }

    private mutating func take() -> Token {
        defer { position += 1 }
        return next
    }

    // MARK: Grammar

    mutating func parse() throws(SelectorError) -> [LabelSelector.Requirement] {
        var requirements: [LabelSelector.Requirement] = []
        while true {
            switch next.asValue {
            case .identifier, .not:
                do {
                    requirements.append(try parseRequirement())
                } catch {
                    throw SelectorError("unable to parse requirement: \(error)")
                }
                let separator = take()
                switch separator.kind {
                case .end: return requirements
                case .comma:
                    guard next.asValue == .identifier || next.kind == .not else {
                        throw SelectorError("found '\(next.text)', expected: identifier after ','")
                    }
                default: throw SelectorError("found '\(separator.text)', expected: ',' or 'end of string'")
                }
            case .end: return requirements
            default: throw SelectorError("found '\(next.text)', expected: !, identifier, or 'end of string'")
            }
        }
    }

    private mutating func parseRequirement() throws(SelectorError) -> LabelSelector.Requirement {
        var token = take()
        let isNegated = token.kind == .not
        if isNegated { token = take() }
        guard token.asValue == .identifier else {
            throw SelectorError("found '\(token.text)', expected: identifier")
        }
        let key = token.text
        let reasons = NameValidation.qualifiedName(key)
        guard reasons.isEmpty else {
            // Go prints the path that it was not given.
            throw SelectorError("<nil>: Invalid value: \(JSON.string(key).printed): \(reasons.joined(separator: "; "))")
        }
        if isNegated || next.kind == .end || next.kind == .comma {
            // After `!key` only the end of the requirement may follow, which the caller checks.
            return LabelSelector.Requirement(key, isNegated ? .doesNotExist : .exists)
        }
        let op: LabelSelector.Requirement.Operator
        let operatorToken = take()
        switch operatorToken.kind {
        case .in: op = .in
        case .equals: op = .equals
        case .doubleEquals: op = .doubleEquals
        case .greater: op = .greaterThan
        case .less: op = .lessThan
        case .notIn: op = .notIn
        case .notEquals: op = .notEquals
        default:
            throw SelectorError("found '\(operatorToken.text)', expected: in, notin, =, ==, !=, gt, lt")
        }
        let values = op == .in || op == .notIn ? try parseValues() : [try parseExactValue()]
        let requirement = LabelSelector.Requirement(key, op, values)
        try check(requirement)
        return requirement
    }

    private func check(_ requirement: LabelSelector.Requirement) throws(SelectorError) {
        var errors: [String] = []
        for (index, value) in requirement.values.enumerated() {
            let printed = JSON.string(value).printed
            if requirement.op == .greaterThan || requirement.op == .lessThan, Int64(value) == nil {
                errors.append(
                    "values[\(index)]: Invalid value: \(printed): for 'Gt', 'Lt' operators, the value must be an integer"
                )
            }
            let reasons = NameValidation.labelValue(value)
            if !reasons.isEmpty {
                errors.append(
                    "values[\(index)][\(requirement.key)]: Invalid value: \(printed): \(reasons.joined(separator: "; "))"
                )
            }
        }
        if errors.count == 1 { throw SelectorError(errors[0]) }
        if !errors.isEmpty { throw SelectorError("[\(errors.joined(separator: ", "))]") }
    }

    private mutating func parseExactValue() throws(SelectorError) -> String {
        if next.kind == .end || next.kind == .comma { return "" }
        let token = take()
        guard token.asValue == .identifier else {
            throw SelectorError("found '\(token.text)', expected: identifier")
        }
        return token.text
    }

    /// `(a,b)`; empty places are empty values.
    private mutating func parseValues() throws(SelectorError) -> [String] {
        let open = take()
        guard open.kind == .open else { throw SelectorError("found '\(open.text)' expected: '('") }
        switch next.asValue {
        case .closed:
            _ = take()
            return [""]
        case .identifier, .comma: break
        default: throw SelectorError("found '\(next.text)', expected: ',', ')' or identifier")
        }
        var values: [String] = []
        while true {
            let token = take()
            switch token.asValue {
            case .identifier:
                values.append(token.text)
                switch next.asValue {
                case .comma: continue
                case .closed:
                    _ = take()
                    return values
                default: throw SelectorError("found '\(next.text)', expected: ',' or ')'")
                }
            case .comma:
                if values.isEmpty || next.kind == .comma { values.append("") }
                if next.kind == .closed {
                    _ = take()
                    return values + [""]
                }
            default: throw SelectorError("found '\(token.text)', expected: ',', or identifier")
            }
        }
    }
}
