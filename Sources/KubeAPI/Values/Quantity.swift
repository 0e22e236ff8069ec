/// An amount of a resource (`100m`, `1.5Gi`, `2e3`), with Kubernetes' rules for spelling and rounding
/// (`k8s.io/apimachinery/pkg/api/resource`).
///
/// Kept exact in billionths; finer input is rounded up, away from zero, and amounts beyond ±(2⁶³−1) are capped, as in
/// Kubernetes. Two quantities are equal when their amounts are, however they are spelled.
public struct Quantity: Sendable, CustomStringConvertible {
    /// Which suffixes the canonical form uses.
    public enum Format: Sendable {
        /// `Ki`, `Mi`, …
        case binarySI
        /// `m`, `k`, `M`, …
        case decimalSI
        /// `e3`, `e6`, …
        case decimalExponent
    }

    /// What Kubernetes says about text that is none.
    public static let formatError =
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

    static let nanosPerUnit: Int128 = 1_000_000_000
    static let limit: Int128 = Int128(Int64.max) * nanosPerUnit

    /// The amount in billionths.
    let nanos: Int128
    public let format: Format

    init(nanos: Int128, format: Format) {
        self.nanos = min(max(nanos, -Self.limit), Self.limit)
        self.format = format
    }

    public static let zero = Quantity(nanos: 0, format: .decimalSI)

    /// A whole amount.
    public init(_ value: Int64, format: Format = .decimalSI) {
        self.init(nanos: Int128(value) * Self.nanosPerUnit, format: format)
    }

    /// An amount in thousandths (of a core, for CPU).
    public init(milliValue: Int64, format: Format = .decimalSI) {
        self.init(nanos: Int128(milliValue) * 1_000_000, format: format)
    }

    /// The amount, rounded up (away from zero) to a whole number.
    public var value: Int64 { rounded(to: Self.nanosPerUnit) }

    /// The amount in thousandths, rounded up (away from zero); at most Int64.max.
    public var milliValue: Int64 { rounded(to: 1_000_000) }

    /// The amount as a floating-point number, for ratios.
    public var doubleValue: Double { Double(nanos) / 1e9 }

    public var isZero: Bool { nanos == 0 }
    /// -1, 0 or 1.
    public var sign: Int { nanos.signum() == 0 ? 0 : nanos < 0 ? -1 : 1 }

    private func rounded(to unit: Int128) -> Int64 {
        let (quotient, remainder) = nanos.quotientAndRemainder(dividingBy: unit)
        return Int64(clamping: remainder == 0 ? quotient : quotient + Int128(remainder.signum()))
    }
}

extension Quantity: Comparable, Hashable {
    public static func == (left: Quantity, right: Quantity) -> Bool { left.nanos == right.nanos }
    public static func < (left: Quantity, right: Quantity) -> Bool { left.nanos < right.nanos }
    public func hash(into hasher: inout Hasher) { hasher.combine(nanos) }

    /// The sum, in the left side's format (the right side's where the left is zero).
    public static func + (left: Quantity, right: Quantity) -> Quantity {
        Quantity(nanos: left.nanos + right.nanos, format: left.isZero ? right.format : left.format)
    }
    public static func - (left: Quantity, right: Quantity) -> Quantity {
        Quantity(nanos: left.nanos - right.nanos, format: left.isZero ? right.format : left.format)
    }
    public static prefix func - (quantity: Quantity) -> Quantity {
        Quantity(nanos: -quantity.nanos, format: quantity.format)
    }
    public static func += (left: inout Quantity, right: Quantity) { left = left + right }
    public static func -= (left: inout Quantity, right: Quantity) { left = left - right }
}

// MARK: Reading

extension Quantity {
    /// Reads any spelling; nil where Kubernetes refuses it.
    public init?(_ text: String) {
        var text = text
        let parsed: Quantity? = text.withUTF8 { bytes in
            Self.parse(bytes)
        }
        guard let parsed else { return nil }
        self = parsed
    }

    /// From a field: a string, or a number as written in YAML without quotes.
    public init?(_ json: JSON) {
        switch json {
        case .string(let text): self.init(text.trimmingGoSpace)
        case .int(let value): self.init(value)
        case .double(let value): self.init(JSONNumber.text(of: value))
        default: return nil
        }
    }

    /// 37 digits always fit UInt128; those after them count for rounding only.
    private static let maxDigits = 37

