import KubeAPI
import Kernel
import Logging
import Synchronization

/// Folders of pods that are gone which could not be removed: somebody has mounted something there, say. They are tried
/// again, ever more seldom; what is left when the daemon ends is swept by the next start.
final class Leftovers: Sendable {
    private let thread: WorkerThreads
    private let log: Logger
    private let firstPause: Duration
    private struct State {
        var paths: Set<String> = []
        var isTrying = false
        var isStopped = false
    }
    private let state = Mutex(State())
    /// Held while a folder is removed.
    private let turn = Mutex(())

    /// - Parameter thread: does the removing.
    init(thread: WorkerThreads, firstPause: Duration = .seconds(1), log: Logger) {
        self.thread = thread
        self.firstPause = firstPause
        self.log = log
    }

    /// What is still to be removed.
    var paths: Set<String> { state.withLock { $0.paths } }

    /// Tries again later, until they are gone.
    func add(_ paths: [String]) {
        let starts = state.withLock { state in
            state.paths.formUnion(paths)
            guard !state.isTrying, !state.isStopped else { return false }
            state.isTrying = true
            return true
        }
        if starts { Task { await self.tryUntilGone() } }
    }

    /// A pod of the same uid is there again (a static pod's follows from its manifest): what is left is its own. Waits
    /// for a removal that is under way.
    func forget(_ paths: [String]) {
        // As a rule there is nothing to forget, and nothing to wait for.
        guard state.withLock({ !$0.paths.isDisjoint(with: paths) }) else { return }
        turn.withLock { _ in state.withLock { $0.paths.subtract(paths) } }
    }

    func stop() { state.withLock { $0.isStopped = true } }

    private func tryUntilGone() async {
        var backoff = Backoff(first: firstPause, limit: .seconds(60))
        while true {
            // Nobody cancels it: it ends with what it has to do, or when it is stopped.
            try? await Task.sleep(for: backoff.next())
            let waiting: Set<String>? = state.withLock { state in
                if state.paths.isEmpty || state.isStopped {
                    state.isTrying = false
                    return nil
                }
                return state.paths
            }
            guard let waiting else { return }
            await thread.run { for path in waiting { self.remove(path) } }
        }
    }

    private func remove(_ path: String) {
        turn.withLock { _ in
            guard state.withLock({ $0.paths.contains(path) }) else { return }
            do throws(KernelError) {
                try FileTree.remove(path)
                state.withLock { _ = $0.paths.remove(path) }
                log.info("removed what a pod left", metadata: ["path": "\(path)"])
            } catch {
                // Told when it failed for the first time.
            }
        }
    }
}
