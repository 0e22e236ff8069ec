import Glibc
import KubeAPI
import Kernel
import Logging

/// What every daemon stands on: its folders, the lock of its root, its log.
final class Ground: Sendable {
    let paths: Paths
    let log: Logger
    private let lock: PidFile

    /// Makes the folders and takes the lock. Throws `CommandError`.
    init(global: GlobalOptions, name: String) throws {
        paths = global.paths
        log = global.logger(name)
        guard geteuid() == 0 else {
            throw CommandError("cannot start: it needs root (namespaces, mounts, cgroups); sudo swiftlet \(name)")
        }
        do throws(KernelError) {
            try FileTree.makeFolders(paths.dataDir, mode: 0o700)
            for folder in [paths.runDir, paths.logDir, paths.manifests] { try FileTree.makeFolders(folder) }
        } catch {
            throw CommandError("cannot start: \(error)")
        }
        lock = try PidFile(path: paths.pidFile)
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
