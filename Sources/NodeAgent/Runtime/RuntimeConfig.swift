import KubeAPI

/// Where the runtime works and what it may give away.
public struct RuntimeConfig: Sendable {
    /// State that outlives a reboot: `/var/lib/swiftlet`, under the node's root.
    public var dataDir: String
    /// State that does not: `/run/swiftlet`, under the node's root.
    public var runDir: String
    /// Four letters that tell this node's things from those of another root on the machine.
    public var tag: String
    /// The addresses that pods get; nil until the node has its range (pods on the node's network need none).
    public var podCIDR: CIDR?
    /// The source of what the node itself sends to its pods; nil leaves the choice to the kernel.
    public var nodeIP: IPAddress?
    /// Written at start where it is 0: pods reach nothing else without.
    public var enablesForwarding: Bool
    /// For tests: the step of building or removing a pod (docs/pod-steps.md) behind which the process kills itself.
    public var dyingStep: String?

    public init(
        dataDir: String, runDir: String, tag: String, podCIDR: CIDR? = nil, nodeIP: IPAddress? = nil,
        enablesForwarding: Bool = true, dyingStep: String? = nil
    ) {
        self.dataDir = dataDir
        self.runDir = runDir
        self.tag = tag
        self.podCIDR = podCIDR
        self.nodeIP = nodeIP
        self.enablesForwarding = enablesForwarding
        self.dyingStep = dyingStep
    }
}
