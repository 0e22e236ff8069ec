/// The request target of HTTP/1.1 (RFC 9112, 3.2), taken apart and percent-decoded.
///
/// Decoding is strict: an escape that is not two hexadecimal digits, a NUL, or bytes that are not UTF-8 make it
/// malformed, so that no two parts of the program can understand one path differently.
struct RequestTarget: Sendable {
    let path: String
    let rawPath: String
    let rawQuery: String
    let query: [(name: String, value: String)]

    init?(_ target: String) {
        var rest = target[...]
        if !rest.utf8.starts(with: "/".utf8) {
            if target == "*" {
                path = "*"
                rawPath = "*"
                rawQuery = ""
                query = []
                return
            }
            // The absolute form, which proxies send: the authority says nothing that `Host` does not.
            guard let scheme = ["http://", "https://"].first(where: { target.lowercased().hasPrefix($0) }) else {
                return nil
            }
            rest = rest.dropFirst(scheme.count)
            // Without a path it means the root.
            let end = rest.utf8.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
            guard end > rest.startIndex else { return nil }
            rest = rest[end...]
            if rest.utf8.first != UInt8(ascii: "/") { rest = "/" + rest }
        }
        // A fragment never belongs on the wire; the parser lets it through.
        guard !rest.utf8.contains(UInt8(ascii: "#")) else { return nil }
        let mark = rest.utf8.firstIndex(of: UInt8(ascii: "?"))
        rawPath = String(rest[..<(mark ?? rest.endIndex)])
        rawQuery = mark.map { String(rest[rest.utf8.index(after: $0)...]) } ?? ""
        guard let path = PercentCoding.decode(rawPath, plusIsSpace: false) else { return nil }
        self.path = path
        guard !rawQuery.isEmpty else {
            query = []
            return
        }
        var query: [(name: String, value: String)] = []
        for pair in rawQuery.utf8.split(separator: UInt8(ascii: "&")) {
            guard query.count < Self.maximumParameters else { return nil }
            let equals = pair.firstIndex(of: UInt8(ascii: "="))
            guard let name = PercentCoding.decode(Substring(pair[..<(equals ?? pair.endIndex)]), plusIsSpace: true),
                let value = equals.map({
                    PercentCoding.decode(Substring(pair[pair.index(after: $0)...]), plusIsSpace: true)
                }) ?? ""
            else { return nil }
            query.append((name, value))
        }
        self.query = query
    }

    /// More parameters than any request has; bounds the work on one.
    static let maximumParameters = 1_000
}
