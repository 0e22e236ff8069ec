import KubeAPI
import Kernel

extension Sandbox {
    func removalPlan() -> SandboxRemoval {
        state.withLock { state in
            SandboxRemoval(
                context: context, uid: uid, qos: [state.record.spec.qos],
                address: state.record.address.flatMap { IPAddress($0) }, containers: Array(state.containers.keys))
        }
    }

    /// Removes all of it. Calls that are under way fail; a second removal waits for the first. After a failure it can be
    /// tried again.
    func remove() async throws(RuntimeError) {
        let failure: RuntimeError? = await withCheckedContinuation { continuation in
            let isFirst = change { state in
                state.phase = .removing
                guard state.removalWaiters == nil else {
                    state.removalWaiters?.append { continuation.resume(returning: $0) }
                    return false
                }
                state.removalWaiters = [{ continuation.resume(returning: $0) }]
                return true
            }
            guard isFirst else { return }
            Task {
                let failure = await removeOnce()
                let waiters = change { state in
                    defer { state.removalWaiters = nil }
                    return state.removalWaiters ?? []
                }
                for waiter in waiters { waiter(failure) }
            }
        }
        if let failure { throw failure }
    }

    private func removeOnce() async -> RuntimeError? {
        // One that is just being built ends its build first: there is nothing to end yet.
        if state.withLock({ $0.supervisor == nil }) {
            _ = await wait(nil) { $0.operations == 0 ? true : nil }
        }
        // While the processes end. Whoever finds this record after a crash goes on.
        async let isNoted: Void = noteRemoval()
        if let supervisor = state.withLock({ $0.supervisor }) {
            supervisor.tell(.terminate)
            if !(await supervisor.waitForDeath(SandboxRemoval.deathLimit)) {
                supervisor.kill()
                guard await supervisor.waitForDeath(SandboxRemoval.deathLimit) else {
                    return error(.system, "end the supervisor of")
                }
            }
            supervisor.close()
            context.passed(.supervisorEnded)
        }
        // Their supervisor is gone: they fail.
        _ = await wait(nil) { $0.operations == 0 ? true : nil }
        await isNoted
        let plan = removalPlan()
        let failures = await context.workers.run { plan.run() }
        guard var first = failures.first else { return nil }
        first.cleanUpFailures += failures.dropFirst().map(\.description)
        return first
    }

    private func noteRemoval() async {
        state.withLock { $0.record.phase = .removing }
        await context.workers.run { [context, uid] in
            do throws(KernelError) {
                try context.noteRemoval(uid)
                context.passed(.removalNoted)
            } catch {
                // The removal goes on: without the note a restart would call the pod a dead one.
                context.log.warning("cannot note the removal of a pod", metadata: ["uid": "\(uid)", "err": "\(error)"])
            }
        }
    }
}
