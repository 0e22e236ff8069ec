import KubeAPI
import Synchronization

/// What the kubelet counts, under the names that dashboards of Kubernetes expect. What can't be computed honestly is
/// absent.
final class NodeMetrics: Sendable {
    /// From a millisecond up: Kubernetes' own buckets begin where ours end.
    private static let operationBounds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]
    private static let startBounds: [Double] = [
        0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300,
        360, 480, 600, 900, 1200, 1800, 2700, 3600,
    ]

    private struct State {
        var operations: [String: MetricHistogram] = [:]
        var errors: [String: Int] = [:]
        var starts = MetricHistogram(bounds: NodeMetrics.startBounds)
        var sliStarts = MetricHistogram(bounds: NodeMetrics.startBounds)
        var fallbacks = 0
        var passes = MetricHistogram(bounds: NodeMetrics.operationBounds)
    }
    private let state = Mutex(State())

    func runtimeOperation(_ operation: String, took duration: Duration, failed: Bool) {
        state.withLock { state in
            state.operations[operation, default: MetricHistogram(bounds: Self.operationBounds)].observe(duration)
            if failed { state.errors[operation, default: 0] += 1 }
        }
    }

    /// A hook's server was asked by HTTPS and knew only HTTP.
    func hookFellBack() { state.withLock { $0.fallbacks += 1 } }

    func workerPass(took duration: Duration) { state.withLock { $0.passes.observe(duration) } }

    /// All containers of a pod run for the first time.
    func podStarted(_ pod: Pod, took sinceSeen: Duration) {
        // Creation is told in whole seconds: it only says more where the pod waited longer than that to be seen here.
        var sinceCreation = sinceSeen
        if let created = Timestamp(pod.json["metadata"]["creationTimestamp"]) {
            let age = Timestamp.now() - created
            if age - sinceSeen > .seconds(1) { sinceCreation = age }
        }
        state.withLock { state in
            state.starts.observe(sinceSeen)
            state.sliStarts.observe(sinceCreation)
        }
    }

    /// - Parameter pods: the pods as they are, for the gauges.
    func text(nodeName: String, pods: [PodSnapshot]) -> String {
        let state = state.withLock { $0 }
        var text = PrometheusText()
        text.family("kubelet_node_name", .gauge, "The node's name. The count is always 1.")
        text.sample("kubelet_node_name", [("node", nodeName)], 1)
        Self.running(pods, &text)
        Self.operations(state, &text)
        let passes = "kubelet_pod_worker_duration_seconds"
        text.family(passes, .histogram, "Duration in seconds to sync a single pod.")
        text.samples(passes, [("operation_type", "sync")], state.passes)
        text.one(
            "kubelet_pod_start_duration_seconds",
            "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run", state.starts)
        text.one(
            "kubelet_pod_start_sli_duration_seconds",
            "Duration in seconds to start a pod, excluding time to pull images and run init containers, measured from pod creation timestamp to when all its containers are reported as started and observed via watch",
            state.sliStarts)
        text.one(
            "kubelet_lifecycle_handler_http_fallbacks_total", .counter,
            "Lifecycle hooks that were asked by HTTPS and answered by HTTP.", state.fallbacks)
        return text.text
    }

    private static func running(_ pods: [PodSnapshot], _ text: inout PrometheusText) {
        let sandboxes = pods.filter { if case .ready = $0.state.sandbox { true } else { false } }
        text.one("kubelet_running_pods", .gauge, "Number of pods that have a running pod sandbox", sandboxes.count)
        var containers = ["created": 0, "running": 0, "exited": 0]
        for container in pods.flatMap(\.state.containers.values) {
            if container.startingID != nil { containers["created", default: 0] += 1 }
            if let run = container.current { containers[run.isRunning ? "running" : "exited", default: 0] += 1 }
        }
        text.family("kubelet_running_containers", .gauge, "Number of containers currently running")
        for (name, count) in containers.sorted(by: { $0.key < $1.key }) {
            text.sample("kubelet_running_containers", [("container_state", name)], count)
        }
    }

    private static func operations(_ state: State, _ text: inout PrometheusText) {
        let operations = state.operations.sorted { $0.key < $1.key }
        let total = "kubelet_runtime_operations_total"
        text.family(total, .counter, "Cumulative number of runtime operations by operation type.")
        for (name, histogram) in operations { text.sample(total, [("operation_type", name)], histogram.count) }
        let errors = "kubelet_runtime_operations_errors_total"
        text.family(errors, .counter, "Cumulative number of runtime operation errors by operation type.")
        for (name, count) in state.errors.sorted(by: { $0.key < $1.key }) {
            text.sample(errors, [("operation_type", name)], count)
        }
        let durations = "kubelet_runtime_operations_duration_seconds"
        text.family(
            durations, .histogram, "Duration in seconds of runtime operations. Broken down by operation type.")
        for (name, histogram) in operations { text.samples(durations, [("operation_type", name)], histogram) }
    }
}
