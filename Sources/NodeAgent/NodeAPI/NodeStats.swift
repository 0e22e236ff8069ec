import KubeAPI

/// Readings of what containers use, for `swiftlet stats`: two of them, and the time between, make a rate.
enum NodeStats {
    /// Of all pods, or of what is meant by `target`.
    static func json(
        _ pods: [PodSnapshot], target: NodeTarget?, runtime: any ContainerRuntime
    ) async -> JSON {
        var items: [JSON] = []
        for snapshot in (target.map { [$0.pod] } ?? pods).sorted(by: { $0.pod.key < $1.pod.key }) {
            guard case .ready = snapshot.state.sandbox else { continue }
            // A pod that goes while it is read has nothing to say.
            guard let usage = try? await runtime.usage(podUID: snapshot.pod.uid) else { continue }
            let now = Timestamp.now()
            for container in snapshot.pod.allContainers where target?.container ?? container.name == container.name {
                guard let run = snapshot.state.run(of: container.name), let reading = usage.containers[run.id] else {
                    continue
                }
                items.append(item(snapshot.pod, container, run, reading, now))
            }
        }
        return ["items": .array(items)]
    }

    private static func item(
        _ pod: Pod, _ container: Container, _ run: ContainerRun, _ reading: UsageReading, _ now: Timestamp
    ) -> JSON {
        func number(_ value: UInt64) -> JSON { .int(Int64(clamping: value)) }
        return [
            "id": .string(run.id), "namespace": .string(pod.namespace), "pod": .string(pod.name),
            "name": .string(container.name), "timestamp": .string(now.nano),
            "cpu": ["usageCoreNanoSeconds": number(reading.cpuNanos)],
            "memory": [
                "workingSetBytes": number(reading.workingSetBytes), "usageBytes": number(reading.memoryUsageBytes),
                "rssBytes": number(reading.rssBytes),
                "limitBytes": container.limits["memory"].map { .int($0.value) } ?? .null,
            ],
            "processes": number(reading.pids),
        ]
    }
}
