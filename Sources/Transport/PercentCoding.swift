/// Percent-encoding of URLs (RFC 3986).
public enum PercentCoding {
    /// Decodes `text`; nil where an escape is malformed or the result is not UTF-8 or holds a NUL.
    public static func decode(_ text: some StringProtocol, plusIsSpace: Bool) -> String? {
        let percent = UInt8(ascii: "%")
        let plus = UInt8(ascii: "+")
        guard text.utf8.contains(where: { $0 == percent || $0 == 0 || (plusIsSpace && $0 == plus) || $0 >= 0x80 })
        else { return String(text) }
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count)
        var bytes = text.utf8.makeIterator()
        while let byte = bytes.next() {
            switch byte {
            case percent:
                guard let high = bytes.next().flatMap(hexadecimal), let low = bytes.next().flatMap(hexadecimal) else {
                    return nil
                }
                result.append(high << 4 | low)
            case plus where plusIsSpace:
                result.append(UInt8(ascii: " "))
            default:
                result.append(byte)
            }
        }
        guard !result.contains(0) else { return nil }
        return String(validating: result, as: UTF8.self)
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// Encodes everything but unreserved characters, and `/` where it separates segments of a path.
    static func encode(_ text: String, keepingSlashes: Bool, into result: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.append(byte)
            case UInt8(ascii: "/") where keepingSlashes:
                result.append(byte)
            default:
                let digits = Array("0123456789ABCDEF".utf8)
                result.append(UInt8(ascii: "%"))
                result.append(digits[Int(byte >> 4)])
                result.append(digits[Int(byte & 15)])
            }
        }
    }

    /// Path and query as they stand on the wire.
    public static func target(path: String, query: [(name: String, value: String)]) -> String {
        var result: [UInt8] = []
        encode(path, keepingSlashes: true, into: &result)
        for (index, (name, value)) in query.enumerated() {
            result.append(index == 0 ? UInt8(ascii: "?") : UInt8(ascii: "&"))
            encode(name, keepingSlashes: false, into: &result)
            result.append(UInt8(ascii: "="))
            encode(value, keepingSlashes: false, into: &result)
        }
        return String(decoding: result, as: UTF8.self)
    }
}
