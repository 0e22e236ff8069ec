import KubeAPI

/// What pods use now, in the form of the kubelet's `/stats/summary`.
struct StatsSummary: Sendable {
    let context: KubeletContext
    let workers: PodWorkers

    func json() async -> JSON {
        var pods: [JSON] = []
        for snapshot in workers.snapshots.sorted(by: { $0.pod.key < $1.pod.key }) {
            guard case .ready = snapshot.state.sandbox else { continue }
            // A pod that goes while it is read has nothing to say.
            guard let usage = try? await context.runtime.usage(podUID: snapshot.pod.uid) else { continue }
            pods.append(Self.pod(snapshot, usage, now: .now()))
        }
        return ["node": ["nodeName": .string(context.config.nodeName)], "pods": .array(pods)]
    }

    private static func pod(_ snapshot: PodSnapshot, _ usage: PodUsage, now: Timestamp) -> JSON {
        let pod = snapshot.pod
        let time = JSON.string(now.rfc3339)
        var json: JSON = [
            "podRef": ["name": .string(pod.name), "namespace": .string(pod.namespace), "uid": .string(pod.uid)],
            "startTime": JSON(snapshot.state.startTime?.rfc3339),
            "cpu": cpu(usage.pod, time), "memory": memory(usage.pod, time),
            "process_stats": ["process_count": number(usage.pod.pids)],
        ]
        if let received = usage.receivedBytes, let sent = usage.sentBytes {
            json["network"] = ["time": time, "name": "eth0", "rxBytes": number(received), "txBytes": number(sent)]
        }
        json["containers"] = .array(
            snapshot.state.containers.sorted { $0.key < $1.key }.compactMap { name, container in
                guard let run = container.current, let reading = usage.containers[run.id] else { return nil }
                return [
                    "name": .string(name), "startTime": JSON(run.startedAt?.rfc3339), "cpu": cpu(reading, time),
                    "memory": memory(reading, time),
                ]
            })
        return json
    }

    private static func number(_ value: UInt64) -> JSON { .int(Int64(clamping: value)) }
    private static func cpu(_ reading: UsageReading, _ time: JSON) -> JSON {
        ["time": time, "usageCoreNanoSeconds": number(reading.cpuNanos)]
    }
    private static func memory(_ reading: UsageReading, _ time: JSON) -> JSON {
        [
            "time": time, "usageBytes": number(reading.memoryUsageBytes),
            "workingSetBytes": number(reading.workingSetBytes),
            "rssBytes": number(reading.rssBytes),
        ]
    }
}
