import Glibc
import KubeAPI
import Kernel
import Synchronization

/// One pod as this daemon knows it: its record, its supervisor, its containers, and what is being done to it.
///
/// Extensions hold what can be done: `Sandbox+Build`, `+Start`, `+Stop`, `+Removal`, `+Connection`.
final class Sandbox: Sendable {
    enum Phase: Sendable {
        case building, running
        /// The supervisor has died.
        case dead
        case removing
    }

    struct Container: Sendable {
        enum State: Sendable, Equatable {
            case starting, running
            case exited(ExitRecord)
        }
        let record: ContainerRecord
        var state: State
        var pid = 0
        var startedAt: Timestamp
        var timings: [StageTiming] = []

        var info: ContainerInfo? {
            let shown: ContainerInfo.State
            switch state {
            case .starting: return nil
            case .running: shown = .running
            case .exited(let exit): shown = .exited(exit)
            }
            return ContainerInfo(
                id: record.id, name: record.name, attempt: record.attempt, podUID: record.podUID, pid: pid,
                startedAt: startedAt, state: shown, logPath: record.logPath, annotation: record.annotation)
        }
    }

    struct State: Sendable {
        var phase: Phase
        var record: PodRecord
        var supervisor: Supervisor?
        var containers: [String: Container] = [:]
        var timings: [StageTiming] = []
        /// Those who wait for the end of what was executed in a container, by its id.
        var executions: [String: ExecutionEnd] = [:]
        /// Calls that are under way; a removal waits for their end.
        var operations = 0
        /// Told of every change of a container, a phase or the operations, to look again.
        var watchers: [UInt64: @Sendable () -> Void] = [:]
        var nextWatcher: UInt64 = 0
        /// Those that wait for a removal which somebody else does.
        var removalWaiters: [@Sendable (RuntimeError?) -> Void]?
        var isReconnecting = false
    }

    let context: RuntimeContext
    let uid: String
    let state: Mutex<State>

    init(_ context: RuntimeContext, phase: Phase, record: PodRecord) {
        self.context = context
        uid = record.spec.podUID
        state = Mutex(State(phase: phase, record: record))
    }

    /// For messages.
    var name: String { state.withLock { "\($0.record.spec.namespace)/\($0.record.spec.name)" } }
    var cgroup: String { state.withLock { Self.cgroup($0.record.spec.qos, uid) } }
    static func cgroup(_ qos: QOSClass, _ uid: String) -> String { "\(qos.rawValue)/pod\(uid)" }

    var info: SandboxInfo {
        state.withLock { state in
            SandboxInfo(
                podUID: uid, address: state.record.address, secondAddress: state.record.secondAddress,
                createdAt: state.record.createdAt, podinitPID: Int(state.supervisor?.pid ?? 0))
        }
    }

    var containers: [ContainerInfo] {
        state.withLock { $0.containers.values.compactMap(\.info) }
            .sorted { ($0.startedAt, $0.id) < ($1.startedAt, $1.id) }
    }

    var timings: PodTimings {
        state.withLock { state in
            PodTimings(sandbox: state.timings, containers: state.containers.mapValues(\.timings))
        }
    }

    func error(_ reason: RuntimeError.Reason, _ what: String, _ cause: KernelError? = nil) -> RuntimeError {
        RuntimeError(reason, "cannot \(what) pod \(name)", cause: cause)
    }

    // MARK: changes, and waiting for them

    /// Changes the state; whoever waits looks again.
    func change<Value: Sendable>(_ body: @Sendable (inout State) -> Value) -> Value {
        let (value, watchers) = state.withLock { state in
            let value = body(&state)
            return (value, Array(state.watchers.values))
        }
        for watcher in watchers { watcher() }
        return value
    }

    /// Waits until the answer is not nil; nil after the time. The question is asked at once and after each change.
    func wait<Value: Sendable>(
        _ limit: Duration?, for question: @escaping @Sendable (State) -> Value?
    ) async -> Value? {
        await withCheckedContinuation { continuation in
            let answer = OneAnswer<Value?> { continuation.resume(returning: $0) }
            let watcher = state.withLock { state in
                state.nextWatcher += 1
                return state.nextWatcher
            }
            let finish: @Sendable (Value?) -> Void = { [weak self] value in
                guard answer.give(value) else { return }
                self?.state.withLock { _ = $0.watchers.removeValue(forKey: watcher) }
            }
            let look: @Sendable () -> Void = { [weak self] in
                guard let self else { return finish(nil) }
                if let value = state.withLock({ question($0) }) { finish(value) }
            }
            state.withLock { $0.watchers[watcher] = look }
            look()
            guard let limit, !answer.isGiven else { return }
            let loop = context.loop
            let timer = loop.after(limit) { finish(nil) }
            answer.afterwards { loop.cancelTimer(timer) }
        }
    }

    /// A call has begun; refused where the pod is going, gone or dead.
    func begin(_ what: String) throws(RuntimeError) -> Supervisor {
        let (phase, supervisor) = state.withLock { state in
            if state.phase == .running, state.supervisor != nil { state.operations += 1 }
            return (state.phase, state.supervisor)
        }
        switch phase {
        case .running:
            guard let supervisor else { throw error(.system, "\(what): no supervisor of") }
            return supervisor
        case .building: throw RuntimeError(.system, "cannot \(what): sandbox of pod \(name) is not ready")
        case .dead: throw RuntimeError(.sandboxDead, "cannot \(what): supervisor of pod \(name) has died")
        case .removing: throw RuntimeError(.notFound, "cannot \(what): pod \(name) is being removed")
        }
    }

    func end() { change { $0.operations -= 1 } }
}

/// Takes the first of several answers.
private final class OneAnswer<Value: Sendable>: Sendable {
    private let body: @Sendable (Value) -> Void
    private struct State {
        var isGiven = false
        var rest: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())

    init(_ body: @escaping @Sendable (Value) -> Void) { self.body = body }

    var isGiven: Bool { state.withLock { $0.isGiven } }

    /// False where there was one before.
    func give(_ value: Value) -> Bool {
        let (isFirst, rest) = state.withLock { state in
            defer {
                state.isGiven = true
                state.rest = nil
            }
            return (!state.isGiven, state.rest)
        }
        guard isFirst else { return false }
        rest?()
        body(value)
        return true
    }

    /// Runs when the answer is given, or now.
    func afterwards(_ body: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            if !state.isGiven { state.rest = body }
            return state.isGiven
        }
        if isLate { body() }
    }
}
