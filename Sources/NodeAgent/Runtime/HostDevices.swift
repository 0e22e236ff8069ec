import Glibc
import Kernel

/// The node's devices, which a privileged container sees.
enum HostDevices {
    struct Device {
        /// Below /dev.
        let path: String
        /// With the type, as in stat.
        let mode: UInt32
        let major: UInt32
        let minor: UInt32
    }

    /// File systems of their own, and what every container has anyway.
    private static let skipped: Set<String> = [
        "pts", "shm", "mqueue", "hugepages", "console", "ptmx", "null", "zero", "full", "random", "urandom", "tty",
    ]

    static func all() -> [Device] {
        var devices: [Device] = []
        collect("", depth: 0, into: &devices)
        return devices
    }

    private static func collect(_ folder: String, depth: Int, into devices: inout [Device]) {
        // A node has a few hundred; the bounds are for one that is broken.
        guard depth < 4, devices.count < 4096 else { return }
        for name in FileTree.names(in: "/dev/" + folder) where !(folder.isEmpty && skipped.contains(name)) {
            let path = folder.isEmpty ? name : folder + "/" + name
            var info = stat()
            guard lstat("/dev/" + path, &info) == 0 else { continue }
            switch info.st_mode & S_IFMT {
            case S_IFDIR: collect(path, depth: depth + 1, into: &devices)
            case S_IFCHR, S_IFBLK:
                // The encoding of dev_t in <sys/sysmacros.h>.
                let device = UInt64(info.st_rdev)
                devices.append(
                    Device(
                        path: path, mode: info.st_mode,
                        major: UInt32(truncatingIfNeeded: (device >> 8 & 0xfff) | (device >> 32 & ~0xfff)),
                        minor: UInt32(truncatingIfNeeded: (device & 0xff) | (device >> 12 & ~0xff))))
            default: break
            }
        }
    }
}
