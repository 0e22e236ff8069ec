import KubeAPI
import Logging

/// The file by which kubectl and components find an API server and show who they are (`kind: Config`). What we don't
/// know in it is kept.
public struct Kubeconfig: Sendable {
    /// Why a kubeconfig is of no use.
    public struct Invalid: Error, Sendable, CustomStringConvertible {
        public let description: String
        init(_ description: String) { self.description = description }
    }

    /// The file as a tree.
    public private(set) var document: JSON
    /// Where relative paths in it begin.
    private var directory: String

    /// From a parsed file.
    public init(document: JSON, directory: String = ".") throws(Invalid) {
        guard document.isObject || document.isNull else { throw Invalid("kubeconfig is not a map") }
        for list in ["clusters", "users", "contexts"] {
            guard document[list].isNull || document[list].array != nil else {
                throw Invalid("kubeconfig: \(list) is not a list")
            }
        }
        self.document = document
        self.directory = directory
    }

    /// One cluster, user and context of that name; certificates and key in PEM.
    public init(
        name: String = "swiftlet", server: String, certificateAuthority: [UInt8], clientCertificate: [UInt8],
        clientKey: [UInt8]
    ) {
        directory = "."
        document = [
            "apiVersion": "v1", "kind": "Config",
            "clusters": [
                [
                    "name": .string(name),
                    "cluster": [
                        "server": .string(server),
                        "certificate-authority-data": .string(Base64.encode(certificateAuthority)),
                    ],
                ]
            ],
            "users": [
                [
                    "name": .string(name),
                    "user": [
                        "client-certificate-data": .string(Base64.encode(clientCertificate)),
                        "client-key-data": .string(Base64.encode(clientKey)),
                    ],
                ]
            ],
            "contexts": [
                ["name": .string(name), "context": ["cluster": .string(name), "user": .string(name)]]
            ],
            "current-context": .string(name),
        ]
    }

    public var currentContext: String { document["current-context"].stringValue }

    /// Takes over the other's clusters, users and contexts, replacing those of equal names, and its current context.
    public mutating func merge(_ other: Kubeconfig) {
        if document["apiVersion"].isNull { document["apiVersion"] = "v1" }
        if document["kind"].isNull { document["kind"] = "Config" }
        for list in ["clusters", "users", "contexts"] {
            var entries = document[list].items
            for entry in other.document[list].items {
                if let index = entries.firstIndex(where: { $0["name"] == entry["name"] }) {
                    entries[index] = entry
                } else {
                    entries.append(entry)
                }
            }
            document[list] = .array(entries)
        }
        if !other.currentContext.isEmpty { document["current-context"] = .string(other.currentContext) }
    }

    // MARK: use

    /// What a context says about reaching a server.
    public struct Connection: Sendable {
        public var server: String
        public var tls: ClientTLS?
        public var bearerToken: String?
        /// `default` where the context names none.
        public var namespace: String
    }

    /// Resolves a context (nil: the current one), reading the files that it names.
    public func connection(context: String? = nil) throws -> Connection {
        let name = context ?? currentContext
        guard !name.isEmpty else { throw Invalid("kubeconfig has no current-context") }
        let context = try entry("contexts", "context", name)
        let cluster = try entry("clusters", "cluster", context["cluster"].stringValue)
        let user =
            context["user"].stringValue.isEmpty
            ? JSON.emptyObject : try entry("users", "user", context["user"].stringValue)
        let server = cluster["server"].stringValue
        guard !server.isEmpty else {
            throw Invalid("kubeconfig: cluster \"\(context["cluster"].stringValue)\" has no server")
        }
        guard user["exec"].isNull, user["auth-provider"].isNull else {
            throw Invalid("kubeconfig: user \"\(context["user"].stringValue)\" needs a plugin, which is not supported")
        }
        var token = user["token"].string
        if token == nil, let path = user["tokenFile"].string {
            let text = String(decoding: try PrivateFile.read(absolute(path)), as: UTF8.self)
            token = String(text.prefix { $0 != "\n" && $0 != "\r" && $0 != "\r\n" })
        }
        let tls =
            server.hasPrefix("https:")
            ? try ClientTLS(
                authorities: try bytes(cluster, "certificate-authority"),
                certificateChain: try bytes(user, "client-certificate"), privateKey: try bytes(user, "client-key"),
                serverName: cluster["tls-server-name"].string,
                isInsecure: cluster["insecure-skip-tls-verify"].bool ?? false) : nil
        return Connection(
            server: server, tls: tls, bearerToken: token, namespace: context["namespace"].string ?? "default")
    }

    /// Certificates and key of a context, in PEM; nil for what it does not have.
    public struct Material: Sendable {
        public var authority: [UInt8]?
        public var certificate: [UInt8]?
        public var privateKey: [UInt8]?
    }

    /// Reads the certificates of a context (nil: the current one).
    public func material(context: String? = nil) throws -> Material {
        let context = try entry("contexts", "context", context ?? currentContext)
        let cluster = try entry("clusters", "cluster", context["cluster"].stringValue)
        let user = try entry("users", "user", context["user"].stringValue)
        return Material(
            authority: try bytes(cluster, "certificate-authority"),
            certificate: try bytes(user, "client-certificate"), privateKey: try bytes(user, "client-key"))
    }

    /// Whether it has a context of that name.
    public func hasContext(_ name: String) -> Bool {
        document["contexts"].items.contains { $0["name"].string == name }
    }

    /// A client for a context (nil: the current one).
    public func client(context: String? = nil, loops: EventLoops, log: Logger) throws -> HTTPAPIClient {
        let connection = try connection(context: context)
        return HTTPAPIClient(
            server: connection.server, tls: connection.tls, bearerToken: connection.bearerToken, loops: loops, log: log)
    }

    private func entry(_ list: String, _ member: String, _ name: String) throws(Invalid) -> JSON {
        guard let entry = document[list].items.first(where: { $0["name"].string == name }) else {
            throw Invalid("kubeconfig has no \(member) \"\(name)\"")
        }
        return entry[member]
    }

    /// `KEY-data` in Base64, else the file that `KEY` names.
    private func bytes(_ object: JSON, _ key: String) throws -> [UInt8]? {
        if let text = object["\(key)-data"].string {
            guard let bytes = Base64.decode(text) else { throw Invalid("kubeconfig: \(key)-data is not Base64") }
            return bytes
        }
        guard let path = object[key].string else { return nil }
        return try PrivateFile.read(absolute(path))
    }

    private func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "\(directory)/\(path)" }
}
