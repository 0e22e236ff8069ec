import Glibc
import Kernel

/// An flock on a file; the kernel gives it back when the process ends, however it ends.
struct FolderLock {
    private let descriptor: Int32

    init(path: String) throws(FileError) {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileError("open", path) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else {
                let failure = FileError("lock", path)
                close(descriptor)
                throw failure
            }
        }
    }

    func release() { close(descriptor) }
}

/// The private folder of one import, flocked, so that a sweep knows whether its process still lives.
struct IngestFolder {
    let path: String
    private let descriptor: Int32

    init(parent: String) throws(FileError) {
        path = "\(parent)/\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 16))"
        guard mkdir(path, 0o700) == 0 else { throw FileError("create folder", path) }
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw FileError("lock", path) }
    }

    /// Where a layer is unpacked; not there yet.
    func layerPath(_ diffID: String) -> String { "\(path)/layer-\(diffID.dropFirst(7))" }

    func remove() {
        try? FileTree.remove(path)  // what is left is swept by the next to open the store
        close(descriptor)
    }

    static func removeIfAbandoned(_ path: String) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { try? FileTree.remove(path) }  // tried again at the next start
    }
}
