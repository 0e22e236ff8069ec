import ArgumentParser
import ControlPlane
import DNS
import KubeAPI
import Kernel
import Logging
import NodeAgent

/// Flags of the cluster's names.
struct DNSOptions: ParsableArguments {
    @Option(help: "Domain of the cluster's names.")
    var clusterDomain = "cluster.local"
    @Option(help: "Port of the node's address on which names are answered; 0 leaves the cluster without DNS.")
    var dnsPort = 10053
    @Option(help: "Address of the DNS server's metrics; empty is none.")
    var dnsMetricsBindAddress = "127.0.0.1:9153"
    @Option(help: "File that names the resolvers of pods and of the cluster's DNS (default: the node's own).")
    var resolvConf: String?

    func validate() throws {
        try ServerOptions.checkPort("dns-port", dnsPort, allowsZero: true)
        guard dnsMetricsBindAddress.isEmpty || ProxyOptions.place(dnsMetricsBindAddress) != nil else {
            throw ValidationError(
                "--dns-metrics-bind-address \(dnsMetricsBindAddress): it must be ADDRESS:PORT, or empty")
        }
        if let problem = DNSConfig.problem(domain: clusterDomain) {
            throw ValidationError("--cluster-domain \(clusterDomain): \(problem)")
        }
    }

    /// Where the cluster's DNS is: at the service range's tenth address, as is the custom. Nil where it is off, or the
    /// range has no such address.
    func place(in serviceRange: CIDR) -> ClusterDNS? {
        guard dnsPort > 0, let address = serviceRange.nth(10) else { return nil }
        return ClusterDNS(address: address, port: dnsPort)
    }

    /// The resolvers that pods inherit. systemd-resolved's stub answers on the node's loopback alone: behind it lies its
    /// other file.
    var resolverFile: String {
        if let resolvConf { return resolvConf }
        let usual = "/etc/resolv.conf"
        let behindStub = "/run/systemd/resolve/resolv.conf"
        let isStub = KernelFile.readIfPresent(usual)?.contains("nameserver 127.0.0.53") ?? false
        return isStub && KernelFile.readIfPresent(behindStub) != nil ? behindStub : usual
    }

    /// Tells a kubelet what its pods' resolv.conf says. A node without a cluster has no names of one.
    func configure(_ kubelet: inout KubeletConfig, hasCluster: Bool) {
        kubelet.clusterDomain = clusterDomain
        kubelet.resolvConf = resolverFile
        guard hasCluster, let dns = place(in: kubelet.serviceCIDR) else { return }
        kubelet.clusterDNS = ["\(dns.address)"]
    }
}

extension NodeSite {
    /// The cluster's DNS on this node, not running yet; nil where it is off.
    func dns(_ options: DNSOptions, client: any APIClient, log: Logger) throws -> DNSServer? {
        guard let place = options.place(in: serviceRange) else { return nil }
        let own = (addresses + [IPAddress(ipv4: 0x7f00_0001)]).compactMap { CIDR($0, prefixLength: $0.family.bitCount) }
        let config = DNSConfig(
            domain: options.clusterDomain, address: address, port: place.port, serviceAddress: place.address,
            clients: clusterRanges + own, ranges: clusterRanges + serviceRanges, resolvConf: options.resolverFile)
        return try DNSServer(config: config, client: client, log: log)
    }
}
