import Glibc
import Kernel
import Logging

/// Folders that nobody waits for: moved out of the way at once, removed by a thread behind. What a crash leaves in it is
/// removed at the next start.
struct Trash: Sendable {
    let folder: String
    let thread: WorkerThreads
    let log: Logger

    /// Takes a folder of the same file system; missing is fine.
    func take(_ path: String) throws(KernelError) {
        let name = path.split(separator: "/").last.map(String.init) ?? "x"
        let place = "\(folder)/\(name).\(String(UInt64.random(in: .min ... .max), radix: 16))"
        guard rename(path, place) == 0 else {
            if errno == ENOENT { return }
            throw KernelError("move away", path)
        }
        remove(place)
    }

    /// Begins to remove all that is there.
    func empty() {
        for name in FileTree.names(in: folder) { remove(folder + "/" + name) }
    }

    private func remove(_ path: String) {
        thread.post { [log] in
            do throws(KernelError) {
                try FileTree.remove(path)
            } catch {
                log.warning("cannot remove what a container left", metadata: ["err": "\(error)"])
            }
        }
    }
}
