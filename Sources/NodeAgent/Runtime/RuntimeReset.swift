import Glibc
import KubeAPI
import Kernel
import Logging

/// Takes everything of one tag off the machine: processes, cgroups, links, routes, folders, settings. Of other tags it
/// touches nothing.
struct RuntimeReset: Sendable {
    let config: RuntimeConfig
    let log: Logger

    func run() async throws(RuntimeError) {
        let failures: [String]
        do {
            failures = try await onResetThread()
        } catch {
            throw RuntimeError(.system, "cannot reset the pod runtime: \(error)")
        }
        guard let first = failures.first else { return }
        var error = RuntimeError(.system, "cannot reset all of the pod runtime: \(first)")
        error.cleanUpFailures = Array(failures.dropFirst())
        throw error
    }

    /// It takes as long as processes take to end.
    private func onResetThread() async throws -> [String] {
        let threads = try WorkerThreads(name: "reset", count: 1)
        defer { threads.stop() }
        return await threads.run { removeAll() }
    }

    private func removeAll() -> [String] {
        let paths = RuntimePaths(dataDir: config.dataDir, runDir: config.runDir)
        var failures: [String] = []
        func attempt(_ body: () throws(KernelError) -> Void) {
            do throws(KernelError) { try body() } catch { failures.append("\(error)") }
        }
        attempt { () throws(KernelError) in try endProcesses(paths) }
        attempt { () throws(KernelError) in try removeNetwork() }
        SavedSysctls(path: paths.savedSysctls).restore()
        for path in [
            paths.states, paths.records, paths.containers, paths.mountPoint, paths.trash, paths.addresses,
            paths.cgroupParent,
            paths.savedSysctls,
        ] {
            attempt { () throws(KernelError) in try FileTree.remove(path) }
        }
        return failures
    }

    private func endProcesses(_ paths: RuntimePaths) throws(KernelError) {
        // Supervisors first: each takes its containers along.
        for uid in FileTree.names(in: paths.states) {
            Supervisor.connect(folder: paths.state(uid), podUID: uid, timeoutMs: 1000)?.kill()
        }
        let mounts = try CgroupMounts.current()
        guard !mounts.controllers.isEmpty || mounts.unified != nil else { return }
        let parent = try DurableFile.read(paths.cgroupParent, limit: 4096).map { String(decoding: $0, as: UTF8.self) }
        let tree = try CgroupDetection.open(
            name: RuntimeContext.treeName(config.tag), mounts: mounts, parent: parent)
        guard tree.killAndWait("", timeoutMs: 10_000) else {
            throw KernelError("end", "processes of \(RuntimeContext.treeName(config.tag))", code: EBUSY)
        }
        for pause: UInt32 in [1, 5, 20, 100, 500] {
            do throws(KernelError) {
                return try tree.removeTop()
            } catch {
                guard error.code == EBUSY else { throw error }
                usleep(pause * 1000)
            }
        }
        try tree.removeTop()
    }

    private func removeNetwork() throws(KernelError) {
        let host = try Rtnetlink()
        let links = try host.links()
        let ours = links.filter { PodNetwork.address(tag: config.tag, ofLink: $0.name) != nil }
        // The routes of pods go with their links. Others of ours are told from those of another tag by the range.
        let routes = try host.routes(protocol: swiftletRouteProtocol).filter { route in
            if let index = route.linkIndex, ours.contains(where: { $0.index == index }) { return true }
            guard let address = IPAddress(bytes: route.destination.bytes) else { return false }
            return config.podCIDRs.contains {
                $0.contains(address) && Int(route.prefixLength) >= $0.prefixLength
            }
        }
        try host.execute { batch in
            for route in routes { batch.deleteRoute(route) }
            if !ours.isEmpty { batch.deleteLinks(group: PodNetwork.group(tag: config.tag)) }
            // One that somebody has put into another group.
            for link in ours { batch.deleteLink(link.index) }
        }
    }
}
