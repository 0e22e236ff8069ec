/// Durations in the spelling of Go, which flags and API fields use: `1h5m`, `300ms`, `1.5s`.
extension Duration {
    /// Nil where Go refuses it. `0` needs no unit.
    public init?(goDuration text: String) {
        var bytes = Array(text.utf8)[...]
        var isNegative = false
        if let first = bytes.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            isNegative = first == UInt8(ascii: "-")
            bytes.removeFirst()
        }
        if bytes.elementsEqual("0".utf8) {
            self = .zero
            return
        }
        guard !bytes.isEmpty else { return nil }
        var total: Int64 = 0
        while !bytes.isEmpty {
            guard let part = Self.takePart(&bytes) else { return nil }
            let (sum, isOver) = total.addingReportingOverflow(part)
            guard !isOver else { return nil }
            total = sum
        }
        self = .nanoseconds(isNegative ? -total : total)
    }

    /// One number with its unit, in nanoseconds.
    private static func takePart(_ bytes: inout ArraySlice<UInt8>) -> Int64? {
        var whole: Int64 = 0
        var hasDigits = false
        while let byte = bytes.first, byte &- 0x30 < 10 {
            hasDigits = true
            let (product, isOver) = whole.multipliedReportingOverflow(by: 10)
            let (sum, isSumOver) = product.addingReportingOverflow(Int64(byte &- 0x30))
            guard !isOver, !isSumOver else { return nil }
            whole = sum
            bytes.removeFirst()
        }
        // As in Go the digits that still fit 63 bits count, and what is left below a nanosecond is cut.
        var fraction: Int64 = 0
        var scale: Double = 1
        var isFull = false
        if bytes.first == UInt8(ascii: ".") {
            bytes.removeFirst()
            while let byte = bytes.first, byte &- 0x30 < 10 {
                hasDigits = true
                let (product, isOver) = fraction.multipliedReportingOverflow(by: 10)
                let (sum, isSumOver) = product.addingReportingOverflow(Int64(byte &- 0x30))
                isFull = isFull || isOver || isSumOver
                if !isFull {
                    fraction = sum
                    scale *= 10
                }
                bytes.removeFirst()
            }
        }
        guard hasDigits else { return nil }
        let unitBytes = bytes.prefix { $0 != UInt8(ascii: ".") && $0 &- 0x30 >= 10 }
        bytes = bytes.dropFirst(unitBytes.count)
        let unit: Int64
        switch String(decoding: unitBytes, as: UTF8.self) {
        case "ns": unit = 1
        case "us", "\u{b5}s", "\u{3bc}s": unit = 1_000
        case "ms": unit = 1_000_000
        case "s": unit = 1_000_000_000
        case "m": unit = 60_000_000_000
        case "h": unit = 3_600_000_000_000
        default: return nil
        }
        let (product, isOver) = whole.multipliedReportingOverflow(by: unit)
        let (sum, isSumOver) = product.addingReportingOverflow(Int64(Double(fraction) * (Double(unit) / scale)))
        return isOver || isSumOver ? nil : sum
    }

    /// Nanoseconds, saturating.
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return Timestamp(unixSeconds: seconds, nanos: attoseconds / 1_000_000_000).unixNanos
    }

    /// As Go prints it: `1h5m0s`, `1.5s`, `300ms`, `0s`.
    public var goDescription: String {
        let nanos = nanoseconds
        guard nanos != 0 else { return "0s" }
        let sign = nanos < 0 ? "-" : ""
        let magnitude = nanos.magnitude
        func decimal(_ value: UInt64, per unit: UInt64) -> String {
            let rest = value % unit
            guard rest > 0 else { return "\(value / unit)" }
            var digits = String(rest)
            digits = String(repeating: "0", count: String(unit).count - 1 - digits.count) + digits
            while digits.hasSuffix("0") { digits.removeLast() }
            return "\(value / unit).\(digits)"
        }
        if magnitude < 1_000 { return "\(sign)\(magnitude)ns" }
        if magnitude < 1_000_000 { return "\(sign)\(decimal(magnitude, per: 1_000))\u{b5}s" }
        if magnitude < 1_000_000_000 { return "\(sign)\(decimal(magnitude, per: 1_000_000))ms" }
        let minutes = magnitude / 60_000_000_000
        let seconds = "\(decimal(magnitude % 60_000_000_000, per: 1_000_000_000))s"
        if minutes == 0 { return sign + seconds }
        if minutes < 60 { return "\(sign)\(minutes)m\(seconds)" }
        return "\(sign)\(minutes / 60)h\(minutes % 60)m\(seconds)"
    }

    /// As the AGE column prints it (`duration.HumanDuration` of apimachinery): `5s`, `3m20s`, `5h`, `2d4h`, `40d`.
    public var humanDescription: String {
        let seconds = components.seconds
        if seconds < -1 { return "<invalid>" }
        if seconds < 0 { return "0s" }
        if seconds < 120 { return "\(seconds)s" }
        func pair(_ large: Int64, _ largeUnit: String, _ small: Int64, _ smallUnit: String) -> String {
            small == 0 ? "\(large)\(largeUnit)" : "\(large)\(largeUnit)\(small)\(smallUnit)"
        }
        let minutes = seconds / 60
        if minutes < 10 { return pair(minutes, "m", seconds % 60, "s") }
        if minutes < 180 { return "\(minutes)m" }
        let hours = seconds / 3600
        if hours < 8 { return pair(hours, "h", minutes % 60, "m") }
        if hours < 48 { return "\(hours)h" }
        let days = hours / 24
        if hours < 24 * 8 { return pair(days, "d", hours % 24, "h") }
        if hours < 24 * 365 * 2 { return "\(days)d" }
        let years = days / 365
        if hours < 24 * 365 * 8 { return pair(years, "y", days % 365, "d") }
        return "\(years)y"
    }
}
