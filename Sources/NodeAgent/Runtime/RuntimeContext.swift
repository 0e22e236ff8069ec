import Glibc
import KubeAPI
import Kernel
import Logging
import Synchronization

/// What all parts of the runtime work with: its threads, its paths, its doors to the kernel.
final class RuntimeContext: Sendable {
    let config: RuntimeConfig
    let paths: RuntimePaths
    let log: Logger
    /// Hears supervisors and links.
    let loop: EpollLoop
    /// For what builds and tears down: calls of microseconds to milliseconds.
    let workers: WorkerThreads
    /// For what nobody waits for.
    let cleaner: WorkerThreads
    let cgroups: any Cgroups
    let network: PodNetwork
    let pool: NetworkPool
    let features: MountFeatures
    /// The capabilities that this node can hand out.
    let bounding: CapabilitySet
    /// The supervisor's program.
    let image: FileDescriptor
    let trash: Trash
    let publish: AsyncStream<RuntimeEvent>.Continuation

    /// More would only wait for the kernel's locks.
    private static let workerCount = 4

    /// `features` and `cgroups`: other ones than the machine has, to try what older machines do.
    init(
        config: RuntimeConfig, log: Logger, features: MountFeatures? = nil, cgroups: (any Cgroups)? = nil,
        publish: AsyncStream<RuntimeEvent>.Continuation
    ) throws(RuntimeError) {
        self.config = config
        self.log = log
        self.publish = publish
        paths = RuntimePaths(dataDir: config.dataDir, runDir: config.runDir)
        guard SupervisorImage.isBuilt else {
            throw RuntimeError(.system, "this build has no pod supervisor: build it by make")
        }
        self.features = features ?? MountFeatures.probe()
        guard self.features.hasNewAPI, self.features.hasOverlay else {
            throw RuntimeError(
                .system, "kernel lacks \(self.features.hasNewAPI ? "the overlay file system" : "the mount API of 5.2")")
        }
        bounding = CapabilitySet.bounding()
        do throws(KernelError) {
            try Self.makeFolders(paths)
            image = try SupervisorImage.open()
            loop = try EpollLoop(name: "pods")
            workers = try WorkerThreads(name: "pod-work", count: Self.workerCount)
            cleaner = try WorkerThreads(name: "pod-clean", count: 1)
            if let cgroups {
                self.cgroups = cgroups
            } else {
                self.cgroups = try CgroupDetection.open(name: Self.treeName(config.tag), mounts: .current())
            }
            if let parent = self.cgroups.parent {
                try DurableFile.write(Array(parent.utf8), to: paths.cgroupParent, isSynced: false)
            }
            for qos in QOSClass.allCases { try self.cgroups.create(qos.rawValue, Self.limits(qos)) }
            network = try PodNetwork(tag: config.tag, nodeIPs: config.nodeIPs, loop: loop, log: log)
        } catch {
            throw RuntimeError(.system, "cannot start pod runtime", cause: error)
        }
        pool = NetworkPool(network: network, loop: loop, thread: cleaner, log: log)
        network.onMTUChange { [weak pool] in pool?.renew() }
        trash = Trash(folder: paths.trash, thread: cleaner, log: log)
        if config.enablesForwarding { enableForwarding() }
    }

    static func treeName(_ tag: String) -> String { "swiftlet-" + tag }

    private static func makeFolders(_ paths: RuntimePaths) throws(KernelError) {
        try FileTree.makeFolders(paths.dataDir)
        try FileTree.makeFolders(paths.runDir)
        // Set-uid programs of images lie below: no other user of the node may walk in.
        for folder in [paths.records, paths.containers, paths.mountPoint, paths.trash, paths.states] {
            try FileTree.makeFolders(folder, mode: 0o700)
        }
        FileTree.spreadFolders(in: paths.containers)
    }

    /// Those that ask for nothing get what is left, as with Kubernetes' own tree.
    private static func limits(_ qos: QOSClass) -> CgroupLimits {
        qos == .besteffort ? CgroupLimits(cpuShares: 2) : CgroupLimits()
    }

    private func enableForwarding() {
        let saved = SavedSysctls(path: paths.savedSysctls)
        var settings = [("net/ipv4/ip_forward", "1")]
        if config.nodeIPs.contains(where: \.isIPv6) {
            // A node that forwards forgets the routers that it has heard of, unless its link says that it is to listen.
            if let link = network.ipv6Uplink, (try? Sysctl.read("net/ipv6/conf/\(link)/accept_ra")) == "1" {
                settings.append(("net/ipv6/conf/\(link)/accept_ra", "2"))
            }
            settings.append(("net/ipv6/conf/all/forwarding", "1"))
        }
        for (name, value) in settings {
            do throws(KernelError) {
                try saved.set(name, to: value)
            } catch {
                log.warning("pods may be cut off: cannot enable forwarding", metadata: ["err": "\(error)"])
            }
        }
    }

    private let hasWarnedOfScores = Mutex(false)

    /// Says once that this node can't protect processes from the kernel's memory killer.
    func warnOfScore(_ score: Int) {
        guard score < 0, !CapabilitySet.effective().contains("SYS_RESOURCE") else { return }
        let isNew = hasWarnedOfScores.withLock { hasWarned in
            defer { hasWarned = true }
            return !hasWarned
        }
        guard isNew else { return }
        log.warning("oom_score_adj cannot be lowered without CAP_SYS_RESOURCE: containers run with the daemon's")
    }

    private static let busyPausesMs: [UInt32] = [1, 2, 5, 10, 20, 50, 100, 200]

    /// Removes a group whose processes have ended.
    func removeCgroup(_ path: String) throws(KernelError) {
        // One that is no longer listed may not have left altogether.
        for pause in Self.busyPausesMs {
            do throws(KernelError) {
                return try cgroups.remove(path)
            } catch {
                guard error.code == EBUSY else { throw error }
                usleep(pause * 1000)
            }
        }
        try cgroups.remove(path)
    }

    func close() {
        pool.stop()
        network.shutdown()
        loop.stop()
        workers.stop()
        cleaner.stop()
    }
}
