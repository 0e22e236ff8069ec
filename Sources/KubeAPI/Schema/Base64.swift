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
        switch scan(text) {
        case .success(let bytes): bytes
        case .failure: nil
        }
    }

    /// The position that Go's decoder complains of; nil for base64.
    static func firstIllegal(_ text: String) -> Int? {
        switch scan(text) {
        case .success: nil
        case .failure(let illegal): illegal.position
        }
    }

    private struct Illegal: Error {
        let position: Int
    }

    private static func scan(_ text: String) -> Result<[UInt8], Illegal> {
        var text = text
        return text.withUTF8 { bytes in
            var out: [UInt8] = []
            out.reserveCapacity(bytes.count / 4 * 3)
            var group: UInt32 = 0
            var count = 0  // characters of the group
            var position = 0
            func skipLines() {
                while position < bytes.count, bytes[position] == 0x0a || bytes[position] == 0x0d { position += 1 }
            }
            while true {
                skipLines()
                guard position < bytes.count else { break }
                let value = values[Int(bytes[position])]
                guard value == 0xff else {
                    position += 1
                    group = group << 6 | UInt32(value)
                    count += 1
                    if count == 4 {
                        out.append(UInt8(truncatingIfNeeded: group >> 16))
                        out.append(UInt8(truncatingIfNeeded: group >> 8))
                        out.append(UInt8(truncatingIfNeeded: group))
                        (group, count) = (0, 0)
                    }
                    continue
                }
                guard bytes[position] == UInt8(ascii: "="), count >= 2 else {
                    return .failure(Illegal(position: position))
                }
                position += 1
                if count == 2 {
                    skipLines()
                    guard position < bytes.count else { return .failure(Illegal(position: bytes.count)) }
                    guard bytes[position] == UInt8(ascii: "=") else { return .failure(Illegal(position: position - 1)) }
                    position += 1
                    out.append(UInt8(truncatingIfNeeded: group >> 4))
                } else {
                    out.append(UInt8(truncatingIfNeeded: group >> 10))
                    out.append(UInt8(truncatingIfNeeded: group >> 2))
                }
                skipLines()
                return position < bytes.count ? .failure(Illegal(position: position)) : .success(out)
            }
            return count == 0 ? .success(out) : .failure(Illegal(position: position - count))
        }
    }
}
