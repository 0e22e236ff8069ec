import Glibc
import KubeAPI
import Kernel
import Logging

/// What every daemon stands on: its folders, the locks of its roles, its log.
final class Ground: Sendable {
    let paths: Paths
    let log: Logger
    private let locks: [Lock]

    private final class Lock: Sendable {
        private let file: PidFile
        init(path: String) throws { file = try PidFile(path: path) }
    }

    /// Makes the folders and takes the locks. Throws `CommandError`.
    /// - Parameters:
    ///   - roles: what this process is; none of them twice per root.
    ///   - isWhole: it is everything, and the root's daemon.
    init(global: GlobalOptions, name: String, roles: [Role], isWhole: Bool = false) throws {
        paths = global.paths
        log = global.logger(name)
        let needsRoot = roles.contains { Role.agent.contains($0) }
        guard geteuid() == 0 || !needsRoot else {
            throw CommandError("cannot start: it needs root (namespaces, mounts, cgroups); sudo swiftlet \(name)")
        }
        do throws(KernelError) {
            try FileTree.makeFolders(paths.dataDir, mode: 0o700)
            try FileTree.makeFolders(paths.runDir)
            if roles.contains(.kubelet) {
                for folder in [paths.logDir, paths.manifests] { try FileTree.makeFolders(folder) }
            }
        } catch {
            throw CommandError("cannot start: \(error)")
        }
        let files = (isWhole ? [paths.pidFile] : []) + roles.map(paths.pidFile)
        locks = try files.map { try Lock(path: $0) }
        Self.raiseDescriptorLimit()
    }

    /// As far as the hard limit allows: watches, pods and forwarded connections each cost some.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(kind, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        // Refused: then fewer connections fit, and those over it are refused with a message.
        setrlimit(kind, &limit)
    }
}
