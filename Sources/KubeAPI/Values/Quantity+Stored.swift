extension Quantity {
    /// The text under which Kubernetes keeps a quantity that was written so: mostly the canonical form. What its parser
    /// takes for canonical at a glance stays as it is (`2.500`, `1.5G`, `+1Gi`), and clients compare it with what they
    /// sent. Nil for what is no quantity.
    static func storedText(_ text: String) -> String? {
        let trimmed = text.trimmingGoSpace
        guard let quantity = Quantity(trimmed) else { return nil }
        return isKept(Array(trimmed.utf8)) ? trimmed : quantity.description
    }

    /// The rule of `resource.ParseQuantity`, for text that is a quantity.
    private static func isKept(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest.removeFirst() }
        var whole = Array(rest.prefix { $0 &- 0x30 < 10 })
        rest = rest.dropFirst(whole.count)
        whole = Array(whole.drop { $0 == 0x30 })
        if whole.isEmpty { whole = [0x30] }
        var fraction: [UInt8] = []
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            fraction = Array(rest.prefix { $0 &- 0x30 < 10 })
            rest = rest.dropFirst(fraction.count)
        }
        guard let suffix = rest.withUnsafeBufferPointer(Suffix.init) else { return false }
        if suffix.format == .binarySI {
            // Amounts that Kubernetes counts without fractions, odd in eighths.
            guard fraction.isEmpty, 15 - whole.count - suffix.power2 * 3 / 10 - 1 >= 0 else { return false }
            return (Int64(String(decoding: whole, as: UTF8.self)) ?? 0) & 7 != 0
        }
        let digits = whole + fraction
        let scale = suffix.power10 - fraction.count
        return digits.count <= 18 && scale >= -9 && scale % 3 == 0 && digits[0] != 0x30
            && !digits.suffix(3).elementsEqual([0x30, 0x30, 0x30])
    }
}

extension String {
    /// Without white space at both ends.
    var trimmingGoSpace: String {
        var text = self[...]
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
