import Glibc
import KubeAPI
import Kernel

/// The files of containers' logs on the disk, made, linked and removed.
struct LogFolders: Sendable {
    let paths: KubeletPaths

    /// Makes the folder of a run's log and the link to it. The log itself is the supervisor's to write.
    func prepare(_ pod: Pod, _ container: String, attempt: Int, id: String) throws(KernelError) {
        try FileTree.makeFolders(paths.containerLogs(pod, container))
        let link = paths.logLink(pod, container, id: id)
        if symlink(paths.log(pod, container, attempt: attempt), link) == 0 || errno == EEXIST { return }
        try FileTree.makeFolders(paths.containerLogs)
        guard symlink(paths.log(pod, container, attempt: attempt), link) == 0 || errno == EEXIST else {
            throw KernelError("create link", link)
        }
    }

    /// Removes the log of one run, with its rotated files and its link.
    func remove(_ pod: Pod, _ container: String, attempt: Int, id: String) {
        let folder = paths.containerLogs(pod, container)
        let base = "\(attempt).log"
        for name in FileTree.names(in: folder) where name == base || name.hasPrefix(base + ".") {
            unlink("\(folder)/\(name)")
        }
        unlink(paths.logLink(pod, container, id: id))
    }

    /// Removes all logs of a pod, and the links to them: also those of starts that nobody remembers.
    func removeAll(_ pod: Pod) throws(KernelError) {
        let folder = paths.podLogs(pod)
        let prefix = "\(pod.name)_\(pod.namespace)_"
        for name in FileTree.names(in: paths.containerLogs) where name.hasPrefix(prefix) {
            let link = "\(paths.containerLogs)/\(name)"
            // Another pod may have the name by now.
            if HostFiles.linkTarget(link)?.hasPrefix(folder + "/") == true { unlink(link) }
        }
        try FileTree.remove(folder)
    }

    /// Removes what pods have left that are not known any more, and links that lead nowhere.
    func sweep(isKnown: (_ uid: String) -> Bool) {
        for name in FileTree.names(in: paths.podLogs) {
            // NAMESPACE_NAME_UID: none of the three has a `_`.
            let parts = name.split(separator: "_")
            guard parts.count == 3, !isKnown(String(parts[2])) else { continue }
            try? FileTree.remove("\(paths.podLogs)/\(name)")  // tried again at the next start
        }
        for name in FileTree.names(in: paths.containerLogs) {
            let link = "\(paths.containerLogs)/\(name)"
            guard let target = HostFiles.linkTarget(link), target.hasPrefix(paths.podLogs + "/") else { continue }
            var folder = target
            folder.removeSubrange((folder.lastIndex(of: "/") ?? folder.startIndex)...)
            // A link whose run has written nothing yet has its folder all the same.
            if !HostFiles.exists(folder) { unlink(link) }
        }
    }
}
