import KubeAPI

/// What the proxy is told at start.
public struct ProxyConfig: Sendable {
    /// How services are carried.
    public enum Mode: String, Sendable, CaseIterable {
        /// By rules where nf_tables can be used, else in userspace.
        case auto
        case nftables
        case userspace
    }

    public var mode: Mode
    /// Names what we leave in the kernel: the table `swiftlet-<tag>`, and our routes.
    public var tag: String
    public var nodeName: String
    /// The node's own address (IPv4), which must be on one of its links; likewise the ranges.
    public var nodeIP: IPAddress
    /// Where all pods of the cluster are.
    public var clusterCIDR: CIDR
    /// Where the virtual addresses are.
    public var serviceCIDR: CIDR
    /// The same three of IPv6, where services have addresses of both families.
    public var second: Site?
    /// Ports that services of type NodePort get.
    public var nodePorts: ClosedRange<Int>
    /// Bits of the connection mark that rules may use for what they find out about a connection.
    public var markMask: UInt32
    /// Node ports are answered on the node's addresses within these; none: on its own address alone.
    public var nodePortAddresses: [CIDR] = []
    /// Every connection to a service gets the node's address, not only those that need it.
    public var masqueradesAll = false
    /// What conntrack's limits shall be; nil leaves them alone.
    public var conntrack: ConntrackSettings?
    /// Where the old values of settings are kept; needed for `conntrack`.
    public var savedSysctls: String?

    public init(
        mode: Mode = .auto, tag: String, nodeName: String, nodeIP: IPAddress, clusterCIDR: CIDR, serviceCIDR: CIDR,
        nodePorts: ClosedRange<Int> = 30000...32767, markMask: UInt32 = .max
    ) {
        self.mode = mode
        self.tag = tag
        self.nodeName = nodeName
        self.nodeIP = nodeIP
        self.clusterCIDR = clusterCIDR
        self.serviceCIDR = serviceCIDR
        self.nodePorts = nodePorts
        self.markMask = markMask
    }

    /// What of one family the proxy has to do with.
    public struct Site: Sendable {
        public var nodeIP: IPAddress
        public var clusterCIDR: CIDR
        public var serviceCIDR: CIDR

        public init(nodeIP: IPAddress, clusterCIDR: CIDR, serviceCIDR: CIDR) {
            self.nodeIP = nodeIP
            self.clusterCIDR = clusterCIDR
            self.serviceCIDR = serviceCIDR
        }

        var family: IPAddress.Family { nodeIP.family }
    }

    /// IPv4, and IPv6 where it is carried as well.
    var sites: [Site] {
        [Site(nodeIP: nodeIP, clusterCIDR: clusterCIDR, serviceCIDR: serviceCIDR)] + [second].compactMap(\.self)
    }

    /// `swiftlet-<tag>`
    public var table: String { Self.table(tag: tag) }

    static func table(tag: String) -> String { "swiftlet-\(tag)" }
}

/// A setting with which the proxy can't work.
public struct ProxyConfigError: Error, CustomStringConvertible {
    public let description: String
}

extension ProxyConfig {
    /// The layout of marks, after all settings have been looked at.
    func check() throws(ProxyConfigError) -> MarkLayout {
        for (site, family) in zip(sites, IPAddress.Family.allCases) {
            let (pods, services) = (site.clusterCIDR, site.serviceCIDR)
            guard [site.family, pods.family, services.family].allSatisfy({ $0 == family }) else {
                throw ProxyConfigError(
                    description:
                        "cannot proxy for \(site.nodeIP), \(pods), \(services): they are not all of \(family.name)"
                )
            }
            guard !pods.overlaps(services) else {
                throw ProxyConfigError(
                    description: "cannot proxy: pods' range \(pods) and services' range \(services) overlap")
            }
        }
        guard let layout = MarkLayout(mask: markMask) else {
            throw ProxyConfigError(
                description: "cannot use mark mask \(hex(markMask)): it must be one run of at least 16 bits")
        }
        return layout
    }
}
