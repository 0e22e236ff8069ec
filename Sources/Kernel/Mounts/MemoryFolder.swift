import CLinux
import Glibc

/// A folder whose files never reach a disk. `/run` is in memory on most machines; where it is not, or a node has its files
/// elsewhere, a tmpfs of the folder's own is (tmpfs(5)).
public enum MemoryFolder {
    /// Sees to it that what is made in the folder from now on is in memory, and out of the swap where the kernel can do
    /// that (6.4). A folder that holds something is left as it is: somebody uses that.
    public static func make(_ path: String) throws(KernelError) {
        guard !isInMemory(path), FileTree.names(in: path).isEmpty else { return }
        if swl_mount_tmpfs(path, "mode=0700,noswap") == 0 { return }
        let code = swl_mount_tmpfs(path, "mode=0700")
        guard code == 0 else { throw KernelError("mount tmpfs at", path, code: -code) }
    }

    /// Takes the folder's file system away with all that is in it, if it has one.
    public static func unmount(_ path: String) throws(KernelError) {
        guard isInMemory(path) else { return }
        let code = swl_unmount(path)
        // On the file system of a folder above.
        guard code == 0 || code == -EINVAL else { throw KernelError("unmount", path, code: -code) }
    }

    static func isInMemory(_ path: String) -> Bool { swl_statfs_type(path) == Int(SWL_TMPFS_MAGIC) }
}
