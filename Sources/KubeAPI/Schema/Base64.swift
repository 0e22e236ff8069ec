/// Base64 (RFC 4648, section 4), as `[]byte` fields have it in JSON.
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 0xff, count: 256)
        for (value, character) in alphabet.enumerated() { table[Int(character)] = UInt8(value) }
        return table
    }()

    public static func encode(_ bytes: [UInt8]) -> String {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        var position = 0
        while position < bytes.count {
            let rest = min(3, bytes.count - position)
            var group = UInt32(bytes[position]) << 16
            if rest > 1 { group |= UInt32(bytes[position + 1]) << 8 }
            if rest > 2 { group |= UInt32(bytes[position + 2]) }
            for index in 0..<4 {
                out.append(index <= rest ? alphabet[Int(group >> UInt32(18 - 6 * index)) & 63] : UInt8(ascii: "="))
            }
            position += 3
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// Nil where the text is not base64. Line breaks are skipped, as Go's decoder does.
    public static func decode(_ text: String) -> [UInt8]? {
        var out: [UInt8] = []
        out.reserveCapacity(text.utf8.count / 4 * 3)
        var group: UInt32 = 0
        var count = 0
        var padding = 0
        for character in text.utf8 where character != 0x0a && character != 0x0d {
            if character == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            let value = values[Int(character)]
            guard value != 0xff, padding == 0 else { return nil }
            group = group << 6 | UInt32(value)
            count += 1
            if count % 4 == 0 {
                out += [UInt8(truncatingIfNeeded: group >> 16), UInt8(truncatingIfNeeded: group >> 8), UInt8(truncatingIfNeeded: group)]
                group = 0
            }
        }
        guard (count + padding) % 4 == 0, padding <= 2 else { return nil }
        switch count % 4 {
        case 0: return padding == 0 ? out : nil
        case 2: out.append(UInt8(truncatingIfNeeded: group >> 4))
        case 3: out += [UInt8(truncatingIfNeeded: group >> 10), UInt8(truncatingIfNeeded: group >> 2)]
        default: return nil
        }
        return out
    }

    /// The position of the first byte that is wrong, nil for base64.
    static func firstIllegal(_ text: String) -> Int? {
        if decode(text) != nil { return nil }
        let bytes = text.utf8
        for (position, byte) in bytes.enumerated() where byte != 0x0a && byte != 0x0d && values[Int(byte)] == 0xff {
            if byte != UInt8(ascii: "=") || position + 2 < bytes.count { return position }
        }
        return bytes.count
    }
}
