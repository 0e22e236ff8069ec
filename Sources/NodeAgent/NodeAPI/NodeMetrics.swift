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
        var operations: [String: Histogram] = [:]
        var errors: [String: Int] = [:]
        var starts = Histogram(bounds: NodeMetrics.startBounds)
        var sliStarts = Histogram(bounds: NodeMetrics.startBounds)
        var passes = Histogram(bounds: NodeMetrics.operationBounds)
    }
    private let state = Mutex(State())

    func runtimeOperation(_ operation: String, took duration: Duration, failed: Bool) {
        state.withLock { state in
            state.operations[operation, default: Histogram(bounds: Self.operationBounds)].observe(duration)
            if failed { state.errors[operation, default: 0] += 1 }
        }
    }

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
        var text = ""
        func head(_ name: String, _ type: String, _ help: String) {
            text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
        }
        head("kubelet_node_name", "gauge", "The node's name. The count is always 1.")
        text += "kubelet_node_name{node=\"\(nodeName)\"} 1\n"

        let sandboxes = pods.filter { if case .ready = $0.state.sandbox { true } else { false } }
        head("kubelet_running_pods", "gauge", "Number of pods that have a running pod sandbox")
        text += "kubelet_running_pods \(sandboxes.count)\n"
        var containers = ["created": 0, "running": 0, "exited": 0]
        for container in pods.flatMap(\.state.containers.values) {
            if container.startingID != nil { containers["created", default: 0] += 1 }
            if let run = container.current { containers[run.isRunning ? "running" : "exited", default: 0] += 1 }
        }
        head("kubelet_running_containers", "gauge", "Number of containers currently running")
        for (name, count) in containers.sorted(by: { $0.key < $1.key }) {
            text += "kubelet_running_containers{container_state=\"\(name)\"} \(count)\n"
        }
        let operations = state.operations.sorted { $0.key < $1.key }
        head(
            "kubelet_runtime_operations_total", "counter", "Cumulative number of runtime operations by operation type.")
        for (name, histogram) in operations {
            text += "kubelet_runtime_operations_total{operation_type=\"\(name)\"} \(histogram.count)\n"
        }
        head(
            "kubelet_runtime_operations_errors_total", "counter",
            "Cumulative number of runtime operation errors by operation type.")
        for (name, count) in state.errors.sorted(by: { $0.key < $1.key }) {
            text += "kubelet_runtime_operations_errors_total{operation_type=\"\(name)\"} \(count)\n"
        }
        head(
            "kubelet_runtime_operations_duration_seconds", "histogram",
            "Duration in seconds of runtime operations. Broken down by operation type.")
        for (name, histogram) in operations {
            text += histogram.text("kubelet_runtime_operations_duration_seconds", labels: "operation_type=\"\(name)\"")
        }
        head("kubelet_pod_worker_duration_seconds", "histogram", "Duration in seconds to sync a single pod.")
        text += state.passes.text("kubelet_pod_worker_duration_seconds", labels: "operation_type=\"sync\"")
        head(
            "kubelet_pod_start_duration_seconds", "histogram",
            "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run")
        text += state.starts.text("kubelet_pod_start_duration_seconds", labels: "")
        head(
            "kubelet_pod_start_sli_duration_seconds", "histogram",
            "Duration in seconds to start a pod, excluding time to pull images and run init containers, measured from pod creation timestamp to when all its containers are reported as started and observed via watch"
        )
        text += state.sliStarts.text("kubelet_pod_start_sli_duration_seconds", labels: "")
        return text
    }
}
