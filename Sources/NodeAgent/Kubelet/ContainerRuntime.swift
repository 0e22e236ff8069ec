import KubeAPI

/// What the kubelet asks of the runtime: the seam between deciding and doing. Tests put a fake here.
protocol ContainerRuntime: Sendable {
    var events: AsyncStream<RuntimeEvent> { get }
    func recover() async throws(RuntimeError) -> [RecoveredSandbox]
    func setPodCIDRs(_ cidrs: [CIDR]) throws(RuntimeError)
    func createSandbox(_ spec: SandboxSpec) async throws(RuntimeError) -> SandboxInfo
    func startContainer(podUID: String, _ spec: ContainerSpec) async throws(RuntimeError) -> ContainerInfo
    func stopContainer(podUID: String, containerID: String, graceSeconds: Int, signal: Int32)
        async throws(RuntimeError) -> ExitRecord
    func removeContainer(podUID: String, containerID: String) async throws(RuntimeError)
    func removeSandbox(podUID: String) async throws(RuntimeError)
    func usage(podUID: String) async throws(RuntimeError) -> PodUsage
    func timings(podUID: String) -> PodTimings?
    func exec(podUID: String, containerID: String, _ spec: ExecSpec) async throws(RuntimeError) -> ExecSession
    func attach(podUID: String, containerID: String, _ spec: AttachSpec) async throws(RuntimeError) -> AttachSession
    func run(podUID: String, containerID: String, args: [String], timeout: Duration, outputLimit: Int)
        async throws(RuntimeError) -> RunOutcome
    func shutdown() async
}

extension PodRuntime: ContainerRuntime {}

/// The runtime with a stopwatch: how often what was done, how long it took, how often it failed.
struct MeasuredRuntime: ContainerRuntime {
    let inner: any ContainerRuntime
    let metrics: NodeMetrics

    var events: AsyncStream<RuntimeEvent> { inner.events }

    func recover() async throws(RuntimeError) -> [RecoveredSandbox] { try await inner.recover() }
    func setPodCIDRs(_ cidrs: [CIDR]) throws(RuntimeError) { try inner.setPodCIDRs(cidrs) }
    func timings(podUID: String) -> PodTimings? { inner.timings(podUID: podUID) }
    func shutdown() async { await inner.shutdown() }

    func createSandbox(_ spec: SandboxSpec) async throws(RuntimeError) -> SandboxInfo {
        try await measure("run_podsandbox") { () throws(RuntimeError) in try await inner.createSandbox(spec) }
    }
    func startContainer(podUID: String, _ spec: ContainerSpec) async throws(RuntimeError) -> ContainerInfo {
        try await measure("start_container") { () throws(RuntimeError) in
            try await inner.startContainer(podUID: podUID, spec)
        }
    }
    func stopContainer(podUID: String, containerID: String, graceSeconds: Int, signal: Int32)
        async throws(RuntimeError) -> ExitRecord
    {
        try await measure("stop_container") { () throws(RuntimeError) in
            try await inner.stopContainer(
                podUID: podUID, containerID: containerID, graceSeconds: graceSeconds, signal: signal)
        }
    }
    func removeContainer(podUID: String, containerID: String) async throws(RuntimeError) {
        try await measure("remove_container") { () throws(RuntimeError) in
            try await inner.removeContainer(podUID: podUID, containerID: containerID)
        }
    }
    func removeSandbox(podUID: String) async throws(RuntimeError) {
        try await measure("remove_podsandbox") { () throws(RuntimeError) in
            try await inner.removeSandbox(podUID: podUID)
        }
    }
    func usage(podUID: String) async throws(RuntimeError) -> PodUsage {
        try await measure("podsandbox_stats") { () throws(RuntimeError) in try await inner.usage(podUID: podUID) }
    }

    func exec(podUID: String, containerID: String, _ spec: ExecSpec) async throws(RuntimeError) -> ExecSession {
        try await measure("exec") { () throws(RuntimeError) in
            try await inner.exec(podUID: podUID, containerID: containerID, spec)
        }
    }
    func attach(podUID: String, containerID: String, _ spec: AttachSpec) async throws(RuntimeError) -> AttachSession {
        try await measure("attach") { () throws(RuntimeError) in
            try await inner.attach(podUID: podUID, containerID: containerID, spec)
        }
    }
    func run(podUID: String, containerID: String, args: [String], timeout: Duration, outputLimit: Int)
        async throws(RuntimeError) -> RunOutcome
    {
        try await measure("exec_sync") { () throws(RuntimeError) in
            try await inner.run(
                podUID: podUID, containerID: containerID, args: args, timeout: timeout, outputLimit: outputLimit)
        }
    }

    private func measure<Value: Sendable>(
        _ operation: String, _ body: () async throws(RuntimeError) -> Value
    ) async throws(RuntimeError) -> Value {
        let start = ContinuousClock.now
        do throws(RuntimeError) {
            let value = try await body()
            metrics.runtimeOperation(operation, took: ContinuousClock.now - start, failed: false)
            return value
        } catch {
            metrics.runtimeOperation(operation, took: ContinuousClock.now - start, failed: true)
            throw error
        }
    }
}
