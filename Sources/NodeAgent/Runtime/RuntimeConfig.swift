import KubeAPI

/// Where the runtime works and what it may give away.
public struct RuntimeConfig: Sendable {
    /// State that outlives a reboot: `/var/lib/swiftlet`, under the node's root.
    public var dataDir: String
    /// State that does not: `/run/swiftlet`, under the node's root.
    public var runDir: String
    /// Four letters that tell this node's things from those of another root on the machine.
    public var tag: String
    /// The ranges that pods get addresses of, one of each family; none until the node has them (pods on the node's
    /// network need none).
    public var podCIDRs: [CIDR]
    /// The sources of what the node itself sends to its pods, one of each family at most; none leaves the choice to the
    /// kernel. Pods have IPv6 addresses where the node has one.
    public var nodeIPs: [IPAddress]
    /// Written at start where it is 0: pods reach nothing else without.
    public var enablesForwarding: Bool
    /// For tests: the step of building or removing a pod (docs/pod-steps.md) behind which the process kills itself.
    public var dyingStep: String?

    public init(
        dataDir: String, runDir: String, tag: String, podCIDRs: [CIDR] = [], nodeIPs: [IPAddress] = [],
        enablesForwarding: Bool = true, dyingStep: String? = nil
    ) {
        self.dataDir = dataDir
        self.runDir = runDir
        self.tag = tag
        self.podCIDRs = podCIDRs
        self.nodeIPs = nodeIPs
        self.enablesForwarding = enablesForwarding
        self.dyingStep = dyingStep
    }
}
