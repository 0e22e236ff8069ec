import Glibc
import KubeAPI
import Kernel
import Logging
import NodeAgent
import ProxyDataPath
import Transport

/// Where a node stands: its name, address and ranges, with the claim on the latter.
final class NodeSite: Sendable {
    let nodeName: String
    /// One of IPv4, and one of IPv6 where the cluster has both and this node's kernel does IPv6.
    let addresses: [IPAddress]
    /// One of IPv4, and one of IPv6 where the cluster has both.
    let clusterRanges: [CIDR]
    let serviceRanges: [CIDR]
    /// This node's pods, where it is not the API's to say; else empty.
    let podRanges: [CIDR]
    var address: IPAddress { addresses[0] }
    var clusterRange: CIDR { clusterRanges[0] }
    var serviceRange: CIDR { serviceRanges[0] }
    private let paths: Paths
    private let nodeClaim: RangeClaim?
    private let serverClaim: RangeClaim?
    /// Where addresses are some that we have put on lo.
    private let addressKeeper: NodeAddressKeeper?

    /// Claims the ranges and finds, or makes, the node's addresses.
    /// - Parameters:
    ///   - role: which of the root's processes this is; each claims for itself.
    ///   - kinds: what it gives addresses to.
    convenience init(
        ground: Ground, node: NodeOptions, serviceRanges: [CIDR], role: String = "", kinds: [RangeClaim.Kind] = [.node]
    ) throws {
        try self.init(
            ground: ground, nodeName: node.resolvedNodeName, nodeIPs: node.nodeAddresses ?? [],
            clusterRanges: Self.ranges(node.clusterCidr, "cluster-cidr"),
            podRanges: node.podCidr.map { try Self.ranges($0, "pod-cidr") } ?? [], serviceRanges: serviceRanges,
            role: role, kinds: kinds)
    }

    /// - Parameters:
    ///   - nodeIPs: the addresses that were given, one of each family at most.
    ///   - kinds: what it gives addresses to. Of a server alone only the address of its API matters, which is of IPv4.
    init(
        ground: Ground, nodeName: String, nodeIPs: [IPAddress], clusterRanges: [CIDR], podRanges: [CIDR] = [],
        serviceRanges: [CIDR], role: String, kinds: [RangeClaim.Kind]
    ) throws {
        paths = ground.paths
        self.nodeName = nodeName
        self.clusterRanges = clusterRanges
        self.podRanges = podRanges
        self.serviceRanges = serviceRanges
        try Self.check(serviceRanges, clusterRanges)
        let (tag, all, hasNode) = (paths.tag, clusterRanges + serviceRanges + podRanges, kinds.contains(.node))
        nodeClaim = hasNode ? try RangeClaim(.node, tag: tag, role: role, ranges: all) : nil
        serverClaim = kinds.contains(.server) ? try RangeClaim(.server, tag: tag, role: role, ranges: all) : nil
        do {
            let ranges = podRanges.isEmpty ? clusterRanges : podRanges
            let resolution = try NodeAddress.resolve(
                given: nodeIPs, podRanges: hasNode ? NodeAddress.usable(ranges, log: ground.log) : [ranges[0]],
                record: paths.nodeAddress)
            addresses = resolution.addresses
            let own = resolution.own.compactMap { InetAddress(bytes: $0.bytes) }
            addressKeeper = try own.isEmpty ? nil : NodeAddressKeeper(own, log: ground.log)
        } catch let error as KernelError {
            throw CommandError("cannot find the node's address: \(error)")
        }
    }

    private static func check(_ serviceRanges: [CIDR], _ clusterRanges: [CIDR]) throws {
        if let range = clusterRanges.first(where: { serviceRanges.first(of: $0.family) == nil }) {
            throw CommandError(
                "cannot start: pods have the range \(range), but services have none of \(range.family.name); give one by "
                    + "--service-cidr")
        }
        for range in serviceRanges {
            guard let pods = clusterRanges.first(of: range.family) else {
                throw CommandError(
                    "cannot start: services have the range \(range), but pods have none of \(range.family.name); give one "
                        + "by --cluster-cidr")
            }
            guard !range.overlaps(pods) else {
                throw CommandError(
                    "cannot start: the service range \(range) overlaps the pod range \(pods); choose others by "
                        + "--service-cidr and --cluster-cidr")
            }
        }
    }

