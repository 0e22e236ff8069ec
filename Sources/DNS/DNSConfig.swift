import KubeAPI

/// How a node's DNS server is set up.
public struct DNSConfig: Sendable {
    /// The cluster's domain: `cluster.local`.
    public var domain: String
    /// Where the server is reached: the node's address, which the service kube-dns leads to.
    public var address: IPAddress
    public var port: Int
    /// The address that pods ask: the service's.
    public var serviceAddress: IPAddress
    /// Who is answered: an open resolver serves attackers first.
    public var clients: [CIDR]
    /// Ranges whose reverse names are the cluster's alone.
    public var ranges: [CIDR]
    /// The file that names the resolvers behind, in the form of resolv.conf(5).
    public var resolvConf: String

    public init(
        domain: String, address: IPAddress, port: Int, serviceAddress: IPAddress, clients: [CIDR], ranges: [CIDR],
        resolvConf: String = "/etc/resolv.conf"
    ) {
        self.domain = domain
        self.address = address
        self.port = port
        self.serviceAddress = serviceAddress
        self.clients = clients
        self.ranges = ranges
        self.resolvConf = resolvConf
    }

    /// Why a domain can't be one; nil where it can.
    public static func problem(domain: String) -> String? {
        guard let name = DNSName(domain), name.labels.count >= 1, name.wire.count <= 128,
            domain.utf8.allSatisfy({
                (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d || $0 == 0x2e
            })
        else { return "it must be a domain of lower case letters, digits and dashes, such as cluster.local" }
        return nil
    }
}
