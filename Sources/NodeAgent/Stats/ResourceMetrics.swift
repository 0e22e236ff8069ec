import KubeAPI
import Kernel

/// The node's `/metrics/resource`: what metrics-server reads. Each sample carries the time of its reading.
enum ResourceMetrics {
    static func text(machine: MachineReading, pods: [PodReading]) -> String {
        var text = PrometheusText()
        containers(pods, &text)
        node(machine, &text)
        let cpu = "pod_cpu_usage_seconds_total"
        text.family(cpu, .counter, "Processor time that the pod has used, in core-seconds.")
        for pod in pods { text.sample(cpu, labels(pod), seconds(pod.usage.cpuNanos), at: pod.at) }
        let memory = "pod_memory_working_set_bytes"
        text.family(memory, .gauge, "Memory of the pod that can't be reclaimed at once, in bytes.")
        for pod in pods { text.sample(memory, labels(pod), pod.usage.workingSetBytes, at: pod.at) }
        text.one("resource_scrape_error", .gauge, "1 if readings could not be taken, else 0.", 0)
        return text.text
    }

    private static func containers(_ pods: [PodReading], _ text: inout PrometheusText) {
        let cpu = "container_cpu_usage_seconds_total"
        text.family(cpu, .counter, "Processor time that the container has used, in core-seconds.")
        each(pods) { text.sample(cpu, $1, seconds($2.usage.cpuNanos), at: $0.at) }
        let memory = "container_memory_working_set_bytes"
        text.family(memory, .gauge, "Memory of the container that can't be reclaimed at once, in bytes.")
        each(pods) { text.sample(memory, $1, $2.usage.workingSetBytes, at: $0.at) }
        let start = "container_start_time_seconds"
        text.family(start, .gauge, "When the container was started, in Unix time.")
        each(pods) { pod, labels, container in
            guard let started = container.run.startedAt else { return }
            text.sample(start, labels, Double(started.unixNanos) / 1e9, at: pod.at)
        }
    }

    private static func node(_ machine: MachineReading, _ text: inout PrometheusText) {
        if let nanos = machine.cpuNanos {
            let cpu = "node_cpu_usage_seconds_total"
            text.family(cpu, .counter, "Processor time that the node has used, in core-seconds.")
            text.sample(cpu, [], seconds(nanos), at: machine.at)
        }
        let memory = "node_memory_working_set_bytes"
        text.family(memory, .gauge, "Memory of the node that can't be reclaimed at once, in bytes.")
        text.sample(memory, [], machine.workingSetBytes, at: machine.at)
    }

    private static func each(
        _ pods: [PodReading], _ body: (PodReading, PrometheusText.Labels, PodReading.Container) -> Void
    ) {
        for pod in pods {
            for container in pod.containers { body(pod, [("container", container.name)] + labels(pod), container) }
        }
    }

    private static func labels(_ pod: PodReading) -> PrometheusText.Labels {
        [("namespace", pod.pod.namespace), ("pod", pod.pod.name)]
    }

    private static func seconds(_ nanos: UInt64) -> Double { Double(nanos) / 1e9 }
}
