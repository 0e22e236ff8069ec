import Transport

/// Where etcd is, and who we are to it.
public struct EtcdConfig: Sendable {
    /// Members of one cluster, tried in turn.
    public var servers: [GRPCEndpoint]
    /// What servers must show, and our certificate with its key, in PEM. Without a CA the system's are trusted.
    public var authorities: [UInt8]?
    public var certificate: [UInt8]?
    public var privateKey: [UInt8]?
    /// What all keys begin with, without a slash at its end.
    public var prefix: String
    /// How long events live.
    public var eventTTL: Duration
    /// How long opening waits for a server.
    public var patience: Duration = .seconds(20)

    public static let defaultPrefix = "/registry"

    public init(
        servers: [GRPCEndpoint], authorities: [UInt8]? = nil, certificate: [UInt8]? = nil,
        privateKey: [UInt8]? = nil, prefix: String = EtcdConfig.defaultPrefix, eventTTL: Duration = .seconds(3600)
    ) {
        self.servers = servers
        self.authorities = authorities
        self.certificate = certificate
        self.privateKey = privateKey
        self.prefix = prefix
        self.eventTTL = eventTTL
    }

    /// As messages name them.
    var place: String { servers.map(\.description).joined(separator: ",") }
}
