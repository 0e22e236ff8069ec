import Glibc
import KubeAPI
import Kernel

/// Puts files into a volume so that readers see all old ones or all new ones, in the layout that Kubernetes has
/// (pkg/volume/util/atomic_writer.go) and programs watch:
///
///     <volume>/..2026_01_02_15_04_05.123456789/key    the files
///     <volume>/..data -> ..2026_01_02_15_04_05.123456789
///     <volume>/key -> ..data/key
///
/// The volume's folder is the node's own: containers see it read-only.
struct AtomicWriter {
    static let dataName = "..data"
    private static let temporaryName = "..data_tmp"

    let folder: String
    /// Files get this group, and may be read by it; nil leaves both.
    let group: UInt32?

    /// Makes the volume hold exactly these files, by their paths in it. Nothing is touched where it does.
    /// - Returns: whether something was written.
    @discardableResult
    func write(_ files: [String: VolumeFile]) throws(KernelError) -> Bool {
        for path in files.keys { try Self.check(path) }
        try FileTree.makeFolders(folder)
        try own(folder, mode: 0o755, isFolder: true)
        let data = "\(folder)/\(Self.dataName)"
        let old = HostFiles.linkTarget(data)
        if let old, Self.holds(files, in: "\(folder)/\(old)", mode: fileMode) { return false }

        let fresh = Self.name(at: .now())
        let target = "\(folder)/\(fresh)"
        guard mkdir(target, 0o755) == 0 else { throw KernelError("create folder", target) }
        do throws(KernelError) {
            try own(target, mode: 0o755, isFolder: true)
            for (path, file) in files { try write(file, to: path, in: target) }
            let temporary = "\(folder)/\(Self.temporaryName)"
            unlink(temporary)
            guard symlink(fresh, temporary) == 0 else { throw KernelError("create link", temporary) }
            guard rename(temporary, data) == 0 else { throw KernelError("replace", data) }
        } catch {
            // The first failure counts; what is left goes with the volume.
            try? FileTree.remove(target)
            throw error
        }
        try link(Set(files.keys.map(Self.first)))
        if let old { try FileTree.remove("\(folder)/\(old)") }
        return true
    }

    /// Paths come from the API: nothing of them may lead elsewhere or look like our own names.
    private static func check(_ path: String) throws(KernelError) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let isGood =
            !path.isEmpty && !path.hasPrefix("/") && path.utf8.count < 4096 && !path.hasPrefix("..")
            && !path.utf8.contains(0)
            && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count < 256 }
        guard isGood else { throw KernelError("write a file named", "\"\(path)\"", code: EINVAL) }
    }

    private static func first(_ path: String) -> String { String(path.prefix { $0 != "/" }) }

    /// `..2006_01_02_15_04_05.000000000`: unique, for nobody else writes here.
    private static func name(at time: Timestamp) -> String {
        let text = String(time.nano.dropLast().map { "-:T".contains($0) ? "_" : $0 })
        return ".." + text
    }

    private func fileMode(_ mode: UInt32) -> UInt32 { group == nil ? mode : mode | 0o440 }

    private func own(_ path: String, mode: UInt32, isFolder: Bool) throws(KernelError) {
        var mode = isFolder ? mode : fileMode(mode)
        if let group {
            guard lchown(path, uid_t.max, group) == 0 else { throw KernelError("give a group to", path) }
            if isFolder { mode |= 0o2550 }
        }
        // After the group, which clears setgid. mkdir and open went through the umask.
        guard chmod(path, mode) == 0 else { throw KernelError("set the mode of", path) }
    }

    private func write(_ file: VolumeFile, to path: String, in target: String) throws(KernelError) {
        var folder = target
        for part in path.split(separator: "/").dropLast() {
            folder += "/\(part)"
            if mkdir(folder, 0o755) == 0 {
                try own(folder, mode: 0o755, isFolder: true)
            } else if errno != EEXIST {
                throw KernelError("create folder", folder)
            }
        }
        let full = "\(target)/\(path)"
        let descriptor = try FileDescriptor.open(full, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        try descriptor.write(all: file.bytes)
        try own(full, mode: file.mode, isFolder: false)
    }

    /// The links that programs use, one for each first part of a path; stale ones go.
    private func link(_ names: Set<String>) throws(KernelError) {
        for name in FileTree.names(in: folder) where !name.hasPrefix("..") && !names.contains(name) {
            unlink("\(folder)/\(name)")
        }
        for name in names {
            let path = "\(folder)/\(name)"
            let target = "\(Self.dataName)/\(name)"
            if HostFiles.linkTarget(path) == target { continue }
            unlink(path)
            guard symlink(target, path) == 0 else { throw KernelError("create link", path) }
        }
    }

    /// Whether a folder holds exactly those files.
    private static func holds(_ files: [String: VolumeFile], in folder: String, mode: (UInt32) -> UInt32) -> Bool {
        var found = 0
        for path in paths(in: folder) {
            guard let file = files[path] else { return false }
            var info = stat()
            guard lstat("\(folder)/\(path)", &info) == 0, info.st_mode & 0o777 == mode(file.mode),
                Int(info.st_size) == file.bytes.count,
                let bytes = try? HostFiles.read("\(folder)/\(path)"), bytes == file.bytes  // unreadable: written anew
            else { return false }
            found += 1
        }
        return found == files.count && HostFiles.exists(folder)
    }

    private static func paths(in folder: String, prefix: String = "") -> [String] {
        FileTree.names(in: prefix.isEmpty ? folder : "\(folder)/\(prefix)").flatMap { name in
            let path = prefix.isEmpty ? name : "\(prefix)/\(name)"
            var info = stat()
            guard lstat("\(folder)/\(path)", &info) == 0, info.st_mode & S_IFMT == S_IFDIR else { return [path] }
            return paths(in: folder, prefix: path)
        }
    }
}
