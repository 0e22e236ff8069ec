import Glibc
import Kernel
import NodeAgent

/// What pods are built from.
enum KernelChecks {
    typealias Finding = Preflight.Finding

    static func all() -> [Finding] {
        [version(), rights(), supervisor(), processes(), namespaces(), cgroups(), seccomp()] + mounts()
    }

    /// Debian 12's own kernel.
    private static let floor = (major: 6, minor: 1)

    private static func version() -> Finding {
        var name = utsname()
        uname(&name)
        let release = withUnsafePointer(to: &name.release) {
            $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) {
                String(cString: $0)
            }
        }
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        guard numbers.count == 2 else {
            return .warning("kernel", "version \(release) is not understood", "use Linux 6.1 or newer")
        }
        let isNewEnough = (numbers[0], numbers[1]) >= (floor.major, floor.minor)
        return isNewEnough
            ? .ok("kernel", "Linux \(release)")
            : .failure("kernel", "Linux \(release) is older than \(floor.major).\(floor.minor)", "boot a newer kernel")
    }

    private static func rights() -> Finding {
        guard geteuid() == 0 else { return .failure("rights", "not root", "run it as root: sudo swiftlet …") }
        let effective = CapabilitySet.effective()
        let missing = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SETPCAP", "MKNOD", "CHOWN", "KILL"].filter {
            !effective.contains($0)
        }
        guard missing.isEmpty else {
            return .failure(
                "rights", "root without \(missing.map { "CAP_" + $0 }.joined(separator: ", "))",
                "give the daemon these capabilities (container managers take them away)")
        }
        guard effective.contains("SYS_RESOURCE") else {
            return .warning(
                "rights", "root without CAP_SYS_RESOURCE",
                "pods run, but oom_score_adj can't be lowered and hard limits can't be raised")
        }
        return .ok("rights", "root with the needed capabilities")
    }

    private static func supervisor() -> Finding {
        PodRuntime.hasSupervisor
            ? .ok("podinit", "the pods' supervisor is embedded")
            : .failure("podinit", "this binary was built without the pods' supervisor", "build it by make build")
    }

    private static func processes() -> Finding {
        do throws(KernelError) {
            _ = try Pidfd(pid: getpid())
        } catch {
            return .failure("pidfd", "\(error)", "use Linux 6.1 or newer")
        }
        return .ok("pidfd", "processes are watched by descriptor")
    }

    private static func namespaces() -> Finding {
        let missing = ["net", "ipc", "uts", "pid", "mnt", "cgroup"].filter { access("/proc/self/ns/\($0)", F_OK) != 0 }
        return missing.isEmpty
            ? .ok("namespaces", "net, ipc, uts, pid, mnt, cgroup")
            : .failure(
                "namespaces", "the kernel lacks \(missing.joined(separator: ", "))",
                "use a kernel with CONFIG_NAMESPACES")
    }

    private static func cgroups() -> Finding {
        let mounts: CgroupMounts
        do throws(KernelError) {
            mounts = try CgroupMounts.current()
        } catch {
            return .failure("cgroups", "\(error)", "mount /proc")
        }
        let isV1 = mounts.controllers["memory"] != nil || mounts.controllers["cpu"] != nil
        var available = Set(mounts.controllers.keys)
        if !isV1 {
            guard let unified = mounts.unified else {
                return .failure("cgroups", "none is mounted", "mount -t cgroup2 none /sys/fs/cgroup")
            }
            available = Set(
                (KernelFile.readIfPresent(unified + "/cgroup.controllers") ?? "").split(separator: " ").map(String.init)
            )
        }
        let layout = isV1 ? (mounts.unified == nil ? "v1" : "v1, with v2 beside it for killing") : "v2"
        let missing = ["cpu", "memory", "pids"].filter { !available.contains($0) }
        return missing.isEmpty
            ? .ok("cgroups", "\(layout) with cpu, memory and pids")
            : .warning(
                "cgroups", "\(layout) without \(missing.joined(separator: ", "))",
                "pods run without these limits; enable the controllers (boot parameter cgroup_enable=…)")
    }

    private static func seccomp() -> Finding {
        KernelFile.readIfPresent("/proc/sys/kernel/seccomp/actions_avail") != nil
            ? .ok("seccomp", "filters are available")
            : .failure("seccomp", "the kernel has no seccomp filters", "use a kernel with CONFIG_SECCOMP_FILTER")
    }

    private static func mounts() -> [Finding] {
        let features = MountFeatures.probe()
        guard features.hasOverlay else {
            return [
                .failure("overlayfs", "the kernel has none", "modprobe overlay, or use a kernel with CONFIG_OVERLAY_FS")
            ]
        }
        guard features.hasNewAPI else {
            return [
                .failure("mounts", "fsopen, open_tree and move_mount are refused", "run as root, on Linux 6.1 or newer")
            ]
        }
        return [
            .ok(
                "overlayfs",
                features.addsLayersOneByOne
                    ? "takes layers one by one" : "takes all layers in one option (before Linux 6.7)"),
            .ok(
                "mounts",
                features.mountsOnDetachedTrees
                    ? "roots are built on detached trees"
                    : "roots are attached first (detached trees can't be mounted on before Linux 6.15)"),
        ]
    }
}
