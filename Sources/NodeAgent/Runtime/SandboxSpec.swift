import KubeAPI

/// Kubernetes' classes of service, as folders of the cgroup tree.
public enum QOSClass: String, Sendable, CaseIterable {
    case guaranteed, burstable, besteffort
}

/// What a pod or a container may use. Nil is "not limited", or "not asked for".
public struct ResourceLimits: Sendable, Equatable {
    /// The cpu request in thousandths of a processor: becomes cpu.shares (v1) or cpu.weight (v2).
    public var cpuRequestMilli: Int?
    /// The cpu limit in thousandths of a processor: becomes a quota per period of 100 ms.
    public var cpuLimitMilli: Int?
    /// The memory limit in bytes.
    public var memoryLimitBytes: Int64?
    /// The highest number of processes and threads.
    public var pidsLimit: Int?

    public init(
        cpuRequestMilli: Int? = nil, cpuLimitMilli: Int? = nil, memoryLimitBytes: Int64? = nil, pidsLimit: Int? = nil
    ) {
        self.cpuRequestMilli = cpuRequestMilli
        self.cpuLimitMilli = cpuLimitMilli
        self.memoryLimitBytes = memoryLimitBytes
        self.pidsLimit = pidsLimit
    }
}

/// What a pod's sandbox is made of: its namespaces, its cgroup, its network.
public struct SandboxSpec: Sendable, Equatable {
    /// The pod's uid; everything that the sandbox leaves on the node is named after it. Only letters, digits, `-`, `.`
    /// and `_`, at most 64 of them (a static pod's uid is a hash).
    public var podUID: String
    public var namespace: String
    public var name: String
    /// The name that `hostname` says in the pod, at most 64 bytes.
    public var hostname: String
    /// The pod lives in the node's network namespace and gets no address of its own.
    public var hostNetwork: Bool
    public var hostPID: Bool
    public var hostIPC: Bool
    /// All containers of the pod see each other's processes; PID 1 is then the pod's own, which reaps.
    public var shareProcessNamespace: Bool
    public var qos: QOSClass
    /// `securityContext.sysctls`, by their dotted names. Only those of the pod's own namespaces (`net.`, `kernel.shm`,
    /// `kernel.msg`, `kernel.sem`, `fs.mqueue.`) are taken.
    public var sysctls: [String: String]
    /// The limits of the pod as a whole: the sums that Kubernetes computes of its containers.
    public var resources: ResourceLimits
    /// What the caller wants to find again in `recover()`, unchanged: a document of its own.
    public var annotation: JSON

    public init(
        podUID: String, namespace: String, name: String, hostname: String, hostNetwork: Bool = false,
        hostPID: Bool = false, hostIPC: Bool = false, shareProcessNamespace: Bool = false,
        qos: QOSClass = .besteffort, sysctls: [String: String] = [:], resources: ResourceLimits = ResourceLimits(),
        annotation: JSON = .null
    ) {
        self.podUID = podUID
        self.namespace = namespace
        self.name = name
        self.hostname = hostname
        self.hostNetwork = hostNetwork
        self.hostPID = hostPID
        self.hostIPC = hostIPC
        self.shareProcessNamespace = shareProcessNamespace
        self.qos = qos
        self.sysctls = sysctls
        self.resources = resources
        self.annotation = annotation
    }
}

/// A sandbox as it is.
public struct SandboxInfo: Sendable, Equatable {
    public let podUID: String
    /// The pod's address; nil for a pod in the node's network namespace.
    public let address: String?
    /// Its IPv6 address, where it has one beside its IPv4 one.
    public let secondAddress: String?
    public let createdAt: Timestamp
    /// The process id of the pod's supervisor, as the node sees it.
    public let podinitPID: Int

    init(podUID: String, address: String?, secondAddress: String? = nil, createdAt: Timestamp, podinitPID: Int) {
        self.podUID = podUID
        self.address = address
        self.secondAddress = secondAddress
        self.createdAt = createdAt
        self.podinitPID = podinitPID
    }

    /// All addresses, the main one first.
    public var addresses: [String] { [address, secondAddress].compactMap(\.self) }
}

/// A sandbox that `recover()` found.
public struct RecoveredSandbox: Sendable {
    public let spec: SandboxSpec
    public let info: SandboxInfo
    /// Whether its supervisor lives. Where it does not, all containers have ended, and the sandbox can only be removed.
    public let isAlive: Bool
    public let containers: [ContainerInfo]
}
