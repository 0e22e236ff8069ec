/// A field that is a number or a string: a port or its name, a count or a percentage.
public enum IntOrString: Sendable, Hashable, CustomStringConvertible {
    case int(Int)
    case string(String)

    /// Nil where the field is neither.
    public init?(_ json: JSON) {
        switch json {
        case .string(let text): self = .string(text)
        default:
            guard let number = json.int else { return nil }
            self = .int(number)
        }
    }

    public var json: JSON {
        switch self {
        case .int(let number): .int(Int64(number))
        case .string(let text): .string(text)
        }
    }

    public var description: String {
        switch self {
        case .int(let number): String(number)
        case .string(let text): text
        }
    }

    /// The percentage of `25%`, or nil.
    public var percent: Int? {
        guard case .string(let text) = self, text.hasSuffix("%"), text.utf8.count > 1,
            text.utf8.dropLast().allSatisfy({ $0 &- 0x30 < 10 })
        else { return nil }
        return Int(text.dropLast())
    }

    /// The number itself, or the percentage of `total`; nil for any other string.
    public func scaled(total: Int, roundsUp: Bool) -> Int? {
        if case .int(let number) = self { return number }
        guard let percent else { return nil }
        let (product, isOver) = percent.multipliedReportingOverflow(by: total)
        guard !isOver else { return nil }
        return product / 100 + (roundsUp && product % 100 > 0 ? 1 : 0)
    }
}
