/// Writes a tree as JSON into a buffer of its own that grows by doubling.
///
/// The twin of `JSONParser` in heat: clean runs of strings are found eight bytes at a time and copied, and nothing is
/// allocated per value.
struct JSONWriter: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var count = 0

    init(capacity: Int = 2048) {
        self.capacity = capacity
        base = .allocate(capacity: capacity)
    }

    deinit { base.deallocate() }

    /// What was written. Good until the next write.
    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }

    // MARK: Buffer

    /// Makes room for that many more bytes.
    @inline(__always)
    private mutating func reserve(_ extra: Int) {
        if capacity &- count < extra { grow(extra) }
    }

    @inline(never)
    private mutating func grow(_ extra: Int) {
        let wanted = max(capacity * 2, count + extra)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
        larger.update(from: base, count: count)
        base.deallocate()
        base = larger
        capacity = wanted
    }

    /// The room must be there.
    @inline(__always)
    private mutating func put(_ byte: UInt8) {
        base[count] = byte
        count &+= 1
    }

    @inline(__always)
    private mutating func append(_ byte: UInt8) {
        reserve(1)
        put(byte)
    }

    @inline(__always)
    private mutating func append(_ text: StaticString) {
        let length = text.utf8CodeUnitCount
        reserve(length)
        (base + count).update(from: text.utf8Start, count: length)
        count &+= length
    }

    private mutating func append(contentsOf bytes: some Sequence<UInt8>) {
        for byte in bytes { append(byte) }
    }

    // MARK: Values

    mutating func write(_ value: JSON) {
        switch value {
        case .null: append("null")
        case .bool(true): append("true")
        case .bool(false): append("false")
        case .int(let number): write(number)
        case .double(let number): write(number)
        case .string(let text): write(text)
        case .array(let elements):
            append(UInt8(ascii: "["))
            var isFirst = true
            for element in elements {
                if !isFirst { append(UInt8(ascii: ",")) }
                isFirst = false
                write(element)
            }
            append(UInt8(ascii: "]"))
        case .object(let object):
            append(UInt8(ascii: "{"))
            var isFirst = true
            for member in object.members {
                if !isFirst { append(UInt8(ascii: ",")) }
                isFirst = false
                write(member.key)
                append(UInt8(ascii: ":"))
                write(member.value)
            }
            append(UInt8(ascii: "}"))
        }
    }

    /// With two spaces per level, as kube-apiserver answers to `?pretty`.
    mutating func writePretty(_ value: JSON, level: Int = 0) {
        switch value {
        case .array(let elements) where !elements.isEmpty:
            append("[")
            for (position, element) in elements.enumerated() {
                if position > 0 { append(",") }
                newLine(level + 1)
                writePretty(element, level: level + 1)
            }
            newLine(level)
            append("]")
        case .object(let object) where !object.isEmpty:
            append("{")
            for (position, member) in object.members.enumerated() {
                if position > 0 { append(",") }
                newLine(level + 1)
                write(member.key)
                append(": ")
                writePretty(member.value, level: level + 1)
            }
            newLine(level)
            append("}")
        default: write(value)
        }
    }

    private mutating func newLine(_ level: Int) {
        append("\n")
        for _ in 0..<level { append("  ") }
    }

    // MARK: Strings

    private mutating func write(_ text: String) {
        let isWritten: Void? = text.utf8.withContiguousStorageIfAvailable { bytes in
            writeString(bytes)
        }
        guard isWritten == nil else { return }
        Array(text.utf8).withUnsafeBufferPointer { writeString($0) }
    }

    @inline(__always)
    private mutating func writeString(_ bytes: UnsafeBufferPointer<UInt8>) {
        reserve(bytes.count &+ 2)
        put(0x22)
        guard let source = bytes.baseAddress else {
            put(0x22)
            return
        }
        let length = bytes.count
        var position = 0
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        while position < length {
            if position &+ 8 <= length {
                let word = UnsafeRawPointer(source + position).loadUnaligned(as: UInt64.self)
                let quote = word ^ (ones &* 0x22)
                let slash = word ^ (ones &* 0x5c)
                let hits =
                    ((quote &- ones) & ~quote | (slash &- ones) & ~slash | (word &- (ones &* 0x20)) & ~word) & tops
                if hits == 0 {
                    // There is room: `reserve` counted these bytes.
                    UnsafeMutableRawPointer(base + count).storeBytes(of: word, as: UInt64.self)
                    count &+= 8
                    position &+= 8
                    continue
                }
            }
            let stop = min(position &+ 8, length)
            while position < stop {
                let byte = source[position]
                if byte >= 0x20, byte != 0x22, byte != 0x5c {
                    put(byte)
                } else {
                    reserve(6 &+ length &- position)  // six for it, one for each after it and the quote
                    putEscaped(byte)
                }
                position &+= 1
            }
        }
        put(0x22)
    }

    /// The room must be there: six bytes.
    private mutating func putEscaped(_ byte: UInt8) {
        put(0x5c)
        switch byte {
        case 0x22, 0x5c: put(byte)
        case 0x0a: put(UInt8(ascii: "n"))
        case 0x0d: put(UInt8(ascii: "r"))
        case 0x09: put(UInt8(ascii: "t"))
        case 0x08: put(UInt8(ascii: "b"))
        case 0x0c: put(UInt8(ascii: "f"))
        default:
            put(UInt8(ascii: "u"))
            put(0x30)
            put(0x30)
            put(0x30 &+ byte >> 4)
            let low = byte & 15
            put(low < 10 ? 0x30 &+ low : 0x57 &+ low)
        }
    }

    // MARK: Numbers

    private mutating func write(_ number: Int64) {
        reserve(20)
        var rest = number.magnitude
        if number < 0 { put(UInt8(ascii: "-")) }
        var digits = 1
        var bound: UInt64 = 10
        while rest >= bound, digits < 19 {
            digits &+= 1
            bound &*= 10
        }
        var position = count &+ digits
        count = position
        repeat {
            position &-= 1
            base[position] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
    }

    private mutating func write(_ number: Double) {
        append(contentsOf: JSONNumber.text(of: number).utf8)
    }
}

