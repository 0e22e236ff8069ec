import CLinux
import Glibc

/// What the kernel's mount calls can do, found out by doing it on file systems that are attached nowhere.
public struct MountFeatures: Sendable, Equatable {
    /// fsopen, fsmount, open_tree, move_mount (5.2).
    public var hasNewAPI = false
    /// There is an overlay file system.
    public var hasOverlay = false
    /// It takes its layers one by one (6.7). Otherwise their paths must fit into one page.
    public var addsLayersOneByOne = false
    /// A tree can be mounted onto one that is not attached yet (6.15). Otherwise a container's root is attached first.
    public var mountsOnDetachedTrees = false

    public init() {}

    public static func probe() -> MountFeatures {
        var features = MountFeatures()
        if let overlay = try? FileDescriptor(result: swl_fsopen("overlay"), "open", "overlay") {
            features.hasOverlay = true
            features.addsLayersOneByOne = swl_fsconfig_string(overlay.raw, "lowerdir+", "/") == 0
        }
        // Refused calls are the answer.
        guard let outer = try? tmpfs() else { return features }
        features.hasNewAPI = true
        guard let inner = try? tmpfs(), mkdirat(outer.raw, "x", 0o755) == 0 else { return features }
        let flags = UInt32(SWL_MOVE_MOUNT_F_EMPTY_PATH)
        features.mountsOnDetachedTrees = swl_move_mount(inner.raw, "", outer.raw, "x", flags) == 0
        return features
    }

    /// Whether a path lies on an overlay, where no writable layer of another one can lie.
    public static func isOnOverlay(_ path: String) -> Bool {
        swl_statfs_type(path) == Int(SWL_OVERLAYFS_SUPER_MAGIC)
    }

    private static func tmpfs() throws(KernelError) -> FileDescriptor {
        let context = try FileDescriptor(result: swl_fsopen("tmpfs"), "open", "tmpfs")
        guard swl_fsconfig_create(context.raw) == 0 else { throw KernelError("create", "tmpfs", code: EPERM) }
        return try FileDescriptor(result: swl_fsmount(context.raw, 0), "mount", "tmpfs")
    }
}
