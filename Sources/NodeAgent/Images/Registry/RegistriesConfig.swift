import Glibc
import KubeAPI

/// Mirrors of registries, and what the node has to know of single hosts, in the form that containerd's users know:
///
///     mirrors:
///       docker.io: {endpoint: ["https://mirror.example:5000"]}
///     configs:
///       mirror.example:5000:
///         auth: {username: …, password: …}
///         tls: {ca_file: …, cert_file: …, key_file: …, insecure_skip_verify: false}
struct RegistriesConfig: Sendable, Equatable {
    struct Host: Sendable, Equatable {
        var tls: RegistryTLS?
        var credential: RegistryCredential?
    }

    /// Endpoints of registries, by their names; `*` for all that have none.
    private(set) var mirrors: [String: [RegistryEndpoint]] = [:]
    private(set) var hosts: [String: Host] = [:]

    init() {}

    /// - Throws: `ImageError` that names the key.
    init(_ json: JSON) throws(ImageError) {
        guard json.isNull || json.isObject else { throw ImageError("it must be a map of mirrors and configs") }
        for name in json.object?.names ?? [] where !["mirrors", "configs"].contains(name) {
            throw ImageError("\(name): there is no such key; there are mirrors and configs")
        }
        for (name, value) in json["configs"].object ?? JSONObject() { hosts[name] = try Self.host(name, value) }
        for (name, value) in json["mirrors"].object ?? JSONObject() {
            guard let endpoints = value["endpoint"].array ?? value["endpoints"].array else {
                throw ImageError("mirrors: \(name): it lacks a list endpoint")
            }
            mirrors[name] = try endpoints.map { value throws(ImageError) in
                try endpoint(value.stringValue, for: name)
            }
        }
    }

    /// Where a registry's images are to be had, in the order of trying: its mirrors, then itself.
    func endpoints(for domain: String) -> [RegistryEndpoint] {
        let authority = (domain == "docker.io" ? "registry-1.docker.io" : domain).lowercased()
        var endpoints = mirrors[domain] ?? mirrors["*"] ?? []
        for index in endpoints.indices where endpoints[index].authority != authority {
            endpoints[index].mirrorOf = domain
        }
        if !endpoints.contains(where: { $0.authority == authority }) {
            let host = hosts[domain] ?? hosts[authority]
            // As containerd: what is on this machine is asked in the plain, unless something is said of its TLS.
            let isPlain = host?.tls == nil && Self.isLocal(authority)
            endpoints.append(
                known(RegistryEndpoint(scheme: isPlain ? "http" : "https", authority: authority), as: domain))
        }
        return endpoints
    }

    /// Where a redirect leads.
    func endpoint(scheme: String, authority: String) -> RegistryEndpoint {
        known(RegistryEndpoint(scheme: scheme, authority: authority), as: authority)
    }

    private func known(_ endpoint: RegistryEndpoint, as name: String) -> RegistryEndpoint {
        var endpoint = endpoint
        let host = hosts[name] ?? hosts[endpoint.authority]
        endpoint.tls = host?.tls
        endpoint.credential = host?.credential
        return endpoint
    }

    private func endpoint(_ url: String, for name: String) throws(ImageError) -> RegistryEndpoint {
        guard let (scheme, authority, rest) = RegistryEndpoint.split(url.contains("://") ? url : "https://" + url),
            !rest.contains("?")
        else { throw ImageError("mirrors: \(name): endpoint \"\(url)\" is no URL of http or https") }
        var endpoint = RegistryEndpoint(scheme: scheme, authority: authority)
        let path = rest.hasSuffix("/") ? String(rest.dropLast()) : rest
        if !path.isEmpty { endpoint.prefix = path }
        return known(endpoint, as: authority)
    }

    private static func host(_ name: String, _ json: JSON) throws(ImageError) -> Host {
        var host = Host()
        if json["tls"].isObject {
            let tls = json["tls"]
            host.tls = RegistryTLS(
                caFile: tls["ca_file"].string, certificateFile: tls["cert_file"].string,
                keyFile: tls["key_file"].string, isInsecure: tls["insecure_skip_verify"].bool ?? false)
        }
        if json["auth"].isObject {
            guard let credential = RegistryCredential(json["auth"]) else {
                throw ImageError("configs: \(name): auth has neither username and password nor auth nor identity_token")
            }
            host.credential = credential
        }
        return host
    }

    private static func isLocal(_ authority: String) -> Bool {
        if authority.hasPrefix("[::1]") { return true }
        let host = authority.prefix { $0 != ":" }
        return host == "localhost" || IPAddress(String(host)).map { !$0.isIPv6 && $0.bytes.first == 127 } ?? false
    }
}

extension RegistriesConfig {
    /// Registries have no more to say than that.
    private static let sizeLimit = 1 << 20

    /// The file's content; a missing file says nothing.
    /// - Throws: `ImageError` that names the file.
    static func read(_ path: String) throws -> RegistriesConfig {
        guard access(path, F_OK) == 0 else { return RegistriesConfig() }
        do {
            let documents = try YAML.parse(try HostFiles.read(path, limit: sizeLimit))
            return try RegistriesConfig(documents.first ?? .null)
        } catch {
            throw ImageError("cannot read \(path): \(error)")
        }
    }
}
