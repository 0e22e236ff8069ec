/// Header blocks of HTTP/2 (RFC 7541), encoded. Every field goes out literally: what an index would save is not worth a
/// table for requests of five fields.
enum HeaderEncoder {
    static func block(_ fields: [(name: String, value: String)]) -> [UInt8] {
        var block: [UInt8] = []
        for (name, value) in fields { append(name, value, to: &block) }
        return block
    }

    static func append(_ name: String, _ value: String, to block: inout [UInt8]) {
        block.append(0)
        for text in [name, value] {
            append(text.utf8.count, prefix: 7, to: &block)
            block += text.utf8
        }
    }

    private static func append(_ value: Int, prefix: Int, to block: inout [UInt8]) {
        let mask = (1 << prefix) - 1
        guard value >= mask else { return block.append(UInt8(value)) }
        block.append(UInt8(mask))
        var rest = value - mask
        while rest >= 0x80 {
            block.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        block.append(UInt8(rest))
    }
}
