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
    /// No registry of 255 characters, name, tag and digest is longer.
    private static let textLimit = 1024

    /// nil where the text is no valid reference.
    public init?(_ text: String) {
        // Why is for those who ask for it.
        guard let reference = try? ImageReference(parsing: text) else { return nil }
        self = reference
    }

    /// - Throws: what is wrong, in the words of distribution/reference.
    public init(parsing text: String) throws(ImageNameError) {
        guard text.utf8.count <= Self.textLimit else { throw .invalidFormat }
        // 64 hexadecimal digits alone are an image's id, never a name.
        if text.utf8.count == 64, text.utf8.allSatisfy(Self.isHex) {
            throw ImageNameError("invalid repository name (\(text)), cannot specify 64-byte hexadecimal strings")
        }
        let (domain, remainder) = Self.split(text)
        let bare = remainder.prefix { $0 != ":" }
        if bare.lowercased() != bare {
            throw ImageNameError("invalid reference format: repository name (\(bare)) must be lowercase")
        }
        guard Self.isDomain(domain) else { throw .invalidFormat }
        var rest = remainder[...]
        var digest: String?
        if let at = rest.firstIndex(of: "@") {
            digest = try Self.digest(String(rest[rest.index(after: at)...]))
            rest = rest[..<at]
        }
        var tag: String?
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
            let value = String(rest[rest.index(after: colon)...])
            guard Self.isTag(value) else { throw .invalidFormat }
            tag = value
            rest = rest[..<colon]
        }
        for component in rest.split(separator: "/", omittingEmptySubsequences: false)
        where !Self.isPathComponent(component) { throw .invalidFormat }
        guard domain.utf8.count + 1 + rest.utf8.count <= Self.nameLimit else {
            throw ImageNameError("repository name must not be more than \(Self.nameLimit) characters")
        }
        self.domain = domain
        self.path = String(rest)
        self.tag = tag ?? (digest == nil ? "latest" : nil)
        self.digest = digest
    }

    /// The registry and what follows. The first part is a registry where it looks like a host; all else is Docker Hub's.
    private static func split(_ text: String) -> (domain: String, remainder: String) {
        var domain = "docker.io"
        var remainder = text
        if let slash = text.firstIndex(of: "/") {
            let first = String(text[..<slash])
            if first.contains(".") || first.contains(":") || first == "localhost" || first != first.lowercased() {
                domain = first
                remainder = String(text[text.index(after: slash)...])
            }
        }
        if domain == "index.docker.io" { domain = "docker.io" }
        if domain == "docker.io", !remainder.contains("/") { remainder = "library/" + remainder }
        return (domain, remainder)
    }

    private static func digest(_ text: String) throws(ImageNameError) -> String {
        guard let colon = text.firstIndex(of: ":"), colon != text.startIndex else { throw .invalidFormat }
        let digits = text[text.index(after: colon)...]
        let isHexadecimal = digits.utf8.allSatisfy(isHexDigit)
        guard digits.utf8.count >= 32, isHexadecimal else { throw .invalidFormat }
        guard text[..<colon] == "sha256" else { throw ImageNameError("unsupported digest algorithm") }
        guard digits.utf8.count == 64 else { throw ImageNameError("invalid checksum digest length") }
        guard isDigest(text) else { throw ImageNameError("invalid checksum digest format") }
        return text
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

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        isHex(byte) || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte)
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
        if host.first == "[" {
            guard let close = host.firstIndex(of: "]") else { return false }
            let address = host[host.index(after: host.startIndex)..<close]
            guard !address.isEmpty, address.utf8.allSatisfy({ isHexDigit($0) || $0 == UInt8(ascii: ":") }) else {
                return false
            }
            // What follows is checked as after a name.
            host = "ipv6" + host[host.index(after: close)...]
        }
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

/// Why a text names no image, in the words of distribution/reference, which Kubernetes shows.
public struct ImageNameError: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
    static let invalidFormat = ImageNameError("invalid reference format")
}
