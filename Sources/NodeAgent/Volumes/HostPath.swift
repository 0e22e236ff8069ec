import Glibc
import Kernel

/// `hostPath` volumes: a path of the node, with its type checked or made.
enum HostPath {
    /// Throws `VolumeError` naming the volume.
    static func check(_ path: String, type: String, volume: String) throws(VolumeError) {
        func fail(_ what: String) throws(VolumeError) {
            throw VolumeError(volume: volume, cause: "hostPath type check failed: \(path) \(what)")
        }
        guard path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            throw VolumeError(volume: volume, cause: "hostPath \(path) must be absolute and without ..")
        }
        var info = stat()
        let exists = stat(path, &info) == 0
        let kind = info.st_mode & S_IFMT
        switch type {
        case "":
            break
        case "DirectoryOrCreate":
            if !exists { return try make(path, volume: volume, isFile: false) }
            if kind != S_IFDIR { try fail("is not a directory") }
        case "Directory":
            if !exists || kind != S_IFDIR { try fail("is not a directory") }
        case "FileOrCreate":
            if !exists { return try make(path, volume: volume, isFile: true) }
            if kind != S_IFREG { try fail("is not a file") }
        case "File":
            if !exists || kind != S_IFREG { try fail("is not a file") }
        case "Socket":
            if !exists || kind != S_IFSOCK { try fail("is not a socket file") }
        case "CharDevice":
            if !exists || kind != S_IFCHR { try fail("is not a character device") }
        case "BlockDevice":
            if !exists || kind != S_IFBLK { try fail("is not a block device") }
        default:
            throw VolumeError(volume: volume, cause: "\(type) is an invalid volume type")
        }
    }

    private static func make(_ path: String, volume: String, isFile: Bool) throws(VolumeError) {
        do throws(KernelError) {
            guard isFile else { return try FileTree.makeFolders(path) }
            // The parents must be there, as in Kubernetes.
            _ = try FileDescriptor.open(path, O_WRONLY | O_CREAT, mode: 0o644)
        } catch {
            throw VolumeError(volume: volume, cause: "\(error)")
        }
    }
}
