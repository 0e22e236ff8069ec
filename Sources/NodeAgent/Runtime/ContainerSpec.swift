import KubeAPI

/// What is mounted.
public enum MountSource: Sendable, Equatable {
    /// A file or a folder of the node, by its absolute path, with what is mounted below it. It is resolved on the node
    /// when the container starts; a subPath has been resolved by the caller.
    case bind(String)
    /// A file or a folder below a folder of the node, which it can't lead out of whatever links containers put there
    /// meanwhile: for a subPath. Made as a folder where it is missing.
    case bindBelow(folder: String, path: String)
    /// A fresh file system in memory, mode 1777.
    case tmpfs(sizeBytes: Int64?)
    /// A file system in memory that all containers of the pod with that name share, and that lives as long as the pod.
    /// The first one says its size.
    case podMemory(name: String, sizeBytes: Int64?)
}

/// `volumeMounts[].mountPropagation`.
public enum MountPropagation: String, Sendable {
    case none = "None"
    case hostToContainer = "HostToContainer"
    case bidirectional = "Bidirectional"
}

/// One mount of a container, beyond its root and the system's own (/proc, /sys, /dev).
public struct ContainerMount: Sendable, Equatable {
    public var source: MountSource
    /// Where, as an absolute path inside the container. Resolved inside its root, made if missing.
    public var target: String
    public var readOnly: Bool
    public var propagation: MountPropagation

    public init(
        source: MountSource, target: String, readOnly: Bool = false, propagation: MountPropagation = .none
    ) {
        self.source = source
        self.target = target
        self.readOnly = readOnly
        self.propagation = propagation
    }
}

/// Which system calls a container may make.
public enum SeccompProfile: Sendable, Equatable {
    case unconfined
    /// Our default filter, in scope like Docker's.
    case runtimeDefault
    /// A profile in Docker's JSON form, by its absolute path on the node.
    case localhost(String)
}

/// What a container is made of. All decisions of Kubernetes (defaults, the union of image and spec, expanded
/// variables) have been taken by the caller.
public struct ContainerSpec: Sendable, Equatable {
    /// 64 hexadecimal digits, never used before.
    public var id: String
    /// The container's name in its pod.
    public var name: String
    /// How often a container of that name was started before in this pod.
    public var attempt: Int
    /// The folders of the image's unpacked layers, the lowest first.
    public var layers: [String]
    /// The program and its arguments; a program without a slash is looked up in the PATH of `env`.
    public var args: [String]
    /// `NAME=value` each.
    public var env: [String]
    /// Made if missing; empty for `/`.
    public var workingDir: String
    public var uid: UInt32
    public var gid: UInt32
    public var supplementalGroups: [UInt32]
    /// The exact set, as `CAP_NET_RAW` or `NET_RAW`; ignored for a privileged container, which has all of the node's.
    public var capabilities: [String]
    public var privileged: Bool
    public var readOnlyRootFilesystem: Bool
    /// False sets no_new_privs.
    public var allowPrivilegeEscalation: Bool
    public var seccomp: SeccompProfile
    /// In any order: they are sorted by depth.
    public var mounts: [ContainerMount]
    public var resources: ResourceLimits
    /// -1000 to 1000. Where the node's kernel refuses to lower it, the container runs all the same.
    public var oomScoreAdj: Int
    /// The log's absolute path on the node; its folder exists.
    public var logPath: String
    /// A log that would grow beyond is renamed to `<logPath>.<yyyymmdd-hhmmss>.<nanoseconds>` first.
    public var maxLogSizeBytes: Int64
    /// How many files a log has at most, the current one included.
    public var maxLogFiles: Int
    /// Where in the container it writes its last words (`/dev/termination-log`); nil for nowhere.
    public var terminationMessagePath: String?
    /// Paths in /proc and /sys are hidden or read-only, as by Kubernetes' default procMount.
    public var masksSystemPaths: Bool
    /// Its three streams are a terminal.
    public var tty: Bool
    /// Its input stays open, for those who attach; otherwise there is nothing to read.
    public var stdin: Bool
    /// Its input ends with the first who attaches to it.
    public var stdinOnce: Bool
    /// The id of the container of this pod whose processes it sees, as if it were one of them; nil for its own.
    public var pidTarget: String?
    /// What the caller wants to find again in `recover()`, unchanged: a document of its own.
    public var annotation: JSON

