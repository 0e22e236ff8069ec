import KubeAPI

/// All that the node knows of a pod or a container, in the form of the CRI's status with its verbose part: what reads
/// `crictl inspectp` and `crictl inspect` reads this.
struct NodeInspection {
    let target: NodeTarget
    let paths: KubeletPaths
    let timings: PodTimings?

    var json: JSON { target.container.map { container($0) } ?? podDocument }

    private var pod: Pod { target.pod.pod }
    private var state: PodState { target.pod.state }

    // MARK: a pod

    private var podDocument: JSON {
        var sandboxState = "SANDBOX_NOTREADY"
        var supervisor = 0
        var createdAt: Timestamp?
        if case .ready(let info) = state.sandbox {
            sandboxState = "SANDBOX_READY"
            supervisor = info.podinitPID
            createdAt = info.createdAt
        }
        let others = state.podIPs.dropFirst().map { ip -> JSON in ["ip": .string(ip)] }
        let status: JSON = [
            "id": .string(pod.uid),
            "metadata": [
                "name": .string(pod.name), "namespace": .string(pod.namespace), "uid": .string(pod.uid),
                "attempt": .int(Int64(state.sandboxNumber)),
            ],
            "state": .string(sandboxState), "createdAt": JSON(createdAt?.nano),
            "network": ["ip": .string(state.podIPs.first ?? ""), "additionalIps": .array(others)],
            "linux": [
                "namespaces": [
                    "options": [
                        "network": .string(pod.hostNetwork ? "NODE" : "POD"),
                        "pid": .string(pod.hostPID ? "NODE" : pod.shareProcessNamespace ? "POD" : "CONTAINER"),
                        "ipc": .string(pod.hostIPC ? "NODE" : "POD"),
                    ]
                ]
            ],
            "labels": pod.json["metadata"]["labels"], "annotations": pod.json["metadata"]["annotations"],
        ]
        var object = pod.json
        object["status"] = target.pod.status
        return ["status": status, "info": info(supervisor: supervisor, object)]
    }

    private func info(supervisor: Int, _ object: JSON) -> JSON {
        let containers = pod.allContainers.map { container -> JSON in
            let run = state.run(of: container.name)
            return [
                "name": .string(container.name), "id": .string(run?.id ?? ""),
                "pid": .int(Int64(run?.isRunning == true ? run?.pid ?? 0 : 0)),
                "state": .string(Self.stateName(run)),
            ]
        }
        return [
            "pid": .int(Int64(supervisor)), "cgroup": .string(cgroup), "logFolder": .string(paths.podLogs(pod)),
            "stateFolder": .string(paths.pod(pod.uid)), "containers": .array(containers), "timings": timingsJSON,
            "pod": object,
        ]
    }

    /// Below the node's own tree.
    private var cgroup: String {
        Sandbox.cgroup(
            QOSClass(rawValue: target.pod.status["qosClass"].stringValue.lowercased()) ?? .besteffort, pod.uid)
    }

    /// Microseconds.
    private var timingsJSON: JSON {
        var json: JSON = .emptyObject
        for (stage, duration) in target.pod.timings.stages { json[stage] = .int(duration.nanoseconds / 1000) }
        for lap in timings?.sandbox ?? [] { json["sandbox: \(lap.stage)"] = .int(Int64(clamping: lap.nanos / 1000)) }
        return json
    }

    // MARK: a container

    private static func stateName(_ run: ContainerRun?) -> String {
        guard let run else { return "CONTAINER_CREATED" }
        return run.isRunning ? "CONTAINER_RUNNING" : "CONTAINER_EXITED"
    }

    private func container(_ name: String) -> JSON {
        let spec = pod.allContainers.first { $0.name == name } ?? Container(.emptyObject)
        let run = target.run
        var status: JSON = [
            "id": .string(run?.id ?? ""),
            "metadata": ["name": .string(name), "attempt": .int(Int64(run?.attempt ?? 0))],
            "state": .string(Self.stateName(run)), "createdAt": JSON(run?.startedAt?.nano),
            "startedAt": JSON(run?.startedAt?.nano), "image": ["image": .string(run?.imageName ?? spec.image)],
            "imageRef": .string(run?.imageID ?? ""), "mounts": mounts(spec),
            "labels": [
                "io.kubernetes.container.name": .string(name), "io.kubernetes.pod.name": .string(pod.name),
                "io.kubernetes.pod.namespace": .string(pod.namespace), "io.kubernetes.pod.uid": .string(pod.uid),
            ],
            "logPath": .string(paths.log(pod, name, attempt: run?.attempt ?? 0)),
        ]
        if let end = run?.end {
            status["finishedAt"] = .string(end.finishedAt.nano)
            status["exitCode"] = .int(Int64(end.exitCode))
            status["reason"] = .string(end.reason)
            status["message"] = .string(end.message)
        } else if run == nil, let reason = waitingReason(name) {
            status["reason"] = .string(reason)
        }
        var info: JSON = [
            "sandboxID": .string(pod.uid), "pid": .int(Int64(run?.isRunning == true ? run?.pid ?? 0 : 0)),
        ]
        if let run { info["cgroup"] = .string(cgroup + "/" + run.id) }
        var laps: JSON = .emptyObject
        for lap in run.flatMap({ timings?.containers[$0.id] }) ?? [] {
            laps[lap.stage] = .int(Int64(clamping: lap.nanos / 1000))
        }
        info["timings"] = laps
        info["config"] = spec.json
        return ["status": status, "info": info]
    }

    private func waitingReason(_ name: String) -> String? {
        target.pod.containerStatus(name)?.waitingReason
    }

    private func mounts(_ container: Container) -> JSON {
        guard case .ready(let volumes) = state.volumes else { return [] }
        return .array(
            container.volumeMounts.map { mount in
                let volume = volumes[mount["name"].stringValue]
                var source = ""
                if case .path(let path) = volume?.source { source = path }
                if let subPath = mount["subPath"].string.nonEmpty { source += "/" + subPath }
                return [
                    "containerPath": mount["mountPath"], "hostPath": .string(source),
                    "readonly": .bool(volume?.isReadOnly == true || mount["readOnly"].bool == true),
                    "propagation": .string(mount["mountPropagation"].string ?? "None"),
                ]
            })
    }
}