/// The spelling of doubles.
enum JSONNumber {
    /// The shortest digits that read back as the same number, laid out as Go does it: plain from 1e-6 up to 1e21,
    /// else with an exponent. What is not a number has no JSON form and becomes null.
    static func text(of number: Double) -> String {
        guard number.isFinite else { return "null" }
        if number == 0 { return number.sign == .minus ? "-0" : "0" }
        // Swift's description has the shortest digits, but another layout: "1e-05", "5.0", "1e+16".
        var digits: [UInt8] = []
        var exponent = 0
        var pointAt: Int?
        let description = number.magnitude.description
        let parts = description.split(separator: "e", maxSplits: 1)
        if parts.count == 2 { exponent = Int(parts[1]) ?? 0 }
        for byte in parts[0].utf8 {
            if byte == UInt8(ascii: ".") { pointAt = digits.count } else { digits.append(byte) }
        }
        // Normalised: 0.d1d2d3… times ten to the power of `scale`.
        var scale = (pointAt ?? digits.count) + exponent
        while digits.last == 0x30, digits.count > 1 { digits.removeLast() }
        var leading = 0
        while leading < digits.count - 1, digits[leading] == 0x30 { leading += 1 }
        digits.removeFirst(leading)
        scale -= leading

        let sign = number.sign == .minus ? "-" : ""
        let text = String(decoding: digits, as: UTF8.self)
        if scale > 21 || scale < -5 {
            let power = scale - 1
            let fraction = digits.count > 1 ? ".\(text.dropFirst())" : ""
            return "\(sign)\(text.prefix(1))\(fraction)e\(power < 0 ? "-" : "+")\(power.magnitude)"
        }
        if scale <= 0 { return "\(sign)0.\(String(repeating: "0", count: -scale))\(text)" }
        if digits.count <= scale { return "\(sign)\(text)\(String(repeating: "0", count: scale - digits.count))" }
        return "\(sign)\(text.prefix(scale)).\(text.dropFirst(scale))"
    }
}
