import ArgumentParser
import ControlPlane
import Glibc
import KubeAPI
import Logging

/// Flags that every command has. Their names are the keys of the config file.
struct GlobalOptions: ParsableArguments {
    @Option(help: "Folder that prefixes every path, so that several nodes can live on one machine.")
    var root = "/"
    @Option(help: "State: store, certificates, images, pods (default: /var/lib/swiftlet).")
    var dataDir: String?
    @Option(help: "Sockets and what a reboot may lose (default: /run/swiftlet).")
    var runDir: String?
    @Option(help: "Folder of static pods (default: /etc/swiftlet/manifests).")
    var manifests: String?
    @Option(help: "Configuration file (default: /etc/swiftlet/config.yaml); its keys equal the names of flags.")
    var config: String?
    @Option(help: "Least level that is logged: trace, debug, info, warning, error.")
    var logLevel = "info"

    var paths: Paths {
        Paths(root: root, dataDir: dataDir, runDir: runDir, manifests: manifests, configFile: config)
    }

    func validate() throws {
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError("--log-level \(logLevel): it must be trace, debug, info, warning or error")
        }
    }

    func logger(_ label: String) -> Logger {
        let level = Logger.Level(rawValue: logLevel) ?? .info
        return Logger(label: label) { ConsoleLog(label: $0, level: level) }
    }
}

/// Flags of the API server and the controllers.
struct ServerOptions: ParsableArguments {
    @Option(help: "Port of the API over TLS.")
    var securePort = 6443
    @Option(help: "Port of the API without credentials on 127.0.0.1; 0 is off.")
    var insecurePort = 0
    @Option(help: "Address on which the API is served beside the node's.")
    var bindAddress = "127.0.0.1"
    @Option(help: "Range of virtual IPs; one of IPv6 may follow behind a comma.")
    var serviceCidr = "10.96.0.0/16"
    @Option(help: "Ports that services of type NodePort get.")
    var serviceNodePortRange = "30000-32767"
    @Option(help: "Prefix length of each node's pod range.")
    var nodeCidrMaskSize = 22
    @Option(help: "Prefix length of each node's pod range of IPv6, where there is one.")
    var nodeCidrMaskSizeIpv6 = 64
    @Option(help: "How long events are kept, such as 1h or 90m.")
    var eventTtl = "1h"
    @Flag(
        inversion: .prefixedNo,
        help: "Let one of several servers' schedulers and controllers work at a time, by leases in kube-system.")
    var leaderElect = false
    @OptionGroup(title: "etcd") var etcd: EtcdOptions

    func validate() throws {
        try Self.checkPort("secure-port", securePort, allowsZero: false)
        try Self.checkPort("insecure-port", insecurePort, allowsZero: true)
        guard IPAddress(bindAddress) != nil else {
            throw ValidationError("--bind-address \(bindAddress): it must be an IP address")
        }
        try Self.checkRanges("service-cidr", serviceCidr)
        guard nodePorts != nil else {
            throw ValidationError(
                "--service-node-port-range \(serviceNodePortRange): it must be FIRST-LAST within 1-65535")
        }
        try Self.checkMasks(nodeCidrMaskSize, ipv6: nodeCidrMaskSizeIpv6)
        try Self.checkEventTTL(eventTtl)
    }

    var nodePorts: ClosedRange<Int>? { Self.portRange(serviceNodePortRange) }

    /// `30000-32767`
    static func portRange(_ text: String) -> ClosedRange<Int>? {
        let parts = text.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 2, parts[0] >= 1, parts[1] <= 65535, parts[0] <= parts[1] else { return nil }
        return parts[0]...parts[1]
    }

    /// One of IPv4, and perhaps one of IPv6.
    var serviceRanges: [CIDR] { get throws { try NodeSite.ranges(serviceCidr, "service-cidr") } }

    /// The API server's settings.
    func apiServer(paths: Paths, address: IPAddress, dns: ClusterDNS?) throws -> APIServerConfig {
        let ranges = try serviceRanges
        var config = APIServerConfig(
            storePath: paths.store, serviceCIDR: ranges[0], nodePortRange: nodePorts ?? 30_000...32_767,
            advertiseAddress: address, bindAddress: bindAddress, securePort: securePort,
            insecurePort: insecurePort == 0 ? nil : insecurePort, logFolder: paths.logDir, dns: dns)
        config.secondServiceCIDR = ranges.first(of: .ipv6)
        config.etcd = try etcd.config(eventTTL: eventLifetime ?? .seconds(3600))
        return config
    }

    /// The controllers' settings.
    func controllers(clusterRanges: [CIDR], pki: ClusterPKI) -> ControllerOptions {
        Self.controllers(
            clusterRanges, maskSize: nodeCidrMaskSize, secondMaskSize: nodeCidrMaskSizeIpv6, eventTTL: eventLifetime,
            authority: { pki.authority }, tokenKey: { pki.tokenKey })
    }

