import Glibc

/// Whole small files and folders of the host: state, configuration, records. Never used for paths inside a container's
/// root, which need resolution that stays inside (`LayerUnpacker`, `RootPath`).
enum HostFiles {
    static func exists(_ path: String) -> Bool {
        var info = stat()
        return lstat(path, &info) == 0
    }

    /// Reads a regular file; a longer one than `limit` bytes is an error (EFBIG), so that a wrong path can't eat the memory.
    static func read(_ path: String, limit: Int = 16 << 20) throws(FileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("open", path) }
        defer { close(descriptor) }
        return try read(descriptor: descriptor, path: path, limit: limit)
    }

    static func read(descriptor: Int32, path: String, limit: Int) throws(FileError) -> [UInt8] {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw FileError("read", path) }
        guard Int(info.st_size) <= limit else { throw FileError("read", path, code: EFBIG) }
        var content: [UInt8] = []
        content.reserveCapacity(Int(info.st_size))
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError("read", path) }
            guard count > 0 else { return content }
            content.append(contentsOf: chunk.prefix(count))
            guard content.count <= limit else { throw FileError("read", path, code: EFBIG) }
        }
    }

    static func write(_ bytes: [UInt8], descriptor: Int32, path: String) throws(FileError) {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(descriptor, buffer.baseAddress.map { $0 + offset }, bytes.count - offset)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError("write", path) }
            offset += count
        }
    }

    /// Replaces the file in one step: a reader, also after a crash, sees the old content or the new one.
    static func writeAtomically(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600, isDurable: Bool = true)
        throws(FileError)
    {
        // The pid keeps two processes that write the same file apart.
        let temporary = "\(path).\(getpid()).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw FileError("create", temporary) }
        do throws(FileError) {
            defer { close(descriptor) }
            try write(bytes, descriptor: descriptor, path: temporary)
            guard fchmod(descriptor, mode) == 0 else { throw FileError("set the mode of", temporary) }
            if isDurable, fsync(descriptor) != 0 { throw FileError("sync", temporary) }
        } catch {
            unlink(temporary)
            throw error
        }
        guard rename(temporary, path) == 0 else {
            let failure = FileError("replace", path)
            unlink(temporary)
            throw failure
        }
    }

    /// Makes a folder and its parents, as far as they are missing.
    static func makeFolders(_ path: String, mode: mode_t = 0o755) throws(FileError) {
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw FileError("create folder", path)
        }
        try makeFolders(String(path[..<slash]))
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw FileError("create folder", path) }
    }

    /// The names in a folder, sorted, without `.` and `..`; none where there is no such folder.
    static func names(in path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = entryName(entry)
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func entryName(_ entry: UnsafeMutablePointer<dirent>) -> String {
        withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) {
                String(cString: $0)
            }
        }
    }

    /// The target of a symbolic link, or nil.
    static func linkTarget(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
