import KubeAPI
import Transport

/// An `httpGet` of a probe or hook.
struct HTTPGetAction: Sendable, Equatable {
    var scheme: String
    var host: String
    var port: JSON
    var path: String
    var headers: [Header]

    struct Header: Sendable, Equatable {
        var name: String
        var value: String
    }

    init(_ json: JSON) {
        scheme = json["scheme"].stringValue.lowercased()
        if scheme.isEmpty { scheme = "http" }
        host = json["host"].stringValue
        port = json["port"]
        path = json["path"].stringValue
        headers = json["httpHeaders"].items.map { Header(name: $0["name"].stringValue, value: $0["value"].stringValue) }
    }

    /// Where it goes. `podIP` stands for a host that is not given.
    func url(of container: Container, podIP: String) throws(HealthActionError) -> ProbeURL {
        let port = try container.probePort(port)
        return ProbeURL(scheme: scheme, host: host.isEmpty ? podIP : host, port: port, path: path)
    }

    /// The request as Go's client makes it of the same action (kubernetes pkg/probe/http, `newProbeRequest`).
    /// - Parameter agent: `kube-probe/1.35`.
    func request(to url: ProbeURL, agent: String) -> DialRequest {
        func has(_ name: String) -> Bool { headers.contains { $0.name.lowercased() == name } }
        var fields: [(name: String, value: String)] = []
        let hosts = headers.filter { $0.name.lowercased() == "host" }.map(\.value)
        fields.append(("Host", hosts.first.flatMap { $0.isEmpty ? nil : $0 } ?? url.authority))
        if !has("user-agent") { fields.append(("User-Agent", agent)) }
        if !has("accept") { fields.append(("Accept", "*/*")) }
        for header in headers {
            let name = header.name.lowercased()
            if name == "host" || name == "accept" && header.value.isEmpty || name == "connection" { continue }
            fields.append((header.name, header.value))
        }
        return DialRequest(
            host: url.host, port: url.port, isTLS: url.scheme == "https", target: url.target, headers: fields)
    }
}

/// The URL of a probe, as Go writes it.
struct ProbeURL: Sendable, Equatable {
    var scheme: String
    /// Without brackets.
    var host: String
    var port: Int
    /// Path and query, as they stand on the wire.
    var target: String
    /// The port is said even where it goes without saying, as in the URL that a probe is built of.
    var saysPort = true

    init(scheme: String, host: String, port: Int, path: String) {
        self.scheme = scheme
        self.host = host
        self.port = port
        target = Self.target(path)
    }

    var authority: String {
        let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
        return saysPort ? "\(name):\(port)" : name
    }

    var text: String { "\(scheme)://\(authority)\(target == "/" && !saysPort ? "" : target)" }

    /// `host:port`, for messages about connections.
    var address: String { "\(host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host):\(port)" }

    private static func target(_ path: String) -> String {
        let known = path.prefix { $0 != "#" }
        let hexadecimal = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in (known.hasPrefix("/") ? String(known) : "/" + known).utf8 {
            // What can't stand in a request line.
            if byte <= 0x20 || byte >= 0x7f || "\"<>\\^`{|}".utf8.contains(byte) {
                bytes += [UInt8(ascii: "%"), hexadecimal[Int(byte >> 4)], hexadecimal[Int(byte & 15)]]
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Where a redirect leads; nil where that is nowhere.
    func following(_ location: String) -> ProbeURL? {
        var next = self
        var rest = location.prefix { $0 != "#" }
        if let colon = rest.firstRange(of: "://") {
            next.scheme = rest[..<colon.lowerBound].lowercased()
            guard ["http", "https"].contains(next.scheme) else { return nil }
            rest = rest[colon.upperBound...]
        } else if rest.hasPrefix("//") {
            rest = rest.dropFirst(2)
        } else {
            next.target = rest.hasPrefix("/") ? Self.target(String(rest)) : Self.target(sibling(String(rest)))
            return next
        }
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        var authority = rest[..<end]
        if let at = authority.lastIndex(of: "@") { authority = authority[authority.index(after: at)...] }
        if authority.hasPrefix("["), let close = authority.firstIndex(of: "]") {
            next.host = String(authority[authority.index(after: authority.startIndex)..<close])
            authority = authority[authority.index(after: close)...]
        } else {
            let colon = authority.firstIndex(of: ":") ?? authority.endIndex
            next.host = String(authority[..<colon])
            authority = authority[colon...]
        }
        next.saysPort = authority.hasPrefix(":")
        next.port = authority.isEmpty ? (next.scheme == "https" ? 443 : 80) : Int(authority.dropFirst()) ?? 0
        guard !next.host.isEmpty, (1...65535).contains(next.port) else { return nil }
        next.target = Self.target(String(rest[end...]))
        return next
    }

    /// A relative reference stands beside the last part of the path.
    private func sibling(_ reference: String) -> String {
        let path = target.prefix { $0 != "?" }
        if reference.isEmpty { return target }
        if reference.hasPrefix("?") { return path + reference }
        let folder = path[...(path.lastIndex(of: "/") ?? path.startIndex)]
        var parts: [Substring] = []
        for part in (folder + reference).split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}
