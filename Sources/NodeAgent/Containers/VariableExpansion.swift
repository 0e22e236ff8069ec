/// `$(NAME)` in commands, arguments and environment values (kubernetes third_party/forked/golang/expansion):
/// `$$` is one `$`, an unknown name stays as it is written.
enum VariableExpansion {
    static func expand(_ text: String, _ value: (String) -> String?) -> String {
        let bytes = Array(text.utf8)
        guard bytes.contains(UInt8(ascii: "$")) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var position = 0
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == UInt8(ascii: "$"), position + 1 < bytes.count else {
                result.append(byte)
                position += 1
                continue
            }
            switch bytes[position + 1] {
            case UInt8(ascii: "$"):
                result.append(UInt8(ascii: "$"))
                position += 2
            case UInt8(ascii: "("):
                guard let end = bytes[(position + 2)...].firstIndex(of: UInt8(ascii: ")")) else {
                    result.append(contentsOf: [UInt8(ascii: "$"), UInt8(ascii: "(")])
                    position += 2
                    continue
                }
                let name = String(decoding: bytes[(position + 2)..<end], as: UTF8.self)
                if let replacement = value(name) {
                    result.append(contentsOf: replacement.utf8)
                } else {
                    result.append(contentsOf: bytes[position...end])
                }
                position = end + 1
            default:
                result.append(byte)
                result.append(bytes[position + 1])
                position += 2
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
