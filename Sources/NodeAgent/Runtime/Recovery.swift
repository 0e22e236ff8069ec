import Glibc
import KubeAPI
import Kernel
import Logging

/// Finds out at start what an earlier daemon left: adopts pods that run, finishes what was begun, removes what belongs to
/// nobody.
struct Recovery: Sendable {
    let context: RuntimeContext

    /// The pods that are there, alive or dead.
    func run() async -> [Sandbox] {
        let folders = await context.workers.run { containerRecords() }
        let all = await context.workers.run { sandboxes(folders) }
        let found = await withTaskGroup(of: Sandbox?.self) { group in
            for sandbox in all {
                group.addTask { await settle(sandbox) ? sandbox : nil }
            }
            var found: [Sandbox] = []
            for await sandbox in group { if let sandbox { found.append(sandbox) } }
            return found
        }
        let known = Set(found.map(\.uid))
        await context.workers.run { sweep(known: known, found: found) }
        context.trash.empty()
        return found.sorted { $0.uid < $1.uid }
    }

    // MARK: reading

    private func containerRecords() -> [String: [ContainerRecord]] {
        var records: [String: [ContainerRecord]] = [:]
        for id in FileTree.names(in: context.paths.containers) {
            let folder = context.paths.container(id)
            if let record = ContainerRecord.read(folder: folder), record.id == id {
                records[record.podUID, default: []].append(record)
            } else {
                // Killed before its record was whole: nothing of it has run.
                discard(folder)
            }
        }
        return records
    }

    private func sandboxes(_ folders: [String: [ContainerRecord]]) -> [Sandbox] {
        var sandboxes: [Sandbox] = []
        for file in FileTree.names(in: context.paths.records) {
            let path = context.paths.records + "/" + file
            let parts = file.split(separator: ".", omittingEmptySubsequences: false)
            let uid = parts.dropLast().joined(separator: ".")
            guard let kind = parts.last, kind == "json" || kind == "removing", RuntimePaths.isValid(uid: uid) else {
                unlink(path)
                continue
            }
            guard var record = PodRecord.read(path), record.spec.podUID == uid else {
                // Torn by a power cut, or written by a later version: what it was about is swept like any orphan.
                context.log.warning("removing a pod whose record cannot be read", metadata: ["uid": "\(uid)"])
                removeRemains(uid)
                continue
            }
            if kind == "removing" { record.phase = .removing }
            let sandbox = Sandbox(context, phase: .building, record: record)
            for container in folders[uid] ?? [] {
                sandbox.state.withLock {
                    $0.containers[container.id] = Sandbox.Container(
                        record: container, state: .starting, startedAt: container.createdAt)
                }
            }
            sandboxes.append(sandbox)
        }
        return sandboxes
    }

    // MARK: one pod

    /// False where nothing is left of it.
    private func settle(_ sandbox: Sandbox) async -> Bool {
        let supervisor = await sandbox.connect()
        let isLeft = sandbox.state.withLock { state in
            switch state.record.phase {
            // Where no container was ever begun nothing of it has run, and what the kubelet makes beside it (its hosts
            // file) may be missing: it is made anew.
            case .building: state.containers.isEmpty
            case .running: false
            case .removing: true
            }
        }
        guard !isLeft else {
            sandbox.state.withLock { $0.supervisor = supervisor }
            // Unlistened it could not tell of its end.
            if let supervisor { _ = await sandbox.reports(of: supervisor) }
            do throws(RuntimeError) {
                try await sandbox.remove()
                return false
            } catch {
                context.log.warning(
                    "cannot finish the removal of a pod", metadata: ["uid": "\(sandbox.uid)", "err": "\(error)"])
                return true
            }
        }
        guard let supervisor, let reports = await sandbox.reports(of: supervisor) else {
            supervisor?.kill()
            sandbox.state.withLock { $0.phase = .dead }
            let cgroup = sandbox.cgroup
            await context.workers.run { _ = context.cgroups.killAndWait(cgroup, timeoutMs: 5000) }
            await sandbox.noteLosses()
            return true
        }
        await sandbox.adopt(supervisor, reports)
        return true
    }

    // MARK: orphans

    private func sweep(known: Set<String>, found: [Sandbox]) {
        let containers = Set(found.flatMap { $0.state.withLock { Array($0.containers.keys) } })
        for id in FileTree.names(in: context.paths.containers) where !containers.contains(id) {
            discard(context.paths.container(id))
        }
        for qos in QOSClass.allCases {
            for name in context.cgroups.children(qos.rawValue) {
                let uid = name.hasPrefix("pod") ? String(name.dropFirst(3)) : ""
                let path = qos.rawValue + "/" + name
                guard known.contains(uid) else {
                    end(path)
                    continue
                }
                for child in context.cgroups.children(path) where !containers.contains(child) {
                    end(path + "/" + child)
                }
            }
        }
        for uid in FileTree.names(in: context.paths.states) where !known.contains(uid) {
            attempt { () throws(KernelError) in try FileTree.remove(context.paths.state(uid)) }
        }
        let addresses = Set(found.compactMap { $0.state.withLock { $0.record.address } })
        attempt { () throws(KernelError) in
            let orphans = try context.network.linkedAddresses().filter { !addresses.contains($0.address.description) }
            guard !orphans.isEmpty else { return }
            // Tens of milliseconds, for which nobody has to wait: their addresses are kept until they are gone.
            context.cleaner.post { [context] in
                // Those whose namespace has died meanwhile are gone by themselves.
                try? context.network.deleteLinks(orphans.map(\.index))
            }
        }
    }

    /// What is left of a pod of which only the uid is known.
    private func removeRemains(_ uid: String) {
        if let connection = Supervisor.connect(folder: context.paths.state(uid), podUID: uid, timeoutMs: 1000) {
            connection.kill()
        }
        let removal = SandboxRemoval(context: context, uid: uid, qos: QOSClass.allCases, address: nil, containers: [])
        for failure in removal.run() {
            context.log.warning("cannot remove a pod", metadata: ["uid": "\(uid)", "err": "\(failure)"])
        }
    }

    private func end(_ cgroup: String) {
        attempt { () throws(KernelError) in
            _ = context.cgroups.killAndWait(cgroup, timeoutMs: 5000)
            try context.removeCgroup(cgroup)
        }
    }

    private func discard(_ folder: String) {
        attempt { () throws(KernelError) in try context.trash.take(folder) }
    }

    private func attempt(_ body: () throws(KernelError) -> Void) {
        do throws(KernelError) {
            try body()
        } catch {
            context.log.warning("cannot remove what an earlier daemon left", metadata: ["err": "\(error)"])
        }
    }
}
