import CLinux
import Glibc

/// Removes trees by descriptors, without following links: nothing that a container left in one leads out of it.
public enum FileTree {
    /// Beyond this depth a folder is moved up before it is emptied, so that neither the stack nor the descriptors run out
    /// on a tree that somebody made deep on purpose.
    private static let depthLimit = 48

    /// Removes the file or the tree at that path; missing is fine.
    public static func remove(_ path: String) throws(KernelError) {
        if unlink(path) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM else { throw KernelError("remove", path) }
        if rmdir(path) == 0 { return }
        // A mount point (EBUSY) is somebody else's: what lies on it is not ours to remove.
        guard errno == ENOTEMPTY || errno == EEXIST else { throw KernelError("remove", path) }
        let folder = try FileDescriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var moved = 0
        repeat {
            moved = 0
            try empty(folder, top: folder.raw, depth: 0, moved: &moved, path: path)
        } while moved > 0
        guard rmdir(path) == 0 || errno == ENOENT else { throw KernelError("remove", path) }
    }

    private static func empty(
        _ folder: borrowing FileDescriptor, top: Int32, depth: Int, moved: inout Int, path: String
    ) throws(KernelError) {
        let duplicate = openat(folder.raw, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard duplicate >= 0, let stream = fdopendir(duplicate) else { throw KernelError("read a folder in", path) }
        var entries: [(name: [CChar], isFolder: Bool)] = []
        while let entry = readdir(stream) {
            // Bytes, not text: names need not be UTF-8.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
                    Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1))
                }
            }
            if name != [46, 0], name != [46, 46, 0] {
                entries.append((name, entry.pointee.d_type == UInt8(DT_DIR)))
            }
        }
        closedir(stream)
        for (name, isFolder) in entries {
            // What is known to be a folder is not tried as a file. Some file systems don't tell.
            if !isFolder {
                if unlinkat(folder.raw, name, 0) == 0 || errno == ENOENT { continue }
                guard errno == EISDIR || errno == EPERM else { throw KernelError("remove a file in", path) }
            }
            if unlinkat(folder.raw, name, Int32(AT_REMOVEDIR)) == 0 { continue }
            if errno == ENOENT { continue }
            guard errno == ENOTEMPTY || errno == EEXIST else { throw KernelError("remove a folder in", path) }
            if depth >= depthLimit {
                let target = "..swl-\(String(UInt64.random(in: .min ... .max), radix: 16))"
                guard renameat(folder.raw, name, top, target) == 0 else { throw KernelError("move a folder in", path) }
                moved += 1
                continue
            }
            let raw = openat(folder.raw, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard raw >= 0 else { throw KernelError("open a folder in", path) }
            let inner = FileDescriptor(owning: raw)
            try empty(inner, top: top, depth: depth + 1, moved: &moved, path: path)
            guard unlinkat(folder.raw, name, Int32(AT_REMOVEDIR)) == 0 || errno == ENOENT else {
                throw KernelError("remove a folder in", path)
            }
        }
    }

    /// Asks the file system to lay the folders in this one apart from each other, for a folder whose folders come and go:
    /// ext4 without a journal looks at all that was removed beside a new file in the last minute (half of a container's start
    /// in a busy minute). Others don't know this, and need not.
    public static func spreadFolders(in path: String) { _ = swl_spread_folders(path) }

    /// Makes a folder and its parents as far as they are missing.
    public static func makeFolders(_ path: String, mode: mode_t = 0o755) throws(KernelError) {
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw KernelError("create folder", path)
        }
        try makeFolders(String(path[..<slash]))
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw KernelError("create folder", path) }
    }

    /// The names in a folder; none where there is no such folder.
    public static func names(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
