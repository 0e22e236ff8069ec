import Glibc
import KubeAPI
import Kernel

/// The folder of one container: its record, its writable layer, its last words.
enum ContainerFolder {
    /// As much of the last words as Kubernetes takes.
    private static let messageLimit = 4096

    /// Makes one that was not there: a writable layer is never used twice (it is mounted `volatile`).
    static func make(_ path: String, _ record: ContainerRecord) throws(KernelError) {
        try makeFolder(path, 0o700)
        // Half of one is as good as none: nothing of the container has run then.
        try DurableFile.create(record.json.serialized(), at: path + "/" + ContainerRecord.fileName)
        // The root of the container gets its mode from it.
        try makeFolder(ContainerPlan.upper(path), 0o755)
        try makeFolder(ContainerPlan.work(path), 0o700)
        guard record.hasTerminationMessage else { return }
        let file = try FileDescriptor.open(
            ContainerPlan.terminationLog(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o666)
        // Whoever the container runs as; past our own umask.
        guard fchmod(file.raw, 0o666) == 0 else { throw KernelError("set mode of", ContainerPlan.terminationLog(path)) }
    }

    private static func makeFolder(_ path: String, _ mode: mode_t) throws(KernelError) {
        guard mkdir(path, mode) == 0 else { throw KernelError("create folder", path) }
    }

    /// The end of what the container wrote to its terminationMessagePath.
    static func terminationMessage(_ path: String) -> String {
        let file: FileDescriptor
        do throws(KernelError) {
            file = try FileDescriptor.open(ContainerPlan.terminationLog(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        } catch {
            // A container without one.
            return ""
        }
        let end = lseek(file.raw, 0, SEEK_END)
        guard end > 0 else { return "" }
        lseek(file.raw, max(0, end - off_t(messageLimit)), SEEK_SET)
        // Unreadable is as good as empty: the end of a container must be told in any case.
        let bytes = (try? file.read(upTo: messageLimit)) ?? []
        return String(decoding: bytes, as: UTF8.self)
    }
}