    private static func parse(_ bytes: UnsafeBufferPointer<UInt8>) -> Quantity? {
        var position = 0
        var isNegative = false
        if let first = bytes.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            isNegative = first == UInt8(ascii: "-")
            position = 1
        }
        var mantissa: UInt128 = 0
        var digits = 0
        var hasDigits = false
        var hasLostDigits = false  // a digit other than 0 was left out
        var exponent = 0  // of ten
        var isFraction = false
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "."), !isFraction {
                isFraction = true
            } else if byte &- 0x30 < 10 {
                hasDigits = true
                let digit = byte &- 0x30
                if digits < maxDigits {
                    mantissa = mantissa &* 10 &+ UInt128(digit)
                    if mantissa > 0 { digits += 1 }
                    if isFraction { exponent -= 1 }
                } else {
                    if digit > 0 { hasLostDigits = true }
                    if !isFraction { exponent += 1 }
                }
            } else {
                break
            }
            position += 1
        }
        guard hasDigits, let suffix = Suffix(UnsafeBufferPointer(rebasing: bytes[position...])) else { return nil }
        let magnitude = scaled(
            mantissa, power2: suffix.power2, power10: exponent + suffix.power10 + 9, roundsUp: hasLostDigits)
        return Quantity(nanos: isNegative ? -magnitude : magnitude, format: suffix.format)
    }

    /// `mantissa · 2^power2 · 10^power10`, rounded up, capped.
    private static func scaled(_ mantissa: UInt128, power2: Int, power10: Int, roundsUp: Bool) -> Int128 {
        guard mantissa > 0 else { return roundsUp ? 1 : 0 }
        let (product, isOver) = mantissa.multipliedReportingOverflow(by: 1 << UInt128(power2))
        if power10 >= 0 {
            guard !isOver, power10 < 38 else { return limit }
            let (result, isTooBig) = product.multipliedReportingOverflow(by: powerOfTen(power10))
            return isTooBig || result > UInt128(limit) ? limit : Int128(result) + (roundsUp ? 1 : 0)
        }
        guard power10 > -39 else { return 1 }
        let divisor = powerOfTen(-power10)
        let full = mantissa.multipliedFullWidth(by: 1 << UInt128(power2))
        guard full.high < divisor else { return limit }
        let (quotient, remainder) = divisor.dividingFullWidth(full)
        guard quotient < UInt128(limit) else { return limit }
        return Int128(quotient) + (remainder > 0 || roundsUp ? 1 : 0)
    }

    /// `exponent` is from 0 to 38.
    private static func powerOfTen(_ exponent: Int) -> UInt128 {
        var power: UInt128 = 1
        for _ in 0..<exponent { power &*= 10 }
        return power
    }

    struct Suffix {
        var power2 = 0
        var power10 = 0
        var format = Format.decimalSI

        init?(_ bytes: UnsafeBufferPointer<UInt8>) {
            guard let first = bytes.first else { return }
            if bytes.count == 2, bytes[1] == UInt8(ascii: "i") {
                guard let level = "KMGTPE".utf8.enumerated().first(where: { $0.element == first })?.offset else {
                    return nil
                }
                power2 = 10 * (level + 1)
                format = .binarySI
                return
            }
            if bytes.count == 1 {
                switch first {
                case UInt8(ascii: "n"): power10 = -9
                case UInt8(ascii: "u"): power10 = -6
                case UInt8(ascii: "m"): power10 = -3
                case UInt8(ascii: "k"): power10 = 3
                case UInt8(ascii: "M"): power10 = 6
                case UInt8(ascii: "G"): power10 = 9
                case UInt8(ascii: "T"): power10 = 12
                case UInt8(ascii: "P"): power10 = 15
                case UInt8(ascii: "E"): power10 = 18
                default: return nil
                }
                return
            }
            guard first | 0x20 == UInt8(ascii: "e") else { return nil }
            var position = 1
            var isNegative = false
            if bytes[1] == UInt8(ascii: "-") || bytes[1] == UInt8(ascii: "+") {
                isNegative = bytes[1] == UInt8(ascii: "-")
                position = 2
            }
            guard position < bytes.count else { return nil }
            var exponent = 0
            while position < bytes.count {
                guard bytes[position] &- 0x30 < 10 else { return nil }
                // Far beyond every amount; more would only overflow.
                exponent = min(exponent * 10 + Int(bytes[position] &- 0x30), 1_000_000)
                position += 1
            }
            power10 = isNegative ? -exponent : exponent
            format = .decimalExponent
        }
    }
}

// MARK: Writing

extension Quantity {
    /// The canonical form: no fraction, and the largest suffix that allows it.
    public var description: String {
        guard nanos != 0 else { return "0" }
        // A binary form that would need a fraction, or is below 1Ki, is written in the decimal one.
        if format == .binarySI, nanos % Self.nanosPerUnit == 0, nanos.magnitude >= 1024 * UInt128(Self.nanosPerUnit) {
            var whole = nanos / Self.nanosPerUnit
            var level = 0
            while level < 6, whole % 1024 == 0 {
                whole /= 1024
                level += 1
            }
            return "\(whole)\(["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][level])"
        }
        var mantissa = nanos
        var level = 0  // thousands above nano
        while level < 9, mantissa % 1000 == 0 {
            mantissa /= 1000
            level += 1
        }
        if format == .decimalExponent {
            let exponent = (level - 3) * 3
            return exponent == 0 ? "\(mantissa)" : "\(mantissa)e\(exponent)"
        }
        return "\(mantissa)\(["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][level])"
    }
}
