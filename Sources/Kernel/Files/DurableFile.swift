import CLinux
import Glibc

/// Files that are replaced in one step and survive a power cut: written beside, synced, renamed.
public enum DurableFile {
    /// Replaces the file. `isSynced: false` leaves out the sync: the content then survives the end of any process, not
    /// of the machine.
    public static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600, isSynced: Bool = true)
        throws(KernelError)
    {
        let temporary = path + ".tmp"
        do throws(KernelError) {
            let file = try FileDescriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: mode)
            try file.write(all: bytes)
            if isSynced, fdatasync(file.raw) != 0 { throw KernelError("sync", temporary) }
        } catch {
            unlink(temporary)
            throw KernelError(error.operation, temporary, code: error.code)
        }
        guard rename(temporary, path) == 0 else {
            let failure = KernelError("replace", path)
            unlink(temporary)
            throw failure
        }
    }

    /// Makes a file that was not there, without a sync and in one step less than `write`: where the process dies meanwhile,
    /// part of it may be there.
    public static func create(_ bytes: [UInt8], at path: String, mode: mode_t = 0o600) throws(KernelError) {
        let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
        do throws(KernelError) {
            try file.write(all: bytes)
        } catch {
            unlink(path)
            throw KernelError(error.operation, path, code: error.code)
        }
    }

    /// Writes what is pending of the file system that the folder lies on to the disk.
    public static func syncFileSystem(of folder: String) throws(KernelError) {
        let descriptor = try FileDescriptor.open(folder, O_RDONLY | O_DIRECTORY)
        let result = swl_syncfs(descriptor.raw)
        guard result >= 0 else { throw KernelError("sync", folder, code: -result) }
    }

    /// The whole content of a regular file, at most `limit` bytes (EFBIG beyond); nil where there is none.
    public static func read(_ path: String, limit: Int = 4 << 20) throws(KernelError) -> [UInt8]? {
        let file: FileDescriptor
        do throws(KernelError) {
            file = try FileDescriptor.open(path, O_RDONLY)
        } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
        var bytes: [UInt8] = []
        while true {
            let chunk = try file.read(upTo: 64 << 10)
            if chunk.isEmpty { return bytes }
            bytes += chunk
            guard bytes.count <= limit else { throw KernelError("read", path, code: EFBIG) }
        }
    }
}