    /// - Parameter ranges: one of IPv4, and perhaps one of IPv6.
    static func controllers(
        _ ranges: [CIDR], maskSize: Int, secondMaskSize: Int, eventTTL: Duration?,
        authority: @escaping @Sendable () throws -> [UInt8], tokenKey: @escaping @Sendable () throws -> TokenKey
    ) -> ControllerOptions {
        var options = ControllerOptions(
            clusterCIDR: ranges[0], nodeCIDRMaskSize: maskSize, eventTTL: eventTTL ?? .seconds(3600),
            resources: ControllerOptions.builtinResources, authority: authority, tokenKey: tokenKey)
        options.secondRange = ranges.first(of: .ipv6).map { ($0, secondMaskSize) }
        return options
    }

    /// Every pod has an address of each of its node's ranges.
    static func checkMasks(_ first: Int, ipv6 second: Int) throws {
        guard (8...30).contains(first) else {
            throw ValidationError("--node-cidr-mask-size \(first): it must be within 8-30")
        }
        guard (16...96 + first).contains(second) else {
            throw ValidationError("--node-cidr-mask-size-ipv6 \(second): it must be within 16-\(96 + first)")
        }
    }

    static func checkEventTTL(_ text: String) throws {
        guard Duration(goDuration: text) != nil else {
            throw ValidationError("--event-ttl \(text): it must be a duration such as 1h or 90m")
        }
    }

    var eventLifetime: Duration? { Duration(goDuration: eventTtl) }

    static func checkPort(_ name: String, _ port: Int, allowsZero: Bool) throws {
        guard (allowsZero ? 0 : 1)...65535 ~= port else {
            throw ValidationError("--\(name) \(port): it must be a port number")
        }
    }

    static func checkRanges(_ name: String, _ text: String) throws {
        guard CIDR.list(text).map(areRanges) == true else {
            throw ValidationError("--\(name) \(text): \(rangesRule)")
        }
    }

    static let rangesRule =
        "it must be an address range such as 10.96.0.0/16, or one of IPv4 and one of IPv6 with a comma between them"

    /// One of IPv4, and perhaps one of IPv6 behind it.
    static func areRanges(_ ranges: [CIDR]) -> Bool {
        [[.ipv4], [.ipv4, .ipv6]].contains(ranges.map(\.family))
    }
}

/// Flags of the node: kubelet, proxy and DNS.
struct NodeOptions: ParsableArguments {
    @Option(help: "Name of the node (default: the host's name).")
    var nodeName: String?
    @Option(help: "Address of the node, and one of IPv6 behind a comma (default: the sources of the default routes).")
    var nodeIp: String?
    @Option(help: "Range that all pods of the cluster are in; one of IPv6 may follow behind a comma.")
    var clusterCidr = "10.244.0.0/16"
    @Option(help: "Range of this node's pods, for a kubelet that stands alone.")
    var podCidr: String?
    @Option(help: "Most pods that this node runs.")
    var maxPods = 110
    @Option(help: "Most processes and threads of one pod; 0 is a quarter of what the node can have.")
    var podMaxPids = 0
    @Option(help: "Folder of image archives that are imported at start.")
    var imageDir: String?
    @OptionGroup(title: "Images") var images: RegistryOptions
    @Option(help: "Port of the node's own API over TLS.")
    var kubeletPort = 10250
    @Option(help: "How services are carried: auto, nftables or userspace.")
    var proxyMode = "auto"
    @OptionGroup(title: "Proxy") var proxy: ProxyOptions
    @OptionGroup(title: "DNS") var dns: DNSOptions

    func validate() throws {
        if let nodeIp, nodeAddresses == nil {
            throw ValidationError(
                "--node-ip \(nodeIp): it must be an IP address, or one of IPv4 and one of IPv6 with a comma between them"
            )
        }
        try ServerOptions.checkRanges("cluster-cidr", clusterCidr)
        if let podCidr { try ServerOptions.checkRanges("pod-cidr", podCidr) }
        guard (1...4000).contains(maxPods) else {
            throw ValidationError("--max-pods \(maxPods): it must be within 1-4000")
        }
        guard podMaxPids == 0 || podMaxPids >= 16 else {
            throw ValidationError("--pod-max-pids \(podMaxPids): it must be 0, or at least 16")
        }
        try ServerOptions.checkPort("kubelet-port", kubeletPort, allowsZero: false)
        guard ["auto", "nftables", "userspace"].contains(proxyMode) else {
            throw ValidationError("--proxy-mode \(proxyMode): it must be auto, nftables or userspace")
        }
    }

    /// The given ones, of which only IPv4 is needed; nil where what is given is no such thing.
    var nodeAddresses: [IPAddress]? {
        guard let nodeIp else { return [] }
        let parts = nodeIp.split(separator: ",", omittingEmptySubsequences: false)
        let addresses = parts.compactMap { IPAddress(String($0)) }
        guard addresses.count == parts.count, Set(addresses.map(\.family)).count == addresses.count else { return nil }
        return addresses
    }

    /// The given name, else the host's, in lower case as node names must be.
    var resolvedNodeName: String { (nodeName ?? Self.hostName).lowercased() }

    static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
