import KubeAPI
import Synchronization

@testable import NodeAgent

/// A runtime that makes nothing, remembers everything, and lets a test decide what happens.
final class FakeRuntime: ContainerRuntime {
    struct State {
        var sandboxes: [String: SandboxSpec] = [:]
        var running: [String: ContainerSpec] = [:]
        var calls: [String] = []
        /// What the next start answers, by the container's name.
        var startErrors: [String: RuntimeError] = [:]
        var sandboxError: RuntimeError?
        /// Containers that don't end by the signal, until killed.
        var stubborn: Set<String> = []
        var waitingStops: [(id: String, continuation: CheckedContinuation<Void, Never>)] = []
        var recovered: [RecoveredSandbox] = []
        var range: CIDR?
        /// What comes of what is executed, by its arguments.
        var outcome: (@Sendable ([String]) -> RunOutcome)?
    }

    let events: AsyncStream<RuntimeEvent>
    private let publish: AsyncStream<RuntimeEvent>.Continuation
    let state = Mutex(State())

    init(recovered: [RecoveredSandbox] = []) {
        (events, publish) = AsyncStream.makeStream()
        state.withLock { state in
            state.recovered = recovered
            for sandbox in recovered { state.sandboxes[sandbox.spec.podUID] = sandbox.spec }
        }
    }

    var calls: [String] { state.withLock { $0.calls } }
    /// The newest running container of that name.
    func running(_ name: String) -> ContainerSpec? {
        state.withLock { $0.running.values.filter { $0.name == name }.max { $0.attempt < $1.attempt } }
    }

    // MARK: what tests make happen

    func exit(_ name: String, uid: String, code: Int) {
        guard let spec = running(name) else { return }
        state.withLock { _ = $0.running.removeValue(forKey: spec.id) }
        publish.yield(.containerExited(podUID: uid, containerID: spec.id, Self.record(code)))
    }

    func killSupervisor(_ uid: String) {
        state.withLock { $0.running = [:] }
        publish.yield(.sandboxDied(podUID: uid, reason: "killed"))
    }

    static func record(_ code: Int) -> ExitRecord {
        ExitRecord(exitCode: code, signal: code > 128 ? code - 128 : 0, startedAt: Sample.now, finishedAt: .now())
    }

    // MARK: the runtime

    func recover() async throws(RuntimeError) -> [RecoveredSandbox] { state.withLock { $0.recovered } }
    func setPodCIDRs(_ cidrs: [CIDR]) throws(RuntimeError) { state.withLock { $0.range = cidrs.first } }

    func createSandbox(_ spec: SandboxSpec) async throws(RuntimeError) -> SandboxInfo {
        let error = state.withLock { state in
            state.calls.append("create \(spec.name)")
            defer { state.sandboxError = nil }
            if state.sandboxError == nil { state.sandboxes[spec.podUID] = spec }
            return state.sandboxError
        }
        if let error { throw error }
        return SandboxInfo(
            podUID: spec.podUID, address: spec.hostNetwork ? nil : "10.244.0.5", createdAt: .now(), podinitPID: 1)
    }

    func startContainer(podUID: String, _ spec: ContainerSpec) async throws(RuntimeError) -> ContainerInfo {
        let error = state.withLock { state in
            state.calls.append("start \(spec.name) \(spec.attempt)")
            let error = state.startErrors.removeValue(forKey: spec.name)
            if error == nil { state.running[spec.id] = spec }
            return error
        }
        if let error { throw error }
        return ContainerInfo(
            id: spec.id, name: spec.name, attempt: spec.attempt, podUID: podUID, pid: 100, startedAt: .now(),
            state: .running, logPath: spec.logPath, annotation: spec.annotation)
    }

    func stopContainer(podUID: String, containerID: String, graceSeconds: Int, signal: Int32)
        async throws(RuntimeError) -> ExitRecord
    {
        let isStubborn = state.withLock { state in
            let name = state.running[containerID]?.name ?? "?"
            state.calls.append("stop \(name) \(graceSeconds)")
            return state.stubborn.contains(name) && graceSeconds > 0
        }
        if isStubborn {
            await withCheckedContinuation { continuation in
                state.withLock { $0.waitingStops.append((containerID, continuation)) }
            }
        }
        let waiting = state.withLock { state in
            state.running[containerID] = nil
            let waiting = state.waitingStops.filter { $0.id == containerID }
            state.waitingStops.removeAll { $0.id == containerID }
            return waiting
        }
        for stop in waiting { stop.continuation.resume() }
        return Self.record(isStubborn || graceSeconds == 0 ? 137 : 143)
    }

    func removeContainer(podUID: String, containerID: String) async throws(RuntimeError) {
        state.withLock { $0.calls.append("remove container") }
    }

    func removeSandbox(podUID: String) async throws(RuntimeError) {
        state.withLock { state in
            state.calls.append("remove \(state.sandboxes[podUID]?.name ?? "?")")
            state.sandboxes[podUID] = nil
        }
    }

    func usage(podUID: String) async throws(RuntimeError) -> PodUsage { throw RuntimeError(.notFound, "no usage") }
    func timings(podUID: String) -> PodTimings? { nil }
    func exec(podUID: String, containerID: String, _ spec: ExecSpec) async throws(RuntimeError) -> ExecSession {
        throw RuntimeError(.notFound, "nothing can be executed")
    }
    func attach(podUID: String, containerID: String, _ spec: AttachSpec) async throws(RuntimeError) -> AttachSession {
        throw RuntimeError(.notFound, "nothing to attach to")
    }
    func run(podUID: String, containerID: String, args: [String], timeout: Duration, outputLimit: Int)
        async throws(RuntimeError) -> RunOutcome
    {
        let (isRunning, outcome) = state.withLock { state in
            state.calls.append("run \(args.joined(separator: " "))")
            return (state.running[containerID] != nil, state.outcome)
        }
        guard isRunning, let outcome else { throw RuntimeError(.notFound, "nothing can be executed") }
        return outcome(args)
    }
    func shutdown() async { publish.finish() }
}
