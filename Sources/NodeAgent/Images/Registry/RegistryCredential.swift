import KubeAPI

/// What is shown to a registry.
struct RegistryCredential: Sendable, Hashable {
    var username = ""
    var password = ""
    /// A refresh token, exchanged for access tokens (OAuth2), in a password's place.
    var identityToken = ""

    init(username: String, password: String) {
        self.username = username
        self.password = password
    }

    /// An entry of a docker config: `username` and `password`, or both in `auth`, in base64 with a colon between.
    init?(_ json: JSON) {
        username = json["username"].stringValue
        password = json["password"].stringValue
        identityToken = json["identitytoken"].string ?? json["identity_token"].stringValue
        if let text = json["auth"].string, !text.isEmpty {
            guard let bytes = Base64.decode(text) else { return nil }
            // Some writers end it with a NUL.
            let plain = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            guard let colon = plain.firstIndex(of: ":") else { return nil }
            username = String(plain[..<colon])
            password = String(plain[plain.index(after: colon)...])
        }
        guard !username.isEmpty || !password.isEmpty || !identityToken.isEmpty else { return nil }
    }

    /// The header's value for basic authentication (RFC 7617).
    var basic: String { "Basic " + Base64.encode(Array("\(username):\(password)".utf8)) }
}

/// Credentials of pull secrets, by what they are meant for (kubernetes pkg/credentialprovider/keyring.go).
struct PullKeyring: Sendable, Hashable {
    private struct Entry: Sendable, Hashable {
        /// `registry.example`, `*.example:5000`, `registry.example/team`.
        var place: String
        var credential: RegistryCredential
    }
    private var entries: [Entry] = []

    /// Docker Hub's name in docker's own files.
    private static let dockerHub = "index.docker.io"

    init() {}

    /// One credential for every registry.
    init(_ credential: RegistryCredential) { entries = [Entry(place: "", credential: credential)] }

    var isEmpty: Bool { entries.isEmpty }

    /// Takes what a secret of type `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg` holds.
    /// - Throws: `ImageError` where it holds something else.
    mutating func add(secret: JSON) throws(ImageError) {
        let data = secret["data"]
        let registries: JSON
        switch secret["type"].string {
        case "kubernetes.io/dockerconfigjson": registries = try Self.parse(data[".dockerconfigjson"])["auths"]
        case "kubernetes.io/dockercfg": registries = try Self.parse(data[".dockercfg"])
        // Kubernetes overlooks it as well.
        default: return
        }
        for (place, json) in registries.object ?? JSONObject() {
            guard let credential = RegistryCredential(json) else { continue }
            entries.append(Entry(place: Self.cleaned(place), credential: credential))
        }
        // The most exact first.
        entries.sort { $0.place > $1.place }
    }

    private static func parse(_ value: JSON) throws(ImageError) -> JSON {
        guard let bytes = Base64.decode(value.stringValue), let json = try? JSON.parse(bytes), json.isObject else {
            throw ImageError("its content is no JSON of a docker config")
        }
        return json
    }

    /// `https://index.docker.io/v1/` is `index.docker.io`.
    private static func cleaned(_ place: String) -> String {
        var rest = place[...]
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
        let host = rest.prefix { $0 != "/" }
        var path = rest[host.endIndex...]
        if path.hasPrefix("/v2/") || path.hasPrefix("/v1/") { path = path.dropFirst(3) }
        return path == "/" ? String(host) : String(host) + path
    }

    /// What may be shown for a repository, the most exact first.
    /// - Parameter authority: the host that is asked; a mirror gets only what is meant for it.
    func credentials(authority: String, repository: String) -> [RegistryCredential] {
        var found: [RegistryCredential] = []
        func add(_ credential: RegistryCredential) { if !found.contains(credential) { found.append(credential) } }
        let isHub = authority == "registry-1.docker.io"
        for entry in entries {
            let isMeant =
                entry.place.isEmpty || Self.matches(entry.place, authority, repository)
                || isHub && (Self.matches(entry.place, "docker.io", repository) || entry.place == Self.dockerHub)
            if isMeant { add(entry.credential) }
        }
        return found
    }

    /// The host part by part, each a pattern; the path as a beginning.
    static func matches(_ place: String, _ authority: String, _ repository: String) -> Bool {
        let pattern = place.prefix { $0 != "/" }
        let path = place[pattern.endIndex...]
        guard "/\(repository)".hasPrefix(path) else { return false }
        let (patternHost, patternPort) = split(pattern)
        let (host, port) = split(authority[...])
        guard patternPort == port else { return false }
        let patterns = patternHost.split(separator: ".", omittingEmptySubsequences: false)
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return patterns.count == parts.count
            && zip(patterns, parts).allSatisfy { isMatch(Array($0.utf8), Array($1.utf8)) }
    }

    private static func split(_ authority: Substring) -> (host: Substring, port: Substring) {
        guard let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") else { return (authority, "") }
        return (authority[..<colon], authority[authority.index(after: colon)...])
    }

    /// `*` and `?`, within one part of a name.
    private static func isMatch(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        var (p, t) = (0, 0)
        var back: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                back = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == UInt8(ascii: "?") || pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let known = back {
                back = (known.pattern, known.text + 1)
                (p, t) = (known.pattern + 1, known.text + 1)
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
