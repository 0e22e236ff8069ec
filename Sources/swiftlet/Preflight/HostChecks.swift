import Glibc
import Kernel

/// Where the daemon's files go, and what it may open.
enum HostChecks {
    typealias Finding = Preflight.Finding

    static func all(paths: Paths) -> [Finding] { [descriptors(), disk(paths), dataFileSystem(paths)] }

    /// Each pod costs the daemon about four descriptors, each open watch and connection one.
    private static let enoughDescriptors: rlim_t = 4096

    private static func descriptors() -> Finding {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return limit.rlim_max >= enoughDescriptors
            ? .ok("descriptors", "up to \(limit.rlim_max)")
            : .warning(
                "descriptors", "at most \(limit.rlim_max)", "raise it: LimitNOFILE=1048576 in the unit, or ulimit -Hn")
    }

    /// The nearest folder that exists.
    private static func existing(_ path: String) -> String {
        var path = path
        while !path.isEmpty, access(path, F_OK) != 0 {
            path = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
        }
        return path.isEmpty ? "/" : path
    }

    private static func disk(_ paths: Paths) -> Finding {
        let folder = existing(paths.dataDir)
        var info = statvfs()
        guard statvfs(folder, &info) == 0 else {
            return .failure("disk", "cannot look at \(folder): \(KernelError.words(errno))", "mend the file system")
        }
        let freeMiB = (UInt64(info.f_bavail) * UInt64(info.f_frsize)) >> 20
        return freeMiB >= 1024
            ? .ok("disk", "\(freeMiB >> 10) GiB free for \(paths.dataDir)")
            : .warning("disk", "\(freeMiB) MiB free for \(paths.dataDir)", "free some space, or use --data-dir")
    }

    private static func dataFileSystem(_ paths: Paths) -> Finding {
        MountFeatures.isOnOverlay(existing(paths.dataDir))
            ? .failure(
                "data file system", "\(paths.dataDir) lies on an overlay",
                "put it on a plain file system (ext4, xfs, btrfs, tmpfs) with --data-dir or --root")
            : .ok("data file system", "writable layers can lie in \(paths.dataDir)")
    }
}
