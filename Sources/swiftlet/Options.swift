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
    @Option(help: "Range of virtual IPs.")
    var serviceCidr = "10.96.0.0/16"
    @Option(help: "Ports that services of type NodePort get.")
    var serviceNodePortRange = "30000-32767"
    @Option(help: "Prefix length of each node's pod range.")
    var nodeCidrMaskSize = 22
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
        try Self.checkRange("service-cidr", serviceCidr)
        guard nodePorts != nil else {
            throw ValidationError(
                "--service-node-port-range \(serviceNodePortRange): it must be FIRST-LAST within 1-65535")
        }
        guard (8...30).contains(nodeCidrMaskSize) else {
            throw ValidationError("--node-cidr-mask-size \(nodeCidrMaskSize): it must be within 8-30")
        }
        guard eventLifetime != nil else {
            throw ValidationError("--event-ttl \(eventTtl): it must be a duration such as 1h or 90m")
        }
    }

    var nodePorts: ClosedRange<Int>? { Self.portRange(serviceNodePortRange) }

    /// `30000-32767`
    static func portRange(_ text: String) -> ClosedRange<Int>? {
        let parts = text.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 2, parts[0] >= 1, parts[1] <= 65535, parts[0] <= parts[1] else { return nil }
        return parts[0]...parts[1]
    }

    /// Checked by `validate`; what is left here can't be nil.
    var serviceRange: CIDR { get throws { try NodeSite.range(serviceCidr, "service-cidr") } }

    /// The API server's settings.
    func apiServer(paths: Paths, address: IPAddress, dns: ClusterDNS?) throws -> APIServerConfig {
        var config = APIServerConfig(
            storePath: paths.store, serviceCIDR: try serviceRange, nodePortRange: nodePorts ?? 30_000...32_767,
            advertiseAddress: address, bindAddress: bindAddress, securePort: securePort,
            insecurePort: insecurePort == 0 ? nil : insecurePort, logFolder: paths.logDir, dns: dns)
        config.etcd = try etcd.config(eventTTL: eventLifetime ?? .seconds(3600))
        return config
    }

    /// The controllers' settings.
    func controllers(clusterRange: CIDR, pki: ClusterPKI) -> ControllerOptions {
        ControllerOptions(
            clusterCIDR: clusterRange, nodeCIDRMaskSize: nodeCidrMaskSize,
            eventTTL: eventLifetime ?? .seconds(3600), resources: ControllerOptions.builtinResources,
            authority: { pki.authority }, tokenKey: { pki.tokenKey })
    }

    var eventLifetime: Duration? { Duration(goDuration: eventTtl) }

    static func checkPort(_ name: String, _ port: Int, allowsZero: Bool) throws {
        guard (allowsZero ? 0 : 1)...65535 ~= port else {
            throw ValidationError("--\(name) \(port): it must be a port number")
        }
    }

    static func checkRange(_ name: String, _ text: String) throws {
        guard CIDR(text) != nil else {
            throw ValidationError("--\(name) \(text): it must be an address range such as 10.96.0.0/16")
        }
    }
}

/// Flags of the node: kubelet, proxy and DNS.
struct NodeOptions: ParsableArguments {
    @Option(help: "Name of the node (default: the host's name).")
    var nodeName: String?
    @Option(help: "Address of the node (default: the source of the default route).")
    var nodeIp: String?
    @Option(help: "Range that all pods of the cluster are in.")
    var clusterCidr = "10.244.0.0/16"
    @Option(help: "Range of this node's pods, for a kubelet that stands alone.")
    var podCidr: String?
    @Option(help: "Most pods that this node runs.")
    var maxPods = 110
    @Option(help: "Most processes and threads of one pod; 0 is a quarter of what the node can have.")
    var podMaxPids = 0
    @Option(help: "Folder of image archives that are imported at start.")
    var imageDir: String?
    @Option(help: "Port of the node's own API over TLS.")
    var kubeletPort = 10250
    @Option(help: "How services are carried: auto, nftables or userspace.")
    var proxyMode = "auto"
    @OptionGroup(title: "Proxy") var proxy: ProxyOptions
    @OptionGroup(title: "DNS") var dns: DNSOptions

    func validate() throws {
        if let nodeIp, IPAddress(nodeIp) == nil {
            throw ValidationError("--node-ip \(nodeIp): it must be an IP address")
        }
        try ServerOptions.checkRange("cluster-cidr", clusterCidr)
        if let podCidr { try ServerOptions.checkRange("pod-cidr", podCidr) }
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

    /// The given name, else the host's, in lower case as node names must be.
    var resolvedNodeName: String { (nodeName ?? Self.hostName).lowercased() }

    static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
