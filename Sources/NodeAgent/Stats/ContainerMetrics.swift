import KubeAPI
import Kernel

/// The node's `/metrics/cadvisor`, as far as the kernel tells what cAdvisor's names mean: dashboards ask for these.
struct ContainerMetrics {
    let machine: MachineReading
    let pods: [PodReading]
    let processors: Int

    /// A pod as a whole, or one container of it, as cAdvisor labels them.
    private struct Row {
        let labels: PrometheusText.Labels
        let usage: UsageReading
        let at: Timestamp
        let startedAt: Timestamp?
        let memoryLimit: Int64?
    }

    func text() -> String {
        var text = PrometheusText()
        let rows = rows()
        func add(
            _ name: String, _ kind: PrometheusText.Kind, _ help: String, with more: PrometheusText.Labels = [],
            _ value: (Row) -> Double?
        ) {
            text.family(name, kind, help)
            for row in rows {
                guard let value = value(row) else { continue }
                text.sample(name, Self.merged(row.labels, more), value, at: row.at)
            }
        }
        add(
            "container_cpu_usage_seconds_total", .counter, "Processor time used, in core-seconds.",
            with: [("cpu", "total")]
        ) { Double($0.usage.cpuNanos) / 1e9 }
        add("container_cpu_cfs_periods_total", .counter, "Periods under a processor quota.") {
            $0.usage.quotaPeriods > 0 ? Double($0.usage.quotaPeriods) : nil
        }
        add("container_cpu_cfs_throttled_periods_total", .counter, "Periods in which the quota was used up.") {
            $0.usage.quotaPeriods > 0 ? Double($0.usage.throttledPeriods) : nil
        }
        add("container_cpu_cfs_throttled_seconds_total", .counter, "Time spent waiting for the next quota.") {
            $0.usage.quotaPeriods > 0 ? Double($0.usage.throttledNanos) / 1e9 : nil
        }
        add("container_memory_usage_bytes", .gauge, "Memory in use, the page cache included.") {
            Double($0.usage.memoryUsageBytes)
        }
        add("container_memory_working_set_bytes", .gauge, "Memory that can't be reclaimed at once.") {
            Double($0.usage.workingSetBytes)
        }
        add("container_memory_rss", .gauge, "Anonymous memory.") { Double($0.usage.rssBytes) }
        add("container_memory_cache", .gauge, "Memory of the page cache.") { Double($0.usage.cacheBytes) }
        add("container_spec_memory_limit_bytes", .gauge, "Memory that may be used; 0 for no limit.") {
            $0.startedAt == nil ? nil : Double($0.memoryLimit ?? 0)
        }
        add("container_start_time_seconds", .gauge, "Start in Unix time.") {
            $0.startedAt.map { Double($0.unixNanos) / 1e9 }
        }
        add("container_processes", .gauge, "Processes and threads.") { Double($0.usage.pids) }
        network(&text)
        text.one("machine_cpu_cores", .gauge, "Processors of the machine.", processors)
        text.one("machine_memory_bytes", .gauge, "Memory of the machine.", machine.memory["MemTotal"] ?? 0)
        return text.text
    }

    private func rows() -> [Row] {
        pods.flatMap { pod -> [Row] in
            let group = Self.cgroup(pod)
            let whole = Row(
                labels: Self.labels(pod, id: group), usage: pod.usage, at: pod.at, startedAt: nil, memoryLimit: nil)
            return [whole]
                + pod.containers.map { container in
                    Row(
                        labels: Self.labels(
                            pod, id: "\(group)/\(container.run.id)", container: container.name,
                            image: container.run.imageName, name: container.run.id),
                        usage: container.usage, at: pod.at, startedAt: container.run.startedAt,
                        memoryLimit: container.memoryLimit)
                }
        }
    }

    /// Links belong to pods, not to containers.
    private func network(_ text: inout PrometheusText) {
        let counters: [(name: String, help: String, value: (LinkTraffic) -> UInt64)] = [
            ("receive_bytes", "Bytes that came in.", { $0.receivedBytes }),
            ("receive_packets", "Packets that came in.", { $0.receivedPackets }),
            ("receive_packets_dropped", "Packets that came in and were dropped.", { $0.receivedDropped }),
            ("receive_errors", "Errors at what came in.", { $0.receiveErrors }),
            ("transmit_bytes", "Bytes that went out.", { $0.sentBytes }),
            ("transmit_packets", "Packets that went out.", { $0.sentPackets }),
            ("transmit_packets_dropped", "Packets that were to go out and were dropped.", { $0.sentDropped }),
            ("transmit_errors", "Errors at what was to go out.", { $0.sendErrors }),
        ]
        for (counter, help, value) in counters {
            let name = "container_network_\(counter)_total"
            text.family(name, .counter, help)
            for pod in pods {
                guard let traffic = pod.traffic else { continue }
                let labels = Self.merged(Self.labels(pod, id: Self.cgroup(pod)), [("interface", "eth0")])
                text.sample(name, labels, value(traffic), at: pod.at)
            }
        }
    }

    /// Below the node's own tree.
    private static func cgroup(_ pod: PodReading) -> String { Sandbox.cgroup(pod.pod.qos, pod.pod.uid) }

    private static func labels(
        _ pod: PodReading, id: String, container: String = "", image: String = "", name: String = ""
    ) -> PrometheusText.Labels {
        [
            ("container", container), ("id", "/" + id), ("image", image), ("name", name),
            ("namespace", pod.pod.namespace), ("pod", pod.pod.name),
        ]
    }

    /// By name, as Prometheus' own libraries write them.
    private static func merged(
        _ labels: PrometheusText.Labels, _ more: PrometheusText.Labels
    ) -> PrometheusText.Labels {
        more.isEmpty ? labels : (labels + more).sorted { $0.name < $1.name }
    }
}
