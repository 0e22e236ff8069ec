import Glibc
import KubeAPI
import Kernel

/// Takes away what is left of a pod after its supervisor has ended. Each step is fine with nothing to do, so that it can
/// be done again after a failure or a crash; the record goes last.
struct SandboxRemoval: Sendable {
    /// How long a killed process may take to end.
    static let deathLimit = Duration.seconds(10)
    private static let leftoversMs = 10_000

    let context: RuntimeContext
    let uid: String
    /// Where its cgroup may be: of a damaged record the class is not known.
    let qos: [QOSClass]
    let address: IPAddress?
    let containers: [String]

    /// Blocks for about a millisecond. Answers what failed; then the record is still there.
    func run() -> [RuntimeError] {
        var failures: [RuntimeError] = []
        func attempt(_ body: () throws(KernelError) -> Void) {
            do throws(KernelError) {
                try body()
            } catch {
                failures.append(RuntimeError(.system, "cannot remove all of pod \(uid)", cause: error))
            }
        }
        for qos in qos {
            let cgroup = Sandbox.cgroup(qos, uid)
            attempt { () throws(KernelError) in try endProcesses(cgroup) }
            attempt { () throws(KernelError) in try context.removeCgroup(cgroup) }
        }
        context.passed(.podCgroupsRemoved)
        // The kernel takes the link away behind us: the namespace has no process any more.
        if let address { context.network.release(address) }
        context.passed(.addressReleased)
        for id in containers {
            attempt { () throws(KernelError) in try context.trash.take(context.paths.container(id)) }
        }
        context.passed(.foldersTrashed)
        attempt { () throws(KernelError) in try FileTree.remove(context.paths.state(uid)) }
        context.passed(.stateRemoved)
        guard failures.isEmpty else { return failures }
        attempt { () throws(KernelError) in
            for record in [context.paths.record(uid), context.paths.removalRecord(uid)] {
                guard unlink(record) == 0 || errno == ENOENT else { throw KernelError("remove", record) }
            }
            context.passed(.recordRemoved)
        }
        return failures
    }

    private func endProcesses(_ cgroup: String) throws(KernelError) {
        guard !context.cgroups.processes(cgroup).isEmpty else { return }
        guard context.cgroups.killAndWait(cgroup, timeoutMs: Self.leftoversMs) else {
            let pids = context.cgroups.processes(cgroup).prefix(5).map { "\($0)" }.joined(separator: ", ")
            throw KernelError("end", "processes \(pids)", code: EBUSY)
        }
    }
}

extension RuntimeContext {
    /// Says of a pod's record that it is being removed. Missing is fine: it says so already, or there is none.
    func noteRemoval(_ uid: String) throws(KernelError) {
        let record = paths.record(uid)
        guard rename(record, paths.removalRecord(uid)) == 0 || errno == ENOENT else {
            throw KernelError("rename", record)
        }
    }
}
