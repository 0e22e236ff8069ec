import KubeAPI
import Kernel

/// What one pod has used, as read at one time.
struct PodReading: Sendable {
    struct Container: Sendable {
        let name: String
        let run: ContainerRun
        let usage: UsageReading
        /// Bytes; nil for none.
        let memoryLimit: Int64?
    }

    let pod: Pod
    let at: Timestamp
    let startedAt: Timestamp?
    let usage: UsageReading
    let traffic: LinkTraffic?
    let containers: [Container]
}

/// Reads what the node and its pods have used, when somebody asks: nothing is read while nobody does.
struct NodeReadings: Sendable {
    let workers: PodWorkers
    let runtime: any ContainerRuntime

    /// The pods that have a sandbox, by name.
    func pods() async -> [PodReading] {
        var readings: [PodReading] = []
        for snapshot in workers.snapshots.sorted(by: { $0.pod.key < $1.pod.key }) {
            guard case .ready = snapshot.state.sandbox else { continue }
            // A pod that goes while it is read has nothing to say.
            guard let usage = try? await runtime.usage(podUID: snapshot.pod.uid) else { continue }
            readings.append(Self.reading(snapshot, usage, at: .now()))
        }
        return readings
    }

    static func reading(_ snapshot: PodSnapshot, _ usage: PodUsage, at time: Timestamp) -> PodReading {
        let containers = snapshot.state.containers.sorted { $0.key < $1.key }.compactMap {
            name, known -> PodReading.Container? in
            guard let run = known.current, run.isRunning, let reading = usage.containers[run.id] else { return nil }
            return PodReading.Container(
                name: name, run: run, usage: reading,
                memoryLimit: snapshot.pod.allContainers.first { $0.name == name }?.limits["memory"]?.value)
        }
        return PodReading(
            pod: snapshot.pod, at: time, startedAt: snapshot.state.startTime, usage: usage.pod, traffic: usage.traffic,
            containers: containers)
    }
}
