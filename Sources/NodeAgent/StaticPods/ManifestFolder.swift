import Glibc
import KubeAPI
import Kernel
import Logging
import Synchronization

/// The folder of static pods: what its files say, now and whenever one changes.
final class ManifestFolder: Sendable {
    private struct FileIdentity: Equatable {
        var inode: UInt
        var sizeBytes: Int
        var seconds: Int
        var nanoseconds: Int
    }
    private struct File {
        var identity: FileIdentity
        var pods: [Pod]
    }
    private struct State {
        var files: [String: File] = [:]
        var token: Inotify.Token?
    }

    private let path: String
    private let nodeName: String
    private let log: Logger
    private let state = Mutex(State())

    init(path: String, nodeName: String, log: Logger) {
        self.path = path
        self.nodeName = nodeName
        self.log = log
    }

    /// Reads the folder and watches it. `onChange` gets all pods each time that something has changed, on the loop's
    /// thread; the first ones are returned.
    func open(_ inotify: Inotify, onChange: @escaping @Sendable ([Pod]) -> Void) throws(KernelError) -> [Pod] {
        try FileTree.makeFolders(path)
        // Watched before it is read, so that nothing falls between.
        let token = try inotify.watch(path, [.closedAfterWriting, .movedFrom, .movedTo, .created, .deleted]) {
            [weak self] changes in
            guard let self else { return }
            // A file that has just been created is being written: its end is told too. A link is complete.
            let isCreationOnly = changes.isSubset(of: .created)
            if let pods = self.scan(takesNewFiles: !isCreationOnly) { onChange(pods) }
        }
        state.withLock { $0.token = token }
        return scan(takesNewFiles: true) ?? []
    }

    func close(_ inotify: Inotify) {
        if let token = state.withLock({ $0.token }) { inotify.cancel(token) }
    }

    private static func isManifest(_ name: String) -> Bool {
        !name.hasPrefix(".") && [".yaml", ".yml", ".json"].contains { name.hasSuffix($0) }
    }

    /// - Returns: all pods, where something has changed since the last time.
    private func scan(takesNewFiles: Bool) -> [Pod]? {
        state.withLock { state in
            let before = state.files
            var files: [String: File] = [:]
            for name in FileTree.names(in: path) where Self.isManifest(name) {
                let file = "\(path)/\(name)"
                var info = stat()
                guard stat(file, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { continue }
                let identity = FileIdentity(
                    inode: UInt(info.st_ino), sizeBytes: Int(info.st_size), seconds: info.st_mtim.tv_sec,
                    nanoseconds: info.st_mtim.tv_nsec)
                if let known = before[name], known.identity == identity {
                    files[name] = known
                    continue
                }
                if !takesNewFiles, before[name] == nil, HostFiles.linkTarget(file) == nil { continue }
                files[name] = read(file, identity, before: before[name]?.pods ?? [])
            }
            state.files = files
            return before.mapValues(\.identity) == files.mapValues(\.identity) ? nil : distinct(files)
        }
    }

    private func read(_ file: String, _ identity: FileIdentity, before: [Pod]) -> File {
        do {
            let bytes = try HostFiles.read(file, limit: StaticPod.sizeLimit)
            let pods = try StaticPod.parse(bytes, file: file, nodeName: nodeName, seenAt: .now())
            return File(identity: identity, pods: pods)
        } catch {
            // A pod that runs is not ended by a slip of the pen.
            log.error("cannot use manifest", metadata: ["file": "\(file)", "err": "\(error)"])
            return File(identity: identity, pods: before)
        }
    }

    /// Of two pods of one name the first file's counts.
    private func distinct(_ files: [String: File]) -> [Pod] {
        var pods: [String: Pod] = [:]
        for name in files.keys.sorted() {
            for pod in files[name]?.pods ?? [] {
                if let other = pods[pod.key], other.uid != pod.uid {
                    log.error(
                        "cannot use manifest",
                        metadata: [
                            "file": "\(path)/\(name)", "err": "another manifest has a pod of the name \(pod.key)",
                        ])
                    continue
                }
                pods[pod.key] = pod
            }
        }
        return pods.keys.sorted().compactMap { pods[$0] }
    }
}
