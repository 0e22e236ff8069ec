import KubeAPI
import Synchronization

@testable import NodeAgent

/// Probes and hooks that a test decides about. Nothing hangs: a hook that is not let through waits for its end.
final class FakeHealth: HealthRunner {
    private struct State {
        /// By the container's name.
        var outcomes: [String: ProbeOutcome] = [:]
        var probes: [String] = []
        var hooks: [String] = []
        var hookErrors: [String: HealthActionError] = [:]
        var fallbacks: [String: String] = [:]
        var held: Set<String> = []
        var waiting: [String: CheckedContinuation<Void, Never>] = [:]
    }
    private let state = Mutex(State())

    /// What probes of a container find from now on.
    func find(_ outcome: ProbeOutcome, in container: String) {
        state.withLock { $0.outcomes[container] = outcome }
    }
    /// Hooks of a container don't end until they are let go.
    func hold(_ container: String) { state.withLock { _ = $0.held.insert(container) } }
    func letGo(_ container: String) {
        state.withLock { state in
            state.held.remove(container)
            return state.waiting.removeValue(forKey: container)
        }?.resume()
    }
    func fail(_ container: String, _ message: String) {
        state.withLock { $0.hookErrors[container] = HealthActionError(message) }
    }
    /// A container's hooks are answered by HTTP, from that server.
    func fallBack(_ container: String, to server: String) { state.withLock { $0.fallbacks[container] = server } }
    /// Names of containers whose hooks have begun, in order.
    var hooks: [String] { state.withLock { $0.hooks } }
    /// Names of containers, one for each probe.
    var probes: [String] { state.withLock { $0.probes } }

    func probe(_ action: HealthAction, of target: HealthTarget, timeout: Duration) async -> ProbeOutcome {
        state.withLock { state in
            state.probes.append(target.container.name)
            return state.outcomes[target.container.name] ?? .success
        }
    }

    func run(hook action: HealthAction, of target: HealthTarget) async throws(HealthActionError) -> String? {
        let name = target.container.name
        let isHeld = state.withLock { state in
            state.hooks.append(name)
            return state.held.contains(name)
        }
        if isHeld {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isFree = state.withLock { state in
                        if !state.held.contains(name) { return true }
                        state.waiting[name] = continuation
                        return false
                    }
                    if isFree { continuation.resume() }
                }
            } onCancel: {
                letGo(name)
            }
        }
        if let error = state.withLock({ $0.hookErrors[name] }) { throw error }
        return state.withLock { $0.fallbacks[name] }
    }
}
