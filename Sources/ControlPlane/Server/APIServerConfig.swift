import KubeAPI

/// What an API server needs to know.
public struct APIServerConfig: Sendable {
    /// The file of the embedded store; its directory must exist.
    public var storePath: String
    /// Where the store is instead, for more than one server; nil for the file.
    public var etcd: EtcdConfig?
    /// Virtual IPs come from here; the first address is the API's own.
    public var serviceCIDR: CIDR
    /// A range of the other family, where the cluster has both.
    public var secondServiceCIDR: CIDR?
    public var nodePortRange: ClosedRange<Int>
    /// Under which nodes and pods reach this server: the endpoint of the service `kubernetes`. The server listens there
    /// besides.
    public var advertiseAddress: IPAddress
    /// Tests have no such address.
    var listensOnAdvertiseAddress = true
    /// Where the server listens: an address, `0.0.0.0` or `::` for all.
    public var bindAddress: String
    /// Port 0 takes a free one.
    public var securePort: Int
    /// Plain HTTP without credentials on 127.0.0.1; nil for none, 0 for a free port.
    public var insecurePort: Int?
    /// What `/logs/` shows; nil for nothing.
    public var logFolder: String?
    /// The cluster's DNS, which a service leads to; nil where there is none.
    public var dns: ClusterDNS?
    /// Static bearer tokens.
    public var tokens: [String: UserInfo]

    public init(
        storePath: String, serviceCIDR: CIDR, nodePortRange: ClosedRange<Int> = 30_000...32_767,
        advertiseAddress: IPAddress, bindAddress: String = "127.0.0.1", securePort: Int = 6443,
        insecurePort: Int? = nil, logFolder: String? = nil, dns: ClusterDNS? = nil,
        tokens: [String: UserInfo] = [:]
    ) {
        self.storePath = storePath
        self.serviceCIDR = serviceCIDR
        self.nodePortRange = nodePortRange
        self.advertiseAddress = advertiseAddress
        self.bindAddress = bindAddress
        self.securePort = securePort
        self.insecurePort = insecurePort
        self.logFolder = logFolder
        self.dns = dns
        self.tokens = tokens
    }
}

/// Where the cluster's DNS is found: at the service's address, and at a port of the node's.
public struct ClusterDNS: Sendable {
    public var address: IPAddress
    public var port: Int

    public init(address: IPAddress, port: Int) {
        self.address = address
        self.port = port
    }
}

/// Why an API server does not start: what could not be done, why, and what helps.
public struct APIServerError: Error, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
