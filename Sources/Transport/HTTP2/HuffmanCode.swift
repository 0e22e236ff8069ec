/// The Huffman code of HTTP/2's header compression (RFC 7541, appendix B). It is canonical: the lengths say all of it.
enum HuffmanCode {
    /// Of the symbols 0 to 255, and of the end of the string.
    private static let lengths: [UInt8] = [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28,
        28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15,
        6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22,
        20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23,
        23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22,
        22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26,
        27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27,
        26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
    ]

    /// For each length: the first code, where its symbols begin, and how many there are.
    private struct Row {
        var first: UInt32
        var start: Int
        var count: Int
    }

    private static let (rows, symbols): ([Row], [Int]) = {
        let symbols = lengths.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
        var rows: [Row] = []
        var code: UInt32 = 0
        var start = 0
        for length in 0...30 {
            let count = lengths.count { $0 == length }
            rows.append(Row(first: code, start: start, count: count))
            code = (code + UInt32(count)) << 1
            start += count
        }
        return (rows, symbols)
    }()

    /// Nil for what is no such code.
    static func decode(_ bytes: some Sequence<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        var code: UInt32 = 0
        var length = 0
        var isPadding = true
        for byte in bytes {
            for bit in (0..<8).reversed() {
                let one = UInt32(byte >> bit) & 1
                code = code << 1 | one
                length += 1
                isPadding = isPadding && one == 1
                guard length <= 30 else { return nil }
                let row = rows[length]
                guard row.count > 0, code >= row.first, code - row.first < UInt32(row.count) else { continue }
                let symbol = symbols[row.start + Int(code - row.first)]
                // The end must not be written.
                guard let value = UInt8(exactly: symbol) else { return nil }
                result.append(value)
                code = 0
                length = 0
                isPadding = true
            }
        }
        // What is left over is the beginning of the end, and shorter than a byte.
        return length < 8 && isPadding ? result : nil
    }
}
