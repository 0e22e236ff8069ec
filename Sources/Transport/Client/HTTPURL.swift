/// An absolute URL of HTTP: `http://host[:port]/path?query` or `https://…`, the host as name, IPv4 or `[IPv6]`.
struct HTTPURL: Sendable {
    var isTLS: Bool
    /// Without brackets.
    var host: String
    var port: Int
    /// Path and query as they stand on the wire; `/` where the URL has none.
    var target: String

    init(_ url: String) throws(TransportError) {
        let malformed = TransportError(
            .invalidConfiguration, "cannot use URL \"\(url.prefix(200))\": expected http(s)://host[:port]/path")
        var rest = url[...]
        if rest.hasPrefix("https://") {
            isTLS = true
            rest = rest.dropFirst(8)
        } else if rest.hasPrefix("http://") {
            isTLS = false
            rest = rest.dropFirst(7)
        } else {
            throw malformed
        }
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        var authority = rest[..<end]
        let tail = rest[end...]
        target = tail.isEmpty ? "/" : tail.first == "?" ? "/" + tail : String(tail)
        guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") }) else { throw malformed }
        if authority.first == "[" {
            guard let close = authority.firstIndex(of: "]") else { throw malformed }
            host = String(authority[authority.index(after: authority.startIndex)..<close])
            authority = authority[authority.index(after: close)...]
            guard authority.isEmpty || authority.first == ":" else { throw malformed }
        } else {
            let colon = authority.firstIndex(of: ":") ?? authority.endIndex
            host = String(authority[..<colon])
            authority = authority[colon...]
        }
        if authority.isEmpty {
            port = isTLS ? 443 : 80
        } else {
            guard let number = UInt16(authority.dropFirst()), number > 0 else { throw malformed }
            port = Int(number)
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "@") }) else {
            throw malformed
        }
    }

    /// The value of `Host`.
    var authority: String {
        let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
        return port == (isTLS ? 443 : 80) ? name : "\(name):\(port)"
    }
}
