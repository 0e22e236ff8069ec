/// Header blocks of HTTP/2 (RFC 7541), decoded. One for each connection: blocks build on those before.
struct HeaderDecoder {
    typealias Field = (name: String, value: String)

    /// What an entry costs beside its bytes.
    private static let entryOverhead = 32
    private static let tableLimit = 4096
    /// Of one block, decoded: an answer to a question has a few hundred bytes.
    private static let blockLimit = 64 << 10

    private var entries: [Field] = []
    private var size = 0
    private var limit = HeaderDecoder.tableLimit

    /// Nil for what can't be decoded: the connection is of no use after that.
    mutating func decode(_ block: [UInt8]) -> [Field]? {
        var reader = Reader(bytes: block)
        var fields: [Field] = []
        var total = 0
        while let byte = reader.peek() {
            if byte & 0x80 != 0 {
                guard let index = reader.integer(prefix: 7), let field = field(index) else { return nil }
                fields.append(field)
            } else if byte & 0xe0 == 0x20 {
                guard let size = reader.integer(prefix: 5), size <= Self.tableLimit else { return nil }
                limit = size
                evict()
                continue
            } else {
                let isKept = byte & 0x40 != 0
                guard let index = reader.integer(prefix: isKept ? 6 : 4),
                    let name = index == 0 ? reader.string() : field(index)?.name, let value = reader.string()
                else { return nil }
                fields.append((name, value))
                if isKept { keep((name, value)) }
            }
            total += (fields.last.map { $0.name.utf8.count + $0.value.utf8.count }) ?? 0
            guard total <= Self.blockLimit else { return nil }
        }
        return fields
    }

    private func field(_ index: Int) -> Field? {
        if index == 0 { return nil }
        if index <= Self.known.count { return Self.known[index - 1] }
        let position = index - Self.known.count - 1
        return position < entries.count ? entries[position] : nil
    }

    private static func cost(_ field: Field) -> Int { field.name.utf8.count + field.value.utf8.count + entryOverhead }

    private mutating func keep(_ field: Field) {
        entries.insert(field, at: 0)
        size += Self.cost(field)
        evict()
    }

    private mutating func evict() {
        while size > limit, let last = entries.popLast() { size -= Self.cost(last) }
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

        mutating func integer(prefix: Int) -> Int? {
            guard let first = peek() else { return nil }
            position += 1
            let mask = (1 << prefix) - 1
            var value = Int(first) & mask
            guard value == mask else { return value }
            var shift = 0
            while let byte = peek(), shift <= 21 {
                position += 1
                value += Int(byte & 0x7f) << shift
                if byte & 0x80 == 0 { return value }
                shift += 7
            }
            return nil
        }

        mutating func string() -> String? {
            guard let first = peek(), let count = integer(prefix: 7), count <= bytes.count - position else {
                return nil
            }
            let raw = bytes[position..<position + count]
            position += count
            guard first & 0x80 != 0 else { return String(decoding: raw, as: UTF8.self) }
            return HuffmanCode.decode(raw).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Appendix A.
    private static let known: [Field] = {
        let valued: [Field] = [
            (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
            (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
            (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
            ("accept-encoding", "gzip, deflate"),
        ]
        let names = [
            "accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age", "allow",
            "authorization", "cache-control", "content-disposition", "content-encoding", "content-language",
            "content-length", "content-location", "content-range", "content-type", "cookie", "date", "etag", "expect",
            "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range",
            "if-unmodified-since", "last-modified", "link", "location", "max-forwards", "proxy-authenticate",
            "proxy-authorization", "range", "referer", "refresh", "retry-after", "server", "set-cookie",
            "strict-transport-security", "transfer-encoding", "user-agent", "vary", "via", "www-authenticate",
        ]
        return valued + names.map { ($0, "") }
    }()
}
