import KubeAPI

/// What commands on this machine ask the node for.
enum LocalLists {
    /// The containers of all pods, for `swiftlet ps`.
    /// - Parameter runtime: adds where the time of each pod's start went.
    static func containers(_ pods: [PodSnapshot], timingsOf runtime: (any ContainerRuntime)? = nil) -> JSON {
        var items: [JSON] = []
        for snapshot in pods.sorted(by: { $0.pod.key < $1.pod.key }) {
            for container in snapshot.pod.allContainers {
                let known = snapshot.state.containers[container.name] ?? ContainerState()
                var item = item(snapshot, container, known.current ?? known.previous)
                if let runtime { item["timings"] = timings(of: snapshot, runtime, known.current?.id) }
                items.append(item)
            }
        }
        return ["items": .array(items)]
    }

    private static func item(_ snapshot: PodSnapshot, _ container: Container, _ run: ContainerRun?) -> JSON {
        let pod = snapshot.pod
        var item: JSON = [
            "id": .string(run?.id ?? ""), "pod": .string(pod.name), "namespace": .string(pod.namespace),
            "uid": .string(pod.uid), "name": .string(container.name), "image": .string(container.image),
            "command": JSON(command(container, snapshot)),
            "imageID": .string(run?.imageID ?? ""),
            "state": .string(state(snapshot, container, run)),
            "pid": .int(Int64(run?.isRunning == true ? run?.pid ?? 0 : 0)),
            "ip": .string(snapshot.state.podIPs.first ?? ""), "attempt": .int(Int64(run?.attempt ?? 0)),
            "createdAt": JSON(run?.startedAt?.rfc3339),
        ]
        if let end = run?.end { item["exitCode"] = .int(Int64(end.exitCode)) }
        return item
    }

    /// When the pod's start had reached which stage, from when it was first seen, and how long the runtime's steps took
    /// by themselves. Microseconds.
    private static func timings(of snapshot: PodSnapshot, _ runtime: any ContainerRuntime, _ id: String?) -> JSON {
        var json: JSON = .emptyObject
        for (stage, duration) in snapshot.timings.stages { json[stage] = .int(duration.nanoseconds / 1000) }
        guard let timings = runtime.timings(podUID: snapshot.pod.uid) else { return json }
        for lap in timings.sandbox { json["sandbox: \(lap.stage)"] = .int(Int64(clamping: lap.nanos / 1000)) }
        for lap in id.flatMap({ timings.containers[$0] }) ?? [] {
            json["container: \(lap.stage)"] = .int(Int64(clamping: lap.nanos / 1000))
        }
        return json
    }

    /// What it runs: as the pod says, else as its image does.
    private static func command(_ container: Container, _ snapshot: PodSnapshot) -> [String] {
        let (command, args) = (container.command, container.args)
        if !command.isEmpty { return command + args }
        guard case .found(let image) = snapshot.state.containers[container.name]?.image else { return args }
        return image.config.entrypoint + (args.isEmpty ? image.config.command : args)
    }

    /// `Running`, `Exited`, or why it waits.
    private static func state(_ snapshot: PodSnapshot, _ container: Container, _ run: ContainerRun?) -> String {
        if run?.isRunning == true { return "Running" }
        if let reason = snapshot.containerStatus(container.name)?.waitingReason { return reason }
        return run == nil ? "ContainerCreating" : "Exited"
    }

    /// The ids of images that pods of this node need, each with one that does: `swiftlet image remove` leaves them alone.
    /// - Parameter idOf: the id of the image that a run has under a registry's name.
    static func usedImages(_ pods: [PodSnapshot], idOf: (String) -> String?) -> JSON {
        var users: [String: String] = [:]
        for snapshot in pods where !snapshot.isTerminal {
            for container in snapshot.state.containers.values {
                var ids = [container.current, container.previous].compactMap { $0 }.filter(\.isInRuntime).map(\.imageID)
                if case .found(let image) = container.image { ids.append(image.id) }
                for id in ids.map({ idOf($0) ?? $0 }) where !id.isEmpty { users[id] = "pod \(snapshot.pod.key)" }
            }
        }
        return [
            "items": .array(users.keys.sorted().map { ["id": .string($0), "user": .string(users[$0] ?? "")] })
        ]
    }
}
