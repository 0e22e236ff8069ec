/// The name of an image, as a pod's spec or a command gives it, brought to its full form:
/// `busybox` is `docker.io/library/busybox:latest` (distribution/reference, reference grammar).
public struct ImageReference: Hashable, Sendable, CustomStringConvertible {
    /// `docker.io`, `registry.example:5000`.
    public let domain: String
    /// `library/busybox`.
    public let path: String
    public let tag: String?
    /// `sha256:` and 64 hexadecimal digits.
    public let digest: String?

    /// Names longer than this (without tag and digest) are refused, as registries do.
    static let nameLimit = 255

    /// nil where the text is no valid reference.
    public init?(_ text: String) {
        guard text.utf8.count <= 1024 else { return nil }
        var rest = Substring(text)
        var digest: String?
        if let at = rest.firstIndex(of: "@") {
            let value = String(rest[rest.index(after: at)...])
            guard Self.isDigest(value) else { return nil }
            digest = value
            rest = rest[..<at]
        }
        var tag: String?
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
            let value = String(rest[rest.index(after: colon)...])
            guard Self.isTag(value) else { return nil }
            tag = value
            rest = rest[..<colon]
        }
        var domain = "docker.io"
        var path = String(rest)
        if let slash = rest.firstIndex(of: "/") {
            let first = String(rest[..<slash])
            if first.contains(".") || first.contains(":") || first == "localhost" || first != first.lowercased() {
                guard Self.isDomain(first) else { return nil }
                domain = first
                path = String(rest[rest.index(after: slash)...])
            }
        }
        if domain == "index.docker.io" { domain = "docker.io" }
        if domain == "docker.io", !path.contains("/") { path = "library/" + path }
        guard !path.isEmpty, domain.utf8.count + 1 + path.utf8.count <= Self.nameLimit else { return nil }
        // 64 hexadecimal digits alone are an image's id, never a name.
        guard !(text.utf8.count == 64 && text.utf8.allSatisfy(Self.isHex)) else { return nil }
        for component in path.split(separator: "/", omittingEmptySubsequences: false)
        where !Self.isPathComponent(component) { return nil }
        self.domain = domain
        self.path = path
        self.tag = tag ?? (digest == nil ? "latest" : nil)
        self.digest = digest
    }

    /// `docker.io/library/busybox`.
    public var repository: String { "\(domain)/\(path)" }

    /// The full form: `docker.io/library/busybox:latest`.
    public var description: String {
        repository + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    /// Whether a pull is the default (`imagePullPolicy` unset): for the tag `latest` without digest.
    public var isLatest: Bool { tag == "latest" && digest == nil }

    static func isDigest(_ text: String) -> Bool {
        text.hasPrefix("sha256:") && text.utf8.count == 71 && text.utf8.dropFirst(7).allSatisfy(isHex)
    }

    static func isHex(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: false
        }
    }

    private static func isLowerAlphanumeric(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) && !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }

    /// `[\w][\w.-]{0,127}`
    private static func isTag(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 128 else { return false }
        let isWord = { (byte: UInt8) in isAlphanumeric(byte) || byte == UInt8(ascii: "_") }
        return isWord(first)
            && text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    }

    private static func isDomain(_ text: String) -> Bool {
        var host = Substring(text)
        if let colon = host.lastIndex(of: ":") {
            let port = host[host.index(after: colon)...]
            guard !port.isEmpty, port.utf8.count <= 5, let number = Int(port), (1...65535).contains(number) else {
                return false
            }
            host = host[..<colon]
        }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        return labels.allSatisfy { label in
            guard let first = label.utf8.first, let last = label.utf8.last else { return false }
            return isAlphanumeric(first) && isAlphanumeric(last)
                && label.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
        }
    }

    /// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
    private static func isPathComponent(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last, isLowerAlphanumeric(first),
            isLowerAlphanumeric(last)
        else { return false }
        var separator: [UInt8] = []
        for byte in text.utf8 {
            if isLowerAlphanumeric(byte) {
                if !separator.isEmpty {
                    let isDashes = separator.allSatisfy { $0 == UInt8(ascii: "-") }
                    guard
                        isDashes || separator == Array(".".utf8) || separator == Array("_".utf8)
                            || separator == Array("__".utf8)
                    else { return false }
                    separator = []
                }
            } else {
                separator.append(byte)
            }
        }
        return true
    }
}
