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
    let address: IPAddress
    let clusterRange: CIDR
    let serviceRange: CIDR
    /// This node's pods, where it is not the API's to say.
    let podRange: CIDR?
    private let paths: Paths
    private let nodeClaim: RangeClaim?
    private let serverClaim: RangeClaim?
    /// Where the address is one that we have put on lo.
    private let addressKeeper: NodeAddressKeeper?

    /// Claims the ranges and finds, or makes, the node's address.
    /// - Parameters:
    ///   - role: which of the root's processes this is; each claims for itself.
    ///   - kinds: what it gives addresses to.
    convenience init(
        ground: Ground, node: NodeOptions, serviceRange: CIDR, role: String = "", kinds: [RangeClaim.Kind] = [.node]
    ) throws {
        try self.init(
            ground: ground, nodeName: node.resolvedNodeName, nodeIP: node.nodeIp,
            clusterRange: Self.range(node.clusterCidr, "cluster-cidr"),
            podRange: node.podCidr.map { try Self.range($0, "pod-cidr") }, serviceRange: serviceRange, role: role,
            kinds: kinds)
    }

    init(
        ground: Ground, nodeName: String, nodeIP: String?, clusterRange: CIDR, podRange: CIDR? = nil,
        serviceRange: CIDR, role: String, kinds: [RangeClaim.Kind]
    ) throws {
        paths = ground.paths
        self.nodeName = nodeName
        self.clusterRange = clusterRange
        self.podRange = podRange
        self.serviceRange = serviceRange
        guard !serviceRange.overlaps(clusterRange) else {
            throw CommandError(
                "cannot start: the service range \(serviceRange) overlaps the pod range \(clusterRange); choose others by "
                    + "--service-cidr and --cluster-cidr")
        }
        let ranges = [clusterRange, serviceRange] + [podRange].compactMap(\.self)
        if kinds.contains(.node) {
            nodeClaim = try RangeClaim(.node, tag: paths.tag, role: role, ranges: ranges)
        } else {
            nodeClaim = nil
        }
        if kinds.contains(.server) {
            serverClaim = try RangeClaim(.server, tag: paths.tag, role: role, ranges: ranges)
        } else {
            serverClaim = nil
        }
        do {
            address = try NodeAddress.resolve(
                given: nodeIP, podRange: podRange ?? clusterRange, record: paths.nodeAddress)
            let isOnLoopback = nodeIP == nil && (podRange ?? clusterRange).contains(address)
            addressKeeper =
                try isOnLoopback
                ? InetAddress(bytes: address.bytes).map { try NodeAddressKeeper($0, log: ground.log) } : nil
        } catch let error as KernelError {
            throw CommandError("cannot find the node's address: \(error)")
        }
    }

    static func range(_ text: String, _ flag: String) throws -> CIDR {
        // Checked when the flags were parsed; a config file may still say anything.
        guard let range = CIDR(text) else { throw CommandError("--\(flag) \(text): it must be an address range") }
        return range
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
            nodeName: nodeName, nodeIPs: [address], dataDir: paths.dataDir, runDir: paths.runDir, logDir: paths.logDir,
            manifests: paths.manifests, imageDir: node.imageDir, registries: node.images.file(paths), podCIDR: podRange,
            maxPods: node.maxPods,
            podPidsLimit: node.podMaxPids == 0 ? KubeletConfig.defaultPodPidsLimit() : node.podMaxPids,
            clusterCIDR: clusterRange, serviceCIDR: serviceRange, port: node.kubeletPort, tls: tls)
        node.dns.configure(&config, hasCluster: client != nil)
        warnOfFirewalls(log)
        config.endpointDrain = drain
        config.endpointDrainLimit = node.proxy.drainLimit
        let runtime = try PodRuntime(config: paths.runtimeConfig(podRange: podRange, nodeIP: address), log: log)
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
            clusterCIDR: podRange ?? clusterRange, serviceCIDR: serviceRange, nodePorts: nodePorts ?? 30_000...32_767)
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