    /// What containerd gives a container that asks for nothing.
    public static let defaultCapabilities = [
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
        "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    ]

    public init(
        id: String, name: String, attempt: Int = 0, layers: [String], args: [String], env: [String] = [],
        workingDir: String = "/", uid: UInt32 = 0, gid: UInt32 = 0, supplementalGroups: [UInt32] = [],
        capabilities: [String] = ContainerSpec.defaultCapabilities, privileged: Bool = false,
        readOnlyRootFilesystem: Bool = false, allowPrivilegeEscalation: Bool = true,
        seccomp: SeccompProfile = .unconfined, mounts: [ContainerMount] = [],
        resources: ResourceLimits = ResourceLimits(), oomScoreAdj: Int = 0, logPath: String,
        maxLogSizeBytes: Int64 = 10 << 20, maxLogFiles: Int = 5,
        terminationMessagePath: String? = "/dev/termination-log", masksSystemPaths: Bool = true,
        tty: Bool = false, stdin: Bool = false, stdinOnce: Bool = false, pidTarget: String? = nil,
        annotation: JSON = .null
    ) {
        self.id = id
        self.name = name
        self.attempt = attempt
        self.layers = layers
        self.args = args
        self.env = env
        self.workingDir = workingDir
        self.uid = uid
        self.gid = gid
        self.supplementalGroups = supplementalGroups
        self.capabilities = capabilities
        self.privileged = privileged
        self.readOnlyRootFilesystem = readOnlyRootFilesystem
        self.allowPrivilegeEscalation = allowPrivilegeEscalation
        self.seccomp = seccomp
        self.mounts = mounts
        self.resources = resources
        self.oomScoreAdj = oomScoreAdj
        self.logPath = logPath
        self.maxLogSizeBytes = maxLogSizeBytes
        self.maxLogFiles = maxLogFiles
        self.terminationMessagePath = terminationMessagePath
        self.masksSystemPaths = masksSystemPaths
        self.tty = tty
        self.stdin = stdin
        self.stdinOnce = stdinOnce
        self.pidTarget = pidTarget
        self.annotation = annotation
    }
}

/// How a container ended.
public struct ExitRecord: Sendable, Equatable {
    /// The exit code; 128 + the signal for one that a signal ended.
    public let exitCode: Int
    /// The signal that ended it, 0 for none.
    public let signal: Int
    /// The kernel killed a process of this container because its memory was used up.
    public let oomKilled: Bool
    public let startedAt: Timestamp
    public let finishedAt: Timestamp
    /// What it wrote to its terminationMessagePath, at most 4096 bytes.
    public let message: String
    /// Nobody saw it end: its supervisor died too. The code is then 137 and the time is when that was found.
    public let isLost: Bool

    public init(
        exitCode: Int, signal: Int = 0, oomKilled: Bool = false, startedAt: Timestamp, finishedAt: Timestamp,
        message: String = "", isLost: Bool = false
    ) {
        self.exitCode = exitCode
        self.signal = signal
        self.oomKilled = oomKilled
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.message = message
        self.isLost = isLost
    }
}

/// A container as it is.
public struct ContainerInfo: Sendable, Equatable {
    public enum State: Sendable, Equatable {
        case running
        case exited(ExitRecord)
    }
    public let id: String
    public let name: String
    public let attempt: Int
    public let podUID: String
    /// The process id as the node sees it; of an exited container, what it was.
    public let pid: Int
    public let startedAt: Timestamp
    public let state: State
    /// The file it logs to.
    public let logPath: String
    /// `ContainerSpec.annotation`.
    public let annotation: JSON
}
