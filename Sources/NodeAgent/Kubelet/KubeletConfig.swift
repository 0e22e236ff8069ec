import KubeAPI
import Kernel
import Transport

/// How a node's kubelet is set up. All paths are absolute and already under the node's root.
public struct KubeletConfig: Sendable {
    public var nodeName: String
    /// The node's own addresses, the main one first.
    public var nodeIPs: [IPAddress]
    /// State that outlives a reboot: `/var/lib/swiftlet`.
    public var dataDir: String
    /// State that does not: `/run/swiftlet`.
    public var runDir: String
    /// Holds `pods` and `containers`: `/var/log`.
    public var logDir: String
    /// Folder of static pods.
    public var manifests: String
    /// Folder of image archives that are imported at start; nil for none.
    public var imageDir: String?
    /// The file of mirrors and of what registries want; it may be missing.
    public var registries: String
    /// The node's pod ranges where they are not the API's to give, one of each family; empty where they are.
    public var podCIDRs: [CIDR]
    public var maxPods: Int
    /// Processes and threads that one pod may have; nil for no bound.
    public var podPidsLimit: Int?
    public var clusterCIDR: CIDR
    public var serviceCIDR: CIDR
    /// Port of the node API over TLS.
    public var port: Int
    /// The node API's certificate, and the CA of its clients; nil for a kubelet that is asked over its socket alone.
    public var tls: ServerTLS?
    /// Addresses of the cluster's DNS; pods have the node's resolvers where there are none.
    public var clusterDNS: [String]
    public var clusterDomain: String
    /// The resolver configuration that pods inherit.
    public var resolvConf: String
    /// Asked before the containers of a deleted pod are told to end; nil where nobody sends connections to pods.
    public var endpointDrain: (any EndpointDrain)?
    /// How long that may take, within the pod's grace period.
    public var endpointDrainLimit = Duration.seconds(1)

    public init(
        nodeName: String, nodeIPs: [IPAddress], dataDir: String, runDir: String, logDir: String, manifests: String,
        imageDir: String? = nil, registries: String = "/etc/swiftlet/registries.yaml", podCIDRs: [CIDR] = [],
        maxPods: Int = 110, podPidsLimit: Int? = nil, clusterCIDR: CIDR,
        serviceCIDR: CIDR,
        port: Int = 10250, tls: ServerTLS? = nil, clusterDNS: [String] = [], clusterDomain: String = "cluster.local",
        resolvConf: String = "/etc/resolv.conf"
    ) {
        self.nodeName = nodeName
        self.nodeIPs = nodeIPs
        self.dataDir = dataDir
        self.runDir = runDir
        self.logDir = logDir
        self.manifests = manifests
        self.imageDir = imageDir
        self.registries = registries
        self.podCIDRs = podCIDRs
        self.maxPods = maxPods
        self.podPidsLimit = podPidsLimit
        self.clusterCIDR = clusterCIDR
        self.serviceCIDR = serviceCIDR
        self.port = port
        self.tls = tls
        self.clusterDNS = clusterDNS
        self.clusterDomain = clusterDomain
        self.resolvConf = resolvConf
    }

    /// A quarter of what the node can have, so that no pod alone can take its last process from it. Kubernetes sets no
    /// bound unless told to.
    public static func defaultPodPidsLimit() -> Int? {
        let bounds = ["kernel/pid_max", "kernel/threads-max"].compactMap {
            KernelFile.readIfPresent("/proc/sys/" + $0).flatMap { Int($0) }
        }
        return bounds.min().map { max(1024, $0 / 4) }
    }
}