    /// One of IPv4, and perhaps one of IPv6 behind it.
    static func ranges(_ text: String, _ flag: String) throws -> [CIDR] {
        // Checked when the flags were parsed; a config file may still say anything.
        guard let ranges = CIDR.list(text), ServerOptions.areRanges(ranges) else {
            throw CommandError("--\(flag) \(text): \(ServerOptions.rangesRule)")
        }
        return ranges
    }

    /// Says once at the start what would cut pods off, and what to do about it.
    private func warnOfFirewalls(_ log: Logger) {
        for finding in FirewallChecks.all() where finding.verdict != .ok {
            log.warning(
                "another packet filter may cut pods off",
                metadata: ["filter": "\(finding.name)", "why": "\(finding.detail)", "remedy": "\(finding.remedy)"])
        }
    }

    /// The node agent, not running yet. Without a client it runs static pods alone.
    func kubelet(
        node: NodeOptions, client: (any APIClient)?, tls: ServerTLS?, drain: (any EndpointDrain)? = nil,
        loops: EventLoops, log: Logger
    ) throws -> Kubelet {
        var config = KubeletConfig(
            nodeName: nodeName, nodeIPs: addresses, dataDir: paths.dataDir, runDir: paths.runDir, logDir: paths.logDir,
            manifests: paths.manifests, imageDir: node.imageDir, registries: node.images.file(paths),
            podCIDRs: podRanges, maxPods: node.maxPods,
            podPidsLimit: node.podMaxPids == 0 ? KubeletConfig.defaultPodPidsLimit() : node.podMaxPids,
            clusterCIDR: clusterRange, serviceCIDR: serviceRange, port: node.kubeletPort, tls: tls)
        node.dns.configure(&config, hasCluster: client != nil)
        warnOfFirewalls(log)
        config.endpointDrain = drain
        config.endpointDrainLimit = node.proxy.drainLimit
        let runtime = try PodRuntime(config: paths.runtimeConfig(podRanges: podRanges, nodeIPs: addresses), log: log)
        return try Kubelet(
            config: config, client: client, runtime: runtime, images: ImageStore(folder: paths.images), loops: loops,
            log: log)
    }

    /// The service proxy, not running yet. Without a client it knows no services.
    func proxy(
        node: NodeOptions, nodePorts: ClosedRange<Int>?, client: (any APIClient)?, log: Logger
    ) throws -> ServiceProxy {
        var config = ProxyConfig(
            mode: ProxyConfig.Mode(rawValue: node.proxyMode) ?? .auto, tag: paths.tag, nodeName: nodeName,
            nodeIP: address,
            clusterCIDR: podRanges.first ?? clusterRange, serviceCIDR: serviceRange,
            nodePorts: nodePorts ?? 30_000...32_767)
        if addresses.count > 1, let pods = (podRanges.first(of: .ipv6) ?? clusterRanges.first(of: .ipv6)),
            let services = serviceRanges.first(of: .ipv6)
        {
            config.second = ProxyConfig.Site(nodeIP: addresses[1], clusterCIDR: pods, serviceCIDR: services)
        }
        config.nodePortAddresses = try node.proxy.nodePortRanges
        config.masqueradesAll = node.proxy.masqueradeAll
        config.conntrack = node.proxy.conntrack
        config.savedSysctls = paths.proxySysctls
        return try ServiceProxy(config: config, client: client, log: log)
    }

    /// The pages of the service proxy, not served yet.
    func servers(of proxy: ServiceProxy, node: NodeOptions, loops: EventLoops, log: Logger) -> ProxyServers {
        ProxyServers(proxy: proxy, options: node.proxy, socket: paths.proxySocket, loops: loops, log: log)
    }
}
