import KubeAPI

/// A place where an image's repository may be asked for.
struct RegistryEndpoint: Sendable, Hashable {
    /// `https` or `http`.
    var scheme: String
    /// `registry.example:5000`.
    var authority: String
    /// What precedes the repository: `/v2`, or what a mirror's URL says.
    var prefix = "/v2"
    /// Another registry than the image's own: it is told whose image is meant.
    var mirrorOf: String?
    var tls: RegistryTLS?
    /// What the node itself has to show there.
    var credential: RegistryCredential?

    /// - Parameter rest: `manifests/latest`, `blobs/sha256:…`.
    func url(_ repository: String, _ rest: String) -> String {
        let query = mirrorOf.map { "?ns=\($0)" } ?? ""
        return "\(scheme)://\(authority)\(prefix)/\(repository)/\(rest)\(query)"
    }

    /// The parts of an absolute URL of HTTP; nil for anything else.
    static func split(_ url: String) -> (scheme: String, authority: String, rest: String)? {
        for scheme in ["https", "http"] where url.lowercased().hasPrefix(scheme + "://") {
            let tail = url.dropFirst(scheme.count + 3)
            let end = tail.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? tail.endIndex
            let authority = tail[..<end].lowercased()
            guard !authority.isEmpty, !authority.contains("@") else { return nil }
            return (scheme, authority, String(tail[end...].prefix { $0 != "#" }))
        }
        return nil
    }
}

/// How a registry is believed, and how the node shows itself to it: files in PEM.
struct RegistryTLS: Sendable, Hashable {
    /// CA certificates beside the system's.
    var caFile: String?
    var certificateFile: String?
    var keyFile: String?
    /// Any server is believed.
    var isInsecure = false
}
